"""Rust."""

from sera_cli.svg.languages.language import Language

RUST = Language(
    name="rust",
    grammar="tree_sitter_rust",
    endings=(".rs",),
    tests=r"/(tests|benches)/|/tests\.rs$|_tests?\.rs$",
    generated=r"/generated(\.rs$|/)|/bindings\.rs$",
    tested=r"#\[\s*(cfg\((?!.*\bnot\(\s*test\b).*\btest\b|([\w:]+::)?(test|bench)\b)",
    selves=frozenset({"self", "Self"}),
    query="""
    (function_item name: (identifier) @name) @function
    (function_signature_item name: (identifier) @name) @function
    (impl_item type: [
      (type_identifier) @name
      (generic_type type: (type_identifier) @name)
      (generic_type type: (scoped_type_identifier name: (type_identifier) @name))
      (scoped_type_identifier name: (type_identifier) @name)
      (reference_type type: (type_identifier) @name)
      (reference_type type: (generic_type type: (type_identifier) @name))
      (reference_type type: (array_type) @name)
      [(primitive_type) (array_type) (tuple_type) (unit_type) (pointer_type) (function_type) (dynamic_type)] @name
    ]) @container
    (trait_item name: (type_identifier) @name) @container
    (mod_item name: (identifier) @name) @container
    (call_expression function: [(identifier) @callee (generic_function function: (identifier) @callee)]) @call
    (call_expression function: (field_expression value: (_) @receiver field: (field_identifier) @callee)) @call
    (call_expression function: (scoped_identifier path: [
      (identifier) @scope
      (scoped_identifier name: (identifier) @scope)
      (generic_type type: (type_identifier) @scope)
      (self) @receiver
      (crate)
      (super)] name: (identifier) @callee)) @call
    [(if_expression) (match_arm) (for_expression) (while_expression) (loop_expression) (try_expression)] @branch
    (binary_expression operator: ["&&" "||"]) @branch
    [(line_comment) (block_comment)] @comment
    (attribute_item) @decoration
    """,
)
