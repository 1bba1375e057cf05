"""How the loss of a run's training went: drawn in the terminal, and as loss.png in the run's folder."""

from math import isfinite
from typing import TYPE_CHECKING, Any

from sera_cli.console import err, say

if TYPE_CHECKING:
    from sera_cli.runs import Run
    from sera_cli.train.metrics import Metrics

WIDEST = 100
"""Columns of a plot, however wide the terminal or the pipe is."""


def metrics(run: "Run") -> "Metrics":
    """What the run's training, under way or over, has told; nothing where there was none."""
    from sera_cli.train.course import METRICS
    from sera_cli.train.metrics import read

    return read(run.metrics if run.metrics.exists() else run.adapter / METRICS)


def lines(run: "Run", width: int) -> list[str]:
    """The loss in braille, as wide as where it is shown; none where fewer than two steps were made."""
    from sera_cli.train.plot import drawn

    return drawn(metrics(run), min(WIDEST, width))


def progress(run: "Run") -> dict[str, Any] | None:
    """How far a training is; None where there is none. `said` is of its latest step, `stopped` why it was given up."""
    from sera_cli.train.metrics import words

    found = metrics(run)
    if not found.facts:
        return None
    last = found.steps[-1] if found.steps else {}
    return {
        "step": last.get("step", 0), "steps": found.facts.get("steps", len(found.steps)),
        "loss": last["loss"] if last and isfinite(last["loss"]) else None,
        "heldout": list(found.heldout), "said": words(last) if "tokens_per_second" in last else "",
        "stopped": found.stopped,
    }  # fmt: skip


def tell(run: "Run") -> None:
    """For the person who watches: the loss as it went, and where its picture is or why there is none."""
    from sera_cli.errors import SeraError
    from sera_cli.train.plot import png

    for line in lines(run, err().width):
        say(line)
    try:
        if made := png(metrics(run), run.folder):
            say(f"The loss as a picture: {made}")
    except SeraError as error:
        say(f"note: {error}", prose=True)
