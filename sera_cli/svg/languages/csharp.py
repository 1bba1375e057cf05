"""C#."""

from sera_cli.svg.languages.language import Language

CSHARP = Language(
    name="csharp",
    grammar="tree_sitter_c_sharp",
    endings=(".cs",),
    tests=r"/([\w.]+\.)?(Unit|Integration)?[tT]ests?/|Tests?\.cs$",
    generated=r"(?i)\.(g|g\.i|designer|generated)\.cs$|AssemblyInfo\.cs$|/obj/",
    never=rb"false",
    implicit=True,
    query="""
    (method_declaration name: (identifier) @name) @function
    (constructor_declaration name: (identifier) @name) @function
    (local_function_statement name: (identifier) @name) @function
    (operator_declaration "operator" @owner operator: _ @name) @function
    (conversion_operator_declaration "operator" @owner type: (_) @name) @function
    (destructor_declaration "~" @name) @function
    [(class_declaration name: (_) @name) (struct_declaration name: (_) @name) (interface_declaration name: (_) @name)
     (record_declaration name: (_) @name)] @container
    (invocation_expression function: (identifier) @callee) @call
    (invocation_expression function: (member_access_expression
      expression: _ @receiver name: (identifier) @callee)) @call
    (object_creation_expression type: [(identifier) @scope @callee
      (generic_name (identifier) @scope @callee)]) @call
    [(if_statement) (for_statement) (foreach_statement) (while_statement) (do_statement) (switch_section)
     (switch_expression_arm) (catch_clause) (conditional_expression)] @branch
    (binary_expression operator: ["&&" "||" "??"]) @branch
    (comment) @comment
    (attribute_list) @decoration
    """,
)
