"""Kotlin."""

from sera_cli.svg.languages.language import Language

ALONE = rb"(?:(?<=[\w>]\n)|(?<=[\w>]\r\n))[ \t]*"
MODIFIER = rb"(?:(?:@[\w.:]{1,80}(?:\([^()\n]{0,80}\))?|private|protected|internal|public|actual|expect)\s{1,80})"
STUMBLES = (
    rb"(?P<word>[^\x00-\x7f]+)",
    rb"\b(?P<word>open|inner|data|value|sealed|inline|final|[gs]et|out|by)"
    rb"(?=[ \t]*(?:[-+*/]?=|[.\[,)]|(?:or|and|xor)\b))",
    ALONE + MODIFIER + rb"{1,5}(?=constructor\b)",
    ALONE + MODIFIER + rb"{1,5}(?=[gs]et\()",
    rb"(?m)^[ \t]*context\([^()\n]*\)",
    rb"(?P<end>[ \t])(?=\})",
)
"""Letters beyond ASCII; names that are keywords elsewhere; what stands in a line of its own before a first constructor,
or before `get` and `set`; what a context gives; a body's end in the line of its last statement.
"""

KOTLIN = Language(
    name="kotlin",
    grammar="tree_sitter_kotlin",
    endings=(".kt", ".kts"),
    tests=r"/src/(test([A-Z]\w*)?|\w+Test\w*|[\w-]+-tests?)/|Tests?\.kts?$",
    generated=r"/generated/",
    stumbles=STUMBLES,
    implicit=True,
    reach="folder",
    query="""
    (function_declaration name: (identifier) @name (function_body)? @body) @function
    (secondary_constructor "constructor" @name (block)? @body) @function
    [(class_declaration name: (_) @name) (object_declaration name: (_) @name)] @container
    (call_expression (identifier) @callee) @call
    (call_expression (navigation_expression (_) @receiver (identifier) @callee .)) @call
    [(if_expression) (for_statement) (while_statement) (do_while_statement) (when_entry) (catch_block)] @branch
    (binary_expression operator: ["&&" "||" "?:"]) @branch
    [(line_comment) (block_comment)] @comment
    (annotation) @decoration
    """,
)
