"""What watches a training from inside the trainer: notes every step and every held-out loss, and stops what is lost."""

import sys
from math import isfinite
from pathlib import Path
from typing import Any

from sera_cli.errors import ModelError
from sera_cli.train.course import HELDOUT, METRICS, ROWS, Course, epoch_ends, sequence
from sera_cli.train.log import Log
from sera_cli.train.metrics import Lot, Row, Who, lots
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import IGNORED, kept
from sera_cli.train.trackers import Tracker, check, tracker

MEASURED = 4
"""How often, at most, the held-out loss is measured between the beginning and the end of a training."""


def callbacks(course: Course, folder: Path) -> list[Any]:
    """What the trainer calls, in every process; one of them writes the folder's metrics.jsonl.

    They come before the callback that marks a checkpoint as whole, which is not to stand without the steps before it.
    The trainer evaluates when it begins, for the base's loss, and wherever else it is told to. On resume the rows of
    steps that are gone are cut off. A training that cannot come to any good is ended by a ModelError, in every process
    alike, for all of them are given the same losses. Raises ConfigError for a tracker that cannot be told.
    """
    from accelerate import PartialState
    from transformers import TrainerCallback

    log = journal(course, folder) if PartialState().is_main_process else None
    lost = Lost(course.recipe)

    class Watch(TrainerCallback):  # type: ignore[misc]
        saved = 0

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            self.saved = state.global_step
            if log:
                log.begin(after=state.global_step or -1)

        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            why = lost.after(state.global_step, logs["loss"], logs.get("grad_norm"))
            why += f"; what it had learned by step {self.saved} is kept" if why and self.saved else ""
            if log:
                log.step(state.global_step, logs, peak())
                if why:
                    log.stopped(state.global_step, why)
                    log.close()
            if why:
                raise ModelError(why)

        def on_evaluate(self, _args: Any, state: Any, _control: Any, metrics: Any = None, **_: Any) -> None:
            if log:
                log.heldout(_who(state), state.global_step, metrics["eval_loss"])

        def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            self.saved = state.global_step
            if log:
                log.sync()

        def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
            if log:
                log.close()

    return [Watch()]


def journal(course: Course, folder: Path) -> Log:
    """The log of a training, not yet begun."""
    check(course.report_to, offline=course.offline)
    samples = _samples(kept(folder / ROWS))
    steps, about = lots(samples, sequence(course, len(samples)), course.recipe.batch), facts(course, samples)

    def tracked(after: int) -> Tracker:
        return tracker(course.report_to, folder, course.name, about, after=after, offline=course.offline)

    return Log(folder / METRICS, about, steps, heldout=len(kept(folder / HELDOUT)), tracked=tracked)


def facts(course: Course, samples: list[Lot]) -> Row:
    """What is to be known of a training to compare it with another. No path is in it."""
    tokens, trained = sum(lot.tokens for lot in samples), sum(lot.trained for lot in samples)
    return {
        "data": course.data, "student": course.student.name, "wire": course.student.wire.model_dump(),
        "recipe": course.recipe.model_dump(mode="json"), "layout": course.layout.model_dump(mode="json"),
        "seed": course.seed, "shuffle": course.shuffle, "versions": course.versions, "samples": len(samples),
        "trained_share": round(trained / max(tokens, 1), 4),
    }  # fmt: skip


class Lost:
    """Whether a training has come to nothing: its numbers are none, or its loss stays above the recipe's ceiling."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._above = recipe, 0

    def after(self, step: int, loss: float, gradient: float | None) -> str:
        """Why the training should end with this step, in a line that says what to try; empty where it should not."""
        recipe, begin = self._recipe, f"training was stopped at step {step}: "
        end = f"; lower train.learning_rate (now {recipe.learning_rate:g}) or raise "
        for name, value in (("loss", loss), ("gradient", gradient)):
            if value is not None and not isfinite(value):
                return f"{begin}its {name} is {value}{end}train.warmup_steps (now {recipe.warmup_steps})"
        self._above = self._above + 1 if 0 < recipe.loss_ceiling < loss else 0
        if self._above < recipe.patience:
            return ""
        return (
            f"{begin}its loss, now {loss:.3f}, was above train.loss_ceiling (now {recipe.loss_ceiling:g}) for "
            f"{recipe.patience} steps{end}the ceiling"
        )


def measured(course: Course, count: int) -> tuple[int, ...]:
    """After which steps the held-out loss is to be measured: each epoch's last, or where epochs are many, some of them.

    The last step of all is always among them.
    """
    ends = epoch_ends(course, count)
    every = -(-len(ends) // (MEASURED + 1))
    return tuple(sorted({*ends[every - 1 : -1 : every], ends[-1]}))


def peak() -> int:
    """The most memory this process has used so far, in bytes: of its GPU, or where it has none of the machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _who(state: Any) -> Who:
    if not state.global_step:
        return "base"
    return "agent" if state.global_step == state.max_steps else "epoch"


def _samples(data: Any) -> list[Lot]:
    """Each sample of a data set: its id, its tokens, and how many of them the loss covers."""
    import numpy as np

    trained: list[int] = []
    for chunk in data.data.column("labels").chunks:  # as they lie on disk: a hundred times faster than row by row
        labels, ends = chunk.flatten().to_numpy(), chunk.offsets.to_numpy()
        rows = zip(ends[:-1] - ends[0], ends[1:] - ends[0], strict=True)
        trained += [int(np.count_nonzero(labels[begin:end] != IGNORED)) for begin, end in rows]
    return [Lot((id_,), *counts) for id_, *counts in zip(data["id"][:], data["length"][:], trained, strict=True)]
