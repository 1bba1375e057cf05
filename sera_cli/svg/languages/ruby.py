"""Ruby."""

from sera_cli.svg.languages.language import Language

RUBY = Language(
    name="ruby",
    grammar="tree_sitter_ruby",
    endings=(".rb", ".rake"),
    tests=r"/(spec|tests?|features/(step_definitions|support))/|_(spec|test)\.rb$|/test_\w+\.rb$",
    generated=r"_pb\.rb$|/db/schema\.rb$",
    bodiless="trivial body",
    selves=frozenset({"self"}),
    implicit=True,
    query="""
    (method name: (_) @name) @function
    (singleton_method object: (self) name: (_) @name) @function
    (singleton_method
      object: [(constant) (identifier) (instance_variable) (class_variable)] @owner name: (_) @name) @function
    (class name: (_) @name) @container
    (module name: (_) @name) @container
    (call !receiver method: (identifier) @callee) @call
    (call receiver: (_) @receiver method: (identifier) @callee) @call
    [(if) (unless) (elsif) (if_modifier) (unless_modifier) (while) (until) (for) (when) (in_clause) (rescue)
     (conditional)] @branch
    (binary operator: ["&&" "||" "and" "or"]) @branch
    (comment) @comment
    """,
)
