"""`sera data stats`: what the samples of a run are like, as tables or as one document."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.look import header, samples, source
from sera_cli.cli.options import InProject, Json
from sera_cli.console import document, say, show, table
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.data.stats import Spread, Stats

Of = Annotated[str, typer.Argument(help="A run, or a samples file.", metavar="RUN|FILE", show_default="the newest run")]


def stats(run: Of = "", project: InProject = Path(), *, json: Json = False) -> None:
    """Counts, tokens, steps, tools, recall and patch sizes of the samples, and what was dropped on the way."""
    from sera_cli.data.files import written
    from sera_cli.data.stats import stats as summed

    where = source(run, project)
    note = header(where.samples)
    found = summed(samples(where.samples), written(note, where.samples))
    if json:
        document({"file": str(where.samples)} | found.model_dump() | {"made": note})
        return
    show(f"{where.samples}\n{_summary(found, note)}\n")
    for grid in _tables(found, note):
        show(grid)
        show("")
    for text in note.get("notes", ()):
        say(f"note: {text}", prose=True)


def _summary(found: "Stats", note: Mapping[str, Any]) -> str:
    trained = "" if found.share is None else f", {found.trained:,} of them trained ({100 * found.share:.1f} %)"
    alpha = "" if found.alpha is None else f"alpha {found.alpha:.3f}".rstrip("0").rstrip(".") + ", "
    context = f" of {note['context']:,} tokens" if "context" in note else ""
    sums = f"{counted(found.samples, 'sample')}, {found.tokens:,} tokens{trained}"
    return f"{sums}\n{alpha}{found.cut:,} cut to the context{context}"


def _tables(found: "Stats", note: Mapping[str, Any]) -> Iterator[object]:
    sums = ("samples", "tokens", "trained")
    yield table(("origin", "use", *sums), [
        (one.origin, one.use, f"{one.samples:,}", f"{one.tokens:,}", _or_unknown(one.trained)) for one in found.groups
    ], right=sums)  # fmt: skip
    measures = ("min", "median", "mean", "90 %", "max")
    spreads = [(name, *_cells(spread)) for name, spread in found.spreads.items()]
    yield table(("of a sample", *measures), spreads, right=measures)
    if found.sources:
        yield table(("general samples", "from"), [(count, name) for name, count in found.sources.items()])
    yield table(("tool", "calls", "share"), list(_tools(found)), right=("share",))
    if note.get("dropped"):
        yield table(("dropped", "origin", "because"), [
            (count, *why.split(": ", 1)) for why, count in note["dropped"].items()])


def _tools(found: "Stats") -> Iterator[tuple[str, int, str]]:
    calls = sum(found.tools.values())
    for name, count in found.tools.items():
        yield name, count, f"{100 * count / calls:.1f} %"
    for name, turns in (("turns without a call", found.silent), ("turns not trained", found.untrained)):
        if turns:
            yield name, turns, ""


def _cells(spread: "Spread") -> list[str]:
    """Whole numbers as such, shares with two digits."""
    found = [spread.min, spread.median, spread.mean, spread.p90, spread.max]
    return [f"{number:.2f}" if spread.max <= 1 else f"{number:,.0f}" for number in found]


def _or_unknown(trained: int) -> str:
    """No sample that teaches has no trained token: it was made before they were counted."""
    return f"{trained:,}" if trained else "not counted"
