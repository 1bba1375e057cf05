"""Which recipe and which layout suit a student and a machine: all parameters where they fit, else an adapter."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.train.footprint import GIB
from sera_cli.train.layout import Layout, Machine, available, layouts
from sera_cli.train.recipe import Recipe, changes, recipe
from sera_cli.types import Value

LARGE = 20_000_000_000
"""Parameters from which on a student takes the recipes for 32B rather than those for 8B."""

Need = Callable[[Recipe, Layout], int]
"""Bytes that training takes on each GPU, or on the machine where there is none."""


class Facts(Value):
    """What decides about a student: its size, the longest row in tokens, whether it is the embedded one."""

    parameters: int = 0
    context: int = 32768
    rehearsal: bool = False


class Choice(Value):
    """`need` is in bytes, of the `each` that a process has; both are 0 for the embedded student, which fits anywhere.

    `reason` is one line for a person.
    """

    recipe: Recipe
    layout: Layout
    need: int
    each: int
    reason: str

    @property
    def fits(self) -> bool:
        return self.need <= self.each


def choose(said: Train, facts: Facts, need: Need, machine: Machine) -> Choice:
    """The recipe and layout that `[train]` names, or the first that fits: full, then LoRA, then QLoRA.

    Where none fits, the one that takes the least. Raises ConfigError for what cannot be, or lacks a library.
    """
    tried: list[Choice] = []
    for one in _candidates(said, facts, machine):
        found = _laid_out(one, said, facts, need, machine)
        tried.append(found)
        if found.fits:
            break
    best = tried[-1] if tried[-1].fits else min(tried, key=lambda one: one.need)
    lacks(best.recipe, best.layout)
    return best.model_copy(update={"reason": _reason(best, tried, said, machine)})


def lacks(recipe: Recipe, layout: Layout) -> None:
    """Raises ConfigError, with what to type, for a library that is not installed."""
    bits = recipe.method == "qlora" or recipe.optimizer == "adamw_8bit"
    wanted = {
        "bitsandbytes": (bits, f"recipe {recipe.name}", "qlora"),
        "deepspeed": (layout.kind == "zero3", "the layout zero3", "zero"),
    }
    for library, (so, what, extra) in wanted.items():
        if so and find_spec(library) is None:
            raise ConfigError(f"{what} needs {library}, which is not installed; run: pip install 'sera[{extra}]'")


def _candidates(said: Train, facts: Facts, machine: Machine) -> Iterator[Recipe]:
    """The recipes to try, in the order in which they are wished for."""
    for name in [said.recipe] if said.recipe else _names(said, facts, machine):
        yield recipe(name, method=said.method, changes=changes(said))


def _names(said: Train, facts: Facts, machine: Machine) -> list[str]:
    if facts.rehearsal:
        if said.method == "qlora":
            raise ConfigError("the embedded student has no recipe for qlora: it is too small to need one; take lora")
        return ["rehearsal-lora" if said.method == "lora" else "rehearsal"]
    size = "32b" if facts.parameters >= LARGE else "8b"
    known = {"full": f"paper-{size}", "lora": f"lora-{size}", "qlora": "qlora-32b"}
    if said.method != "auto":
        return [known[said.method]]
    # weights of 4 bits want a GPU, and are not divided
    whole = machine.gpus and said.layout in ("auto", "ddp") and said.context_parallel < 2
    return list(known.values()) if whole else [known["full"], known["lora"]]


def _laid_out(one: Recipe, said: Train, facts: Facts, need: Need, machine: Machine) -> Choice:
    """The first layout that fits, else the one that takes the least."""
    tried: list[Choice] = []
    for layout in layouts(one, machine, said, facts.context):
        longest = layout.model_copy(update={"tokens": max(layout.tokens, facts.context)})  # a longer row is alone
        taken, each = (0, 0) if facts.rehearsal else (need(one, longest), available(machine, layout))
        tried.append(Choice(recipe=one, layout=layout, need=taken, each=each, reason=""))
        if tried[-1].fits:
            return tried[-1]
    return min(tried, key=lambda one: one.need)


def _reason(best: Choice, tried: list[Choice], said: Train, machine: Machine) -> str:
    """What was chosen, what it takes, and what was passed over because it takes more."""
    name, where = best.recipe.name, _where(best.layout, machine)
    if not best.each:
        return f"{name} {where}, " + ("as asked" if said.recipe else "the embedded student's own recipe")
    asked = ", as asked," if said.recipe or said.method != "auto" else ""
    takes = f"{name}{asked} {where} takes {best.need / GIB:.1f} of {best.each / GIB:.1f} GiB"
    more = [f"{one.recipe.name} {one.need / GIB:.1f}" for one in tried if one is not best]
    return takes + (f"; too much: {', '.join(more)}" if more else "")


def _where(layout: Layout, machine: Machine) -> str:
    nodes = f" on {layout.nodes} nodes" if layout.nodes > 1 else ""
    by = "" if layout.kind == "one" else f" by {layout.kind}"
    rows = f", {layout.context_parallel} to a row" if layout.context_parallel > 1 else ""
    if not machine.gpus:
        return "on the CPU" if layout.kind == "one" else f"in {layout.processes} processes on the CPU{nodes}{by}{rows}"
    return "on one GPU" if layout.processes == 1 else f"on {layout.processes} GPUs{nodes}{by}{rows}"
