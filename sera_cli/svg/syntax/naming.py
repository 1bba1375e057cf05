"""Names what was caught: every function by the types it lies in, and the branches and calls that are its own."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sera_cli.svg.languages.language import ANYTHING
from sera_cli.svg.syntax.caught import BARE, Caught, Scope, above, before, field, text

if TYPE_CHECKING:
    from tree_sitter import Node

_TEMPLATE = re.compile(r"(?<!operator)<[^<>]*>")


class Named(NamedTuple):
    """A function with its qualified name; `outer` is the index of the one it lies in, -1 for none."""

    scope: Scope
    name: str
    tested: bool
    outer: int


def depth(read: Caught) -> int:
    """How many functions and types lie within one another, at most."""
    most, ends = 0, list[int]()
    for scope in read.scopes:
        while ends and ends[-1] <= scope.start:
            ends.pop()
        ends.append(scope.end)
        most = max(most, len(ends))
    return most


def names(read: Caught) -> Iterator[Named]:
    """Every function with its name, in order of where they begin."""
    around: list[tuple[Scope, str, bool, int]] = []
    count = 0
    for scope in read.scopes:
        while around and around[-1][0].end <= scope.start:
            around.pop()
        name = _name(read, scope)
        tested = any(part[2] for part in around) or _tested(read, scope)
        outer = next((part[3] for part in reversed(around) if part[3] >= 0), -1)
        if scope.function:
            yield Named(scope, ".".join([*(part[1] for part in around if part[1]), name]), tested, outer)
        around.append((scope, name, tested, count if scope.function else -1))
        count += scope.function


def _name(read: Caught, scope: Scope) -> str:
    written = ".".join(text(read, node) for key in ("owner", "name") for node in scope.caught.get(key, ())[:1])
    name = BARE.sub("", re.sub(read.language.noise, "", written))
    while name != (name := _TEMPLATE.sub("", name)):
        pass
    return re.sub(r"\s*\.\s*", ".", " ".join(name.replace("::", ".").split())) or (written if scope.function else "")


def _tested(read: Caught, scope: Scope) -> bool:
    """Whether something that decorates it says that it is a test: in the rows above, or before it in its own."""
    row = scope.node.start_point.row
    if re.search(read.language.tested, before(read, scope.start).decode("utf-8", "replace")):
        return True
    marks = [known[2].decode("utf-8", "replace") for known in above(read, row) if known[1] in read.decorations]
    return any(re.search(read.language.tested, mark) for mark in marks)


def branches(read: Caught, named: list[Named]) -> list[int]:
    """How often each decides, with what lies in it."""
    counts = [0] * len(named)
    for index in _holders(read.branches, named):
        while index >= 0:
            counts[index] += 1
            index = named[index].outer
    return counts


def bodies(read: Caught, named: list[Named]) -> dict[str, frozenset[tuple[str, str]]]:
    """The calls of each function that lies in no other, with those of what lies in it.

    A parameter that is called is nobody's, and of what a parameter is, nothing is known.
    """
    bodies: dict[str, set[tuple[str, str]]] = {one.name: set() for one in named if one.outer < 0}
    given = [_words(read, field(one.scope, "parameters")) - read.language.selves for one in named]
    holders = _holders([start for start, _, _ in read.calls], named)
    for (_, receiver, callee), index in zip(read.calls, holders, strict=True):
        parameter = False
        while index >= 0:
            parameter = parameter or (receiver or callee) in given[index]
            if named[index].outer < 0:
                break
            index = named[index].outer
        if index >= 0 and (receiver or not parameter):
            own = [text(read, node) for node in named[index].scope.caught.get("self", ())]
            said = "this" if receiver in own else ANYTHING if parameter else receiver
            bodies[named[index].name].add((said, callee))
    return {name: frozenset(calls) for name, calls in bodies.items()}


def _words(read: Caught, node: "Node | None") -> frozenset[str]:
    return frozenset(re.findall(r"[\w$]+", text(read, node))) if node else frozenset()


def _holders(places: list[int], named: list[Named]) -> Iterator[int]:
    """For each byte the innermost function that holds it, or -1."""
    starts = [one.scope.start for one in named]
    for place in places:
        index = bisect_right(starts, place) - 1
        while index >= 0 and named[index].scope.end <= place:
            index = named[index].outer
        yield index
