"""Java."""

from sera_cli.svg.languages.language import Language

JAVA = Language(
    name="java",
    grammar="tree_sitter_java",
    endings=(".java",),
    tests=r"/src/(test([A-Z]\w*)?|\w+Test\w*|[\w-]+-tests?|it)/|/tests?/|(Tests?|TestCase|IT)\.java$|/Test[A-Z]\w*\.java$",
    generated=r"/(generated|generated-sources)/|(Grpc|OuterClass)\.java$",
    implicit=True,
    query="""
    (method_declaration name: (identifier) @name) @function
    (constructor_declaration name: (identifier) @name) @function
    (compact_constructor_declaration name: (identifier) @name) @function
    [(class_declaration name: (_) @name) (interface_declaration name: (_) @name) (enum_declaration name: (_) @name)
     (record_declaration name: (_) @name) (annotation_type_declaration name: (_) @name)] @container
    (method_invocation !object name: (identifier) @callee) @call
    (method_invocation object: (_) @receiver name: (identifier) @callee) @call
    (object_creation_expression type: [(type_identifier) @scope @callee
      (generic_type (type_identifier) @scope @callee)]) @call
    [(if_statement) (for_statement) (enhanced_for_statement) (while_statement) (do_statement) (switch_label)
     (catch_clause) (ternary_expression)] @branch
    (binary_expression operator: ["&&" "||"]) @branch
    [(line_comment) (block_comment)] @comment
    [(marker_annotation) (annotation)] @decoration
    """,
)
