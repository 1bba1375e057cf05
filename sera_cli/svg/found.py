"""What a reader of any language tells of the functions of a file."""

from collections.abc import Mapping
from typing import NamedTuple

SHOWN = 200
"""Characters of a signature, or of a line of documentation, that are shown."""

LONGEST = 10_000
"""Those that are looked through for secrets before: half of one that the cut goes through would be none to be known."""


class Found(NamedTuple):
    """One function: `name` with the types around it, joined by dots; `line` that of the `def`, not of decorators.

    `text` is the definition as written, decorators included, and decides the id. `doc` is the first line of what is
    said about it. `branches` are the places where it decides. `reason` says why it is left out ("" when it is not).
    """

    name: str
    line: int
    end_line: int
    text: str
    signature: str
    doc: str
    branches: int
    reason: str


class Start(NamedTuple):
    """A function that a rollout may set out from, as its file tells of it; `id` is that of path, name and text."""

    id: str
    name: str
    line: int
    end_line: int
    signature: str
    doc: str
    branches: int


Left = tuple[str, int, int, str]
"""A function of a file that no rollout sets out from: its name, its first and last line, and why. There are many."""


class LeftOut(NamedTuple):
    """The same, wherever it is."""

    path: str
    name: str
    line: int
    end_line: int
    language: str
    reason: str


class Calls(NamedTuple):
    """Who calls whom in a file, as written: what `link` needs to know of it.

    `bodies` has the calls of each function by its name, as receiver and name; `imports` what a local name stands for:
    a source, and after `::` what the name is there where it is another.
    """

    path: str
    language: str
    bodies: Mapping[str, frozenset[tuple[str, str]]]
    imports: Mapping[str, str]


def clean(text: str) -> str:
    """At most LONGEST characters, none of them half of a pair: JSON cannot hold those."""
    return cut(text.encode("utf-8", "backslashreplace").decode("utf-8"), LONGEST)


def cut(text: str, limit: int = SHOWN) -> str:
    """At most `limit` characters, of which the last tells that there were more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
