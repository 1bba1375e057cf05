"""C."""

from sera_cli.svg.languages.language import Language

TESTS = r"/(\w+[-_])?(unit)?tests?([-_]\w+)?/|/(test|tst)_[^/]*$|[-_](unit)?tests?\.\w+$"
GENERATED = r"\.(tab|yy|pb|pb-c|grpc\.pb)\.\w+$|/(moc|qrc)_\w+\.(cc|cpp|cxx)$|\.moc$"

NEVER = rb"0|\(0\)|false"
GIVEN = rb"(\([^()\n]*\))?"
MACRO = rb"[A-Za-z]{0,30}_?[A-Z][A-Z0-9_]{2,60}" + GIVEN
STUMBLES = (
    rb"(?<=\bclass )" + MACRO + rb"(?= +\w)|(?<=\bstruct )" + MACRO + rb"(?= +\w+\s*[:{])",
    rb"(?m)(?<=[;{}:)>/\n]\n)[ \t]+" + MACRO + rb"[ \t]*$",
    rb"(?m)^[ \t]+" + MACRO + rb"[ \t]*$",
    rb"(?<!def )(?<!define )\b[A-Z][A-Z0-9]{0,30}_[A-Z0-9_]{1,60}(?=" + GIVEN + rb"\s+[A-Za-z_~;]|\s+\{)" + GIVEN,
)
"""Macros before the name of a type, on a line of their own (between statements, then anywhere), and before any word.
"""

NOT_KEYWORD = '(#not-match? @name "^(if|for|while|switch|else|return|catch|sizeof)$")'
"""What a grammar that is led astray by a macro may take for a function."""

C = Language(
    name="c",
    grammar="tree_sitter_c",
    endings=(".c", ".h"),
    tests=TESTS,
    generated=GENERATED,
    never=NEVER,
    stumbles=STUMBLES,
    reach="repository",
    query=f"""
    ((function_definition declarator: [
      (function_declarator declarator: (identifier) @name)
      (function_declarator declarator: (parenthesized_declarator (identifier) @name))
      (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))
      (pointer_declarator declarator: (pointer_declarator
        declarator: (function_declarator declarator: (identifier) @name)))
      (function_declarator declarator: (parenthesized_declarator (pointer_declarator
        declarator: (function_declarator declarator: (identifier) @name))))
    ]) @function {NOT_KEYWORD})
    (call_expression function: (identifier) @callee) @call
    [(if_statement) (for_statement) (while_statement) (do_statement) (case_statement) (conditional_expression)] @branch
    (binary_expression operator: ["&&" "||"]) @branch
    (comment) @comment
    """,
)
