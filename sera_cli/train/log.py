"""metrics.jsonl as a training writes it: the facts, then every step once, whatever was begun again in between."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import isfinite
from pathlib import Path

from sera_cli.errors import DataError
from sera_cli.store import atomically
from sera_cli.train.metrics import Lot, Row, Who, rows
from sera_cli.train.trackers import DEAF, Tracker

NOTED_STEPS = 20
"""The first steps whose sample ids are kept."""


class Log:
    """metrics.jsonl as it grows. One process writes it. `tracked` opens the tracker that is shown every row as well.

    A process that is killed leaves every row it wrote; a machine that loses its power those before the latest `sync`.
    """

    def __init__(
        self, path: Path, facts: Row, lots: Sequence[Lot], *, heldout: int = 0,
        tracked: Callable[[int], Tracker] = lambda _: DEAF, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.path, self._facts, self._lots, self._heldout = path, facts, lots, heldout
        self._read = list(accumulate(lot.tokens for lot in lots))
        self._tracked, self._tracker, self._clock = tracked, DEAF, clock
        self._began = self._mark = clock()

    def begin(self, after: int = 0) -> None:
        """The line of facts, and of an earlier attempt the rows up to the step `after`, from which it goes on."""
        before = [row for row in rows(self.path)[1:] if row.get("step", 0) <= after and "stopped" not in row]
        atomically(self.path, b"".join(map(_line, [self._facts | {"steps": len(self._lots)}, *before])))
        self._began = self._clock() - max((row.get("seconds", 0.0) for row in before), default=0.0)
        self._tracker = self._tracked(max(0, after))
        self.tick()

    def tick(self) -> None:
        """What comes next is a step: what was done until now, such as a save, is no part of its speed."""
        self._mark = self._clock()

    def sync(self) -> None:
        """Has all that was written on the disk, as before a checkpoint counts."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())
        self.tick()

    def step(self, number: int, logs: Mapping[str, float], memory: int = 0) -> None:
        """An optimizer step, counted from 1, as the trainer logs it. `memory` is this process's peak, in bytes."""
        now, lot = self._clock(), self._lots[number - 1]
        row: Row = {
            "step": number, "loss": logs["loss"], "lr": logs.get("learning_rate"), "grad_norm": logs.get("grad_norm"),
            "tokens": self._read[number - 1], "tokens_per_second": round(lot.tokens / max(now - self._mark, 1e-6), 1),
            "trained_share": round(lot.trained / max(lot.tokens, 1), 4), "memory": memory,
            "seconds": round(now - self._began, 3),
        }  # fmt: skip
        if number <= NOTED_STEPS:
            row["ids"] = list(lot.ids)
        self.write(row)
        self.tick()

    def heldout(self, who: Who, step: int, loss: float) -> None:
        """Mean over the held-out samples of each one's loss per trained token."""
        self.write({"heldout": who, "step": step, "loss": loss, "samples": self._heldout})
        self.tick()

    def stopped(self, step: int, why: str) -> None:
        self.write({"stopped": why, "step": step})

    def write(self, row: Row) -> None:
        """Appends it. Raises DataError where the disk takes no more."""
        try:
            with self.path.open("ab") as file:
                file.write(_line(row))
        except OSError as error:
            what = f"{error.strerror or error}; free some disk, and train again to go on"
            raise DataError(what, self.path) from error
        self._tracker.tell(row)

    def close(self) -> None:
        """Nothing more is written; on what was, a later `begin` goes on."""
        self._tracker.close()


def _line(row: Row) -> bytes:
    """A row of JSON, which has no word for a number that is none: null stands for it."""
    plain = {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode() + b"\n"
