"""metrics.jsonl: the facts of a training, then its every step, each once, and the losses of what was held out.

Whoever trains writes it and whoever watches reads it, in the same process or in another.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sera_cli.errors import DataError

Row = dict[str, Any]
Who = Literal["base", "epoch", "agent"]
"""Whose loss on the held-out samples it is: before training, after an epoch, after training."""

Progress = Callable[[int, int, float], None]
"""Called after each optimizer step with its number, how many there are, and its loss."""

Tell = Callable[[int, int, str], object]
"""Called with the number of a step, how many there are, and what is said of it."""


class Lot(NamedTuple):
    """What is read at once, by one optimizer step or of one sample: ids, tokens, and how many of them the loss covers.
    """

    ids: tuple[str, ...]
    tokens: int
    trained: int


class Metrics(NamedTuple):
    """A training as its file has it. `stopped` says why it was given up, empty where it was not."""

    facts: Row
    steps: tuple[Row, ...]
    heldout: tuple[Row, ...]
    stopped: str

    @property
    def losses(self) -> list[float]:
        return [row["loss"] for row in self.steps]

    def held(self, who: Who) -> float | None:
        """The latest held-out loss of `who`, in nats per trained token; None where it was not measured."""
        return next((row["loss"] for row in reversed(self.heldout) if row["heldout"] == who), None)


def lots(samples: Sequence[Lot], sequence: Sequence[int], batch: int) -> list[Lot]:
    """What each optimizer step reads: `batch` samples at a time of `sequence`, which holds their positions."""
    return [
        _together(samples[at] for at in sequence[first : first + batch]) for first in range(0, len(sequence), batch)
    ]


def read(path: Path) -> Metrics:
    """What a file tells so far; a torn last line is ignored. Raises DataError for a line that is no JSON object."""
    facts, *rest = rows(path) or [{}]
    steps = (row for row in rest if "loss" in row and "heldout" not in row)
    return Metrics(
        facts=facts, steps=tuple(row | {"loss": _number(row["loss"])} for row in steps),
        heldout=tuple(row for row in rest if "heldout" in row and row["loss"] is not None),
        stopped=next((row["stopped"] for row in reversed(rest) if "stopped" in row), ""),
    )  # fmt: skip


def words(row: Row) -> str:
    """A step in short, what matters most first: `loss 0.412, 1,240 tokens/s, gradient 0.31, lr 1.0e-05, 41.2 GB`."""
    said = [f"loss {_number(row['loss']):.3f}", f"{row['tokens_per_second']:,.0f} tokens/s"]
    said += [f"gradient {row['grad_norm']:.2f}"] if row.get("grad_norm") is not None else []
    said += [f"lr {row['lr']:.1e}"] if row.get("lr") is not None else []
    said += [f"{row['memory'] / 1e9:.1f} GB"] if row.get("memory") else []
    return ", ".join(said)


def _together(of: Iterable[Lot]) -> Lot:
    some = list(of)
    ids = tuple(id_ for lot in some for id_ in lot.ids)
    return Lot(ids, sum(lot.tokens for lot in some), sum(lot.trained for lot in some))


def rows(path: Path) -> list[Row]:
    """Every whole line; none of a file that is not there."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError("is no JSON object; move the file away to see the rest of the run", path, number) from error
    return found


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
