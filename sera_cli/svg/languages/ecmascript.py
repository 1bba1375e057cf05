"""What JavaScript and TypeScript have in common."""

TESTS = r"/(__tests__|__mocks__|tests?|specs?|e2e|cypress|fixtures)/|[._-](test|spec|e2e|cy)\.[cm]?[jt]sx?$"
GENERATED = r"[.-]min\.[cm]?js$|[.-]bundle\.js$|/(dist|bundles?|\.next|storybook-static)/|\.generated\.[jt]sx?$"
NOISE = r"^(module\.)?exports(\.|$)|\bprototype\.|\.prototype$|^(this|self|window|globalThis)\."
INVOKES = frozenset({"call", "apply"})

SHARED = """
    (function_declaration name: (identifier) @name) @function
    (generator_function_declaration name: (identifier) @name) @function
    (method_definition name: (_) @name) @function
    (variable_declarator name: (identifier) @name value: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)
      (generator_function body: (_) @body)]) @function
    (assignment_expression left: [(identifier) (member_expression)] @name right: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)
      (generator_function body: (_) @body)]) @function
    (pair key: [(property_identifier) (string)] @name value: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)
      (generator_function body: (_) @body)]) @function
    (export_statement "default" @name value: [
      (arrow_function body: (_) @body) (function_expression body: (_) @body)
      (generator_function body: (_) @body)]) @function
    (variable_declarator name: (identifier) @name value: (call_expression
      function: [(identifier) (member_expression)] @_wraps arguments: (arguments . [
        (arrow_function parameters: (_) @parameters body: (_) @body)
        (function_expression parameters: (_) @parameters body: (_) @body)]))
      (#match? @_wraps "^([Rr]eact[.])?(memo|forwardRef|observer)$")) @function

    (class_declaration name: (_) @name) @container
    (export_statement "default" @name value: (class)) @container
    (variable_declarator name: (identifier) @name value: [(class) (object)]) @container
    (assignment_expression left: [(identifier) (member_expression)] @name right: [(class) (object)]) @container
    (pair key: [(property_identifier) (string)] @name value: [(class) (object)]) @container

    (call_expression function: (identifier) @callee) @call
    (call_expression function: (member_expression
      object: (_) @receiver property: (_) @callee)) @call
    (new_expression constructor: (identifier) @scope @callee) @call
    (import_statement (import_clause (identifier) @local) source: (string) @source) @import
    (import_statement (import_clause (namespace_import (identifier) @local)) source: (string) @source) @import
    (import_statement (import_clause (named_imports (import_specifier name: (_) @local !alias)))
      source: (string) @source) @import
    (import_statement (import_clause (named_imports (import_specifier name: (identifier) @original alias: (_) @local)))
      source: (string) @source (#not-eq? @original "default")) @import
    (variable_declarator name: [(identifier) @local (object_pattern (shorthand_property_identifier_pattern) @local)
      (object_pattern (pair_pattern key: (property_identifier) @original value: (identifier) @local))]
      value: (call_expression function: (identifier) @_require arguments: (arguments (string) @source))
      (#eq? @_require "require") (#not-eq? @original "default")) @import
    [(if_statement) (for_statement) (for_in_statement) (while_statement) (do_statement) (switch_case)
     (catch_clause) (ternary_expression)] @branch
    (binary_expression operator: ["&&" "||" "??"]) @branch
    (comment) @comment
    (decorator) @decoration
"""
