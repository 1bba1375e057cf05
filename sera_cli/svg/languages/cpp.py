"""C++."""

from sera_cli.svg.languages.c import GENERATED, NEVER, NOT_KEYWORD, STUMBLES, TESTS
from sera_cli.svg.languages.language import Language

NAME = """[(identifier) (field_identifier) (qualified_identifier) (destructor_name) (operator_name)
        (template_function)] @name"""

CPP = Language(
    name="cpp",
    grammar="tree_sitter_cpp",
    endings=(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".inl", ".ipp", ".tpp", ".cu", ".cuh"),
    tests=TESTS + r"|(Unit)?Tests?\.\w+$",
    generated=GENERATED,
    never=NEVER,
    stumbles=STUMBLES,
    noise=r"^::|(?<!operator)\(\).*$",
    implicit=True,
    reach="repository",
    query=f"""
    ((function_definition declarator: [
      (function_declarator declarator: {NAME})
      (pointer_declarator declarator: (function_declarator declarator: {NAME}))
      (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: {NAME})))
      (function_declarator declarator: (parenthesized_declarator (pointer_declarator
        declarator: (function_declarator declarator: {NAME}))))
      (reference_declarator (function_declarator declarator: {NAME}))
      (operator_cast) @name
      (qualified_identifier name: (operator_cast)) @name
    ]) @function {NOT_KEYWORD})
    """
    """
    [(class_specifier name: (_) @name body: (_)) (struct_specifier name: (_) @name body: (_))
     (union_specifier name: (_) @name body: (_)) (namespace_definition name: (_) @name)] @container
    (function_definition
      type: [(class_specifier !body) (struct_specifier !body)] declarator: (identifier) @name) @container
    (call_expression function: (identifier) @callee) @call
    (call_expression function: (field_expression argument: (_) @receiver field: (field_identifier) @callee)) @call
    (call_expression function: (qualified_identifier
      scope: (namespace_identifier) @scope name: (identifier) @callee)) @call
    (new_expression type: (type_identifier) @scope @callee) @call
    [(if_statement) (for_statement) (for_range_loop) (while_statement) (do_statement) (case_statement)
     (catch_clause) (conditional_expression)] @branch
    (binary_expression operator: ["&&" "||"]) @branch
    (comment) @comment
    (template_declaration "template" @decoration)
    """,
)
