"""What the miner knows of a language that tree-sitter reads: said once, in a file of its own, without code."""

from typing import Literal, NamedTuple

SCOPE = "::"
"""Stands after the receiver of a call that is surely a type or a module, and no object."""

ANYTHING = "()"
"""Stands for the receiver of a call that is more than a name, or a parameter: of what type it is, nobody knows."""

OWN = "."
"""Stands among the imports of a file for the package that it is of."""


class Language(NamedTuple):
    """How a language writes functions, and which of its files are tests or generated. Paths are matched with `/` first.

    `query` is in tree-sitter's own language. It captures `@function` and `@container` with their `@name` (of a method
    that stands outside its type the `@owner`, and as `@self` what it calls the object), `@call` with `@callee` and its
    `@receiver` (its `@scope` where that can only be a type or a module), `@import` with the `@local` name and the
    `@source` it stands for (where that names it otherwise, the `@original`), the `@package` that the file is of,
    `@branch`, `@comment`, and as `@decoration` what may stand between a comment and its function. A function's `@body`
    and `@parameters` are its fields of these names unless captured.
    """

    name: str
    grammar: str
    """The Python package of the grammar."""
    endings: tuple[str, ...]
    query: str
    entry: str = "language"
    """The function of that package that gives the grammar."""
    tests: str = r"/(tests?|testing|testdata)/"
    """A path with this in it is a test."""
    generated: str = r"\b\B"
    """A path with this in it is generated."""
    tested: str = r"\b\B"
    """A function or container decorated with this is a test."""
    stumbles: tuple[bytes, ...] = ()
    """What is blanked out, one after another, where syntax is broken and is less so without; in place of a group named
    `word` or `end` stand letters or semicolons."""
    never: bytes = b""
    """What a condition that never holds says, in a language that has a preprocessor."""
    instead: "Language | None" = None
    """What a file is read as where that leaves less broken syntax in it, if that is installed."""
    noise: str = r"\b\B"
    """What is dropped from a name as it is written."""
    bodiless: str = "no body"
    """Why a function without a body is left out."""
    selves: frozenset[str] = frozenset({"this"})
    """What a method calls the object it is called on."""
    invokes: frozenset[str] = frozenset()
    """The methods by which a function calls itself, where functions are objects; `new` of one calls it too."""
    implicit: bool = False
    """Whether a bare name in a method may be another method of its type."""
    reach: Literal["file", "folder", "repository"] = "file"
    """How far from its definition a function is called by its bare name, without an import."""
