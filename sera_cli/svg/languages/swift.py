"""Swift."""

from sera_cli.svg.languages.language import Language

SWIFT = Language(
    name="swift",
    grammar="tree_sitter_swift",
    endings=(".swift",),
    tests=r"/\w*Tests?/|Tests?\.swift$",
    generated=r"\.(pb|grpc|generated)\.swift$",
    selves=frozenset({"self", "Self"}),
    implicit=True,
    reach="repository",
    query="""
    (function_declaration "func" . _ @name) @function
    (init_declaration "init" @name) @function
    (deinit_declaration "deinit" @name) @function
    (subscript_declaration "subscript" @name (computed_property) @body) @function
    (protocol_function_declaration name: (simple_identifier) @name) @function
    [(class_declaration name: (_) @name) (protocol_declaration name: (_) @name)] @container
    (call_expression (simple_identifier) @callee) @call
    (call_expression (navigation_expression target: (_) @receiver
      suffix: (navigation_suffix suffix: (simple_identifier) @callee))) @call
    [(if_statement) (guard_statement) (for_statement) (while_statement) (repeat_while_statement) (switch_entry)
     (catch_block) (ternary_expression)] @branch
    [(conjunction_expression) (disjunction_expression)] @branch
    [(comment) (multiline_comment)] @comment
    (attribute) @decoration
    """,
)
