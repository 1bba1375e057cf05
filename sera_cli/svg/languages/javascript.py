"""JavaScript; with the types that Flow puts in it, it is read as TypeScript is."""

from sera_cli.svg.languages.ecmascript import GENERATED, INVOKES, NOISE, SHARED, TESTS
from sera_cli.svg.languages.language import Language
from sera_cli.svg.languages.typescript import TSX

FLOW = (
    rb"(?<=[:<(=,|&>] )\?(?=[\w{(\[$])|(?<=[:<(])\?(?=[\w{(\[$])|(?<=\{)\||\|(?=\})|\.\.\.(?=\s*[,}])"
    rb"|\b(opaque|typeof)(?= +(type|\w+ +from|\{))|(?m:^[ \t]*)[+-](?=\w+\??:)",
    rb"(?m)(?<=\w): [$\w.<>, ]+(?=\)[;,.)])",
)
"""Of its types what TypeScript does not have: `?T`, `{| |}`, inexact and opaque types, variance; then casts."""

JAVASCRIPT = Language(
    name="javascript",
    grammar="tree_sitter_javascript",
    endings=(".js", ".jsx", ".mjs", ".cjs"),
    tests=TESTS,
    generated=GENERATED,
    noise=NOISE,
    invokes=INVOKES,
    instead=TSX._replace(stumbles=FLOW),
    query=SHARED
    + """
    (field_definition property: (_) @name value: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)]) @function
    """,
)
