"""What to change where a training does not fit: on the GPUs at hand, and which student they could train instead."""

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sera_cli.train.footprint import memory
from sera_cli.train.layout import Layout, Machine, available
from sera_cli.train.recipe import Method, Recipe, recipe
from sera_cli.train.shape import STUDENTS, Shape

CONTEXTS = (24576, 16384, 12288, 8192)
"""Shorter contexts that may be advised; below, the SERA paper has no samples left to speak of."""


class Change(NamedTuple):
    """What to say on the command line, and what becomes of the fields of recipe and layout."""

    said: str
    recipe: dict[str, Any]
    layout: dict[str, Any]


def fits(shape: Shape, one: Recipe, layout: Layout, available: int) -> bool:
    return memory(shape, one, layout).total <= available


def budget(need: Callable[[int], int], most: int, available: int) -> int:
    """The most tokens of a micro-batch, up to `most`, whose `need` in bytes is available; 0 if one token's is not."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if need(middle) <= available:
            low = middle
        else:
            high = middle - 1
    return low


def advice(shape: Shape, one: Recipe, layout: Layout, machine: Machine) -> str:
    """What would make a training fit that does not, the least change first; empty if nothing does."""
    for said, changed, laid in _changed(one, layout, machine):
        if fits(shape, changed, laid, available(machine, laid)):
            return said
    other = suggestion(available(machine, layout), layout.tokens, cpu=layout.cpu)
    return f"--student {other[0]} --method {other[1]}" if other else ""


def suggestion(available: int, context: int = 32768, *, cpu: bool = False) -> tuple[str, Method] | None:
    """The largest student of the family that `available` bytes can train on rows of `context` tokens, and how.

    They are those of a GPU, or of a machine with a `cpu` alone, which takes more.
    """
    for name, shape in STUDENTS:
        for one in (recipe("paper-8b"), recipe("lora-8b")):
            if fits(shape, one, Layout(tokens=context, cpu=cpu), available):
                return name, one.method
    return None


def _changed(one: Recipe, layout: Layout, machine: Machine) -> Iterator[tuple[str, Recipe, Layout]]:
    """What might fit, in the order in which it would be wished for: a shorter context after another method."""
    methods = [("", one), *((f"--method {other.method}", other) for other in _lesser(one, machine))]
    for said, method in methods:
        yield from _told(said, method, layout, machine)
    for context in CONTEXTS:
        if context < layout.tokens:
            shorter = layout.model_copy(update={"tokens": context})
            for said, method in methods:
                asked = f"--set student.context={context} (from sera prepare on) {said}".strip()
                yield from _told(asked, method, shorter, machine)


def _told(said: str, one: Recipe, layout: Layout, machine: Machine) -> Iterator[tuple[str, Recipe, Layout]]:
    for change in _together(_changes(one, layout, machine)):
        changed, laid = one.model_copy(update=change.recipe), layout.model_copy(update=change.layout)
        yield f"{said} {change.said}".strip(), changed, laid


def _lesser(one: Recipe, machine: Machine) -> list[Recipe]:
    """Recipes of the methods that take less."""
    lora = [recipe("lora-8b")] if one.method == "full" else []
    return [*lora, recipe("qlora-32b")] if machine.gpus and one.method != "qlora" else lora


def _changes(one: Recipe, layout: Layout, machine: Machine) -> Iterator[Change]:
    if machine.gpus > 1 and layout.divided == 1 and one.method != "qlora":
        processes = max(layout.processes, machine.gpus)
        yield Change("--set train.layout=fsdp2", {}, {"kind": "fsdp2", "processes": processes})
    if not one.checkpointing:
        yield Change("--set train.checkpointing=true", {"checkpointing": True}, {})
    if not one.offload and machine.gpus:
        yield Change("--set train.offload=true", {"offload": True}, {})
    if one.optimizer == "adamw" and one.method == "full" and machine.gpus:
        yield Change("--set train.optimizer=adamw_8bit", {"optimizer": "adamw_8bit"}, {})


def _together(changes: Iterator[Change]) -> Iterator[Change]:
    """None of them, each alone, then the first two, three and so on."""
    yield Change("", {}, {})
    known = list(changes)
    yield from known
    for count in range(2, len(known) + 1):
        yield _merged(known[:count])


def _merged(changes: Sequence[Change]) -> Change:
    recipes = ChainMap(*(change.recipe for change in changes))
    layouts = ChainMap(*(change.layout for change in changes))
    return Change(" ".join(change.said for change in changes), dict(recipes), dict(layouts))
