"""Kotlin."""

from sera_cli.svg.languages.language import Language

KOTLIN = Language(
    name="kotlin",
    grammar="tree_sitter_kotlin",
    endings=(".kt", ".kts"),
    tests=r"/src/(test([A-Z]\w*)?|\w+Test\w*|[\w-]+-tests?)/|Tests?\.kts?$",
    generated=r"/generated/",
    stumbles=(rb"(?P<word>[^\x00-\x7f]+)", rb"(?m)^[ \t]*context\([^()\n]*\)", rb"(?P<end>[ \t])(?=\})"),
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
