"""A change to the lines of a scene, and the three ways to make one."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from sera_cli.harness.rehearsal.scene import Anchor, Scene, around, parses, scene_of


class Change(NamedTuple):
    """`old` stands at `lines[first]` of a scene and gives way to `new`; `name` is what the change is about."""

    first: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    name: str = ""

    @property
    def last(self) -> int:
        return self.first + len(self.old)


def replace(scene: Scene, node: ast.expr, text: str, name: str = "") -> Change:
    """Puts `text` in the place of one expression."""
    head, lines, tail = around(scene, node)
    return Change(node.lineno - 2, lines, tuple((head + text + tail).split("\n")), name)


def insert(scene: Scene, at: Anchor | None, rows: list[str], name: str = "") -> Iterator[Change]:
    """Puts statements before the anchor, if there is one; a row that begins with a tab is one step deeper."""
    if at is None:
        return
    deeper = (at.indent + at.unit + row[1:] if row[0] == "\t" else at.indent + row for row in rows)
    here = scene.lines[at.line]
    yield Change(at.line, (here,), (*deeper, here), name)


def span(scene: Scene, first: int, new: list[str], last: int, *, name: str = "") -> Change:
    """Puts `new` in the place of `lines[first:last]`."""
    return Change(first, scene.lines[first:last], tuple(new), name)


def sound(scene: Scene, change: Change) -> bool:
    """Whether something changes, and the function still parses afterwards."""
    return change.old != change.new and parses(changed(scene, change))


def changed(scene: Scene, change: Change) -> tuple[str, ...]:
    return scene.lines[: change.first] + change.new + scene.lines[change.last :]


def again(scene: Scene, change: Change) -> Scene:
    """The scene as it is after a change that is sound."""
    return scene_of(scene.path, scene.first, changed(scene, change), scene.complete)
