"""TypeScript, with and without JSX."""

from sera_cli.svg.languages.ecmascript import GENERATED, INVOKES, NOISE, SHARED, TESTS
from sera_cli.svg.languages.language import Language

TYPESCRIPT = Language(
    name="typescript",
    grammar="tree_sitter_typescript",
    entry="language_typescript",
    endings=(".ts", ".mts", ".cts"),
    tests=TESTS,
    generated=GENERATED,
    noise=NOISE,
    invokes=INVOKES,
    query=SHARED
    + """
    (public_field_definition name: (_) @name value: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
    [(function_signature name: (_) @name) (method_signature name: (_) @name)
     (abstract_method_signature name: (_) @name)] @function
    (abstract_class_declaration name: (_) @name) @container
    (interface_declaration name: (_) @name) @container
    (internal_module name: (_) @name) @container
    (module name: (identifier) @name) @container
    """,
)

TSX = TYPESCRIPT._replace(entry="language_tsx", endings=(".tsx",))
