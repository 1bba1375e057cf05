"""Kotlin."""

from sera_cli.svg.languages.language import Language

KOTLIN = Language(
    name="kotlin",
    grammar="tree_sitter_kotlin",
    endings=(".kt", ".kts"),
    tests=r"/src/\w*[tT]est\w*/|(Tests?|Spec)\.kts?$",
    generated=r"/generated/",
    implicit=True,
    reach="folder",
    query="""
    (function_declaration name: (identifier) @name (function_body)? @body) @function
    [(class_declaration name: (_) @name) (object_declaration name: (_) @name)] @container
    (call_expression (identifier) @callee) @call
    (call_expression (navigation_expression (_) @receiver (identifier) @callee .)) @call
    [(if_expression) (for_statement) (while_statement) (do_while_statement) (when_entry) (catch_block)] @branch
    (binary_expression operator: ["&&" "||" "?:"]) @branch
    [(line_comment) (block_comment)] @comment
    (annotation) @decoration
    """,
)
