"""Go."""

from sera_cli.svg.languages.language import Language

GO = Language(
    name="go",
    grammar="tree_sitter_go",
    endings=(".go",),
    tests=r"_test\.go$|/testdata/",
    generated=r"(\.pb|\.pb\.gw|_generated|bindata)\.go$|/zz_generated[^/]*\.go$",
    reach="folder",
    query="""
    (function_declaration name: (identifier) @name) @function
    (method_declaration
      receiver: (parameter_list (parameter_declaration name: (identifier)? @self type: [
        (type_identifier) @owner
        (generic_type type: (type_identifier) @owner)
        (pointer_type (type_identifier) @owner)
        (pointer_type (generic_type type: (type_identifier) @owner))]))
      name: (field_identifier) @name) @function
    (var_spec name: (identifier) @name value: (expression_list
      . (func_literal parameters: (_) @parameters body: (_) @body) .)) @function
    (call_expression function: (identifier) @callee) @call
    (call_expression function: (selector_expression
      operand: (_) @receiver field: (field_identifier) @callee)) @call
    (package_clause (package_identifier) @package)
    (import_spec name: (package_identifier)? @local path: (interpreted_string_literal) @source) @import
    [(if_statement) (for_statement) (expression_case) (type_case) (communication_case)] @branch
    (binary_expression operator: ["&&" "||"]) @branch
    (comment) @comment
    """,
)
