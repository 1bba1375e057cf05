"""PHP."""

from sera_cli.svg.languages.language import Language

PHP = Language(
    name="php",
    grammar="tree_sitter_php",
    entry="language_php",
    endings=(".php",),
    tests=r"/([tT]ests?|spec)/|(Test|TestCase|Cest)\.php$",
    generated=r"/(_?generated|(bootstrap|framework|var)/cache)/|\.generated\.php$",
    selves=frozenset({"$this", "self", "static"}),
    reach="repository",
    query="""
    (function_definition name: (name) @name) @function
    (method_declaration name: (name) @name) @function
    [(class_declaration name: (_) @name) (interface_declaration name: (_) @name) (trait_declaration name: (_) @name)
     (enum_declaration name: (_) @name)] @container
    (function_call_expression function: (name) @callee) @call
    (member_call_expression object: (_) @receiver name: (name) @callee) @call
    (scoped_call_expression scope: [(name) (relative_scope)] @scope name: (name) @callee) @call
    (object_creation_expression [(name) @scope @callee (qualified_name (name) @scope @callee .)]) @call
    [(if_statement) (else_if_clause) (for_statement) (foreach_statement) (while_statement) (do_statement)
     (case_statement) (match_conditional_expression) (catch_clause) (conditional_expression)] @branch
    (binary_expression operator: ["&&" "||" "??" "and" "or"]) @branch
    (comment) @comment
    (attribute_list) @decoration
    """,
)
