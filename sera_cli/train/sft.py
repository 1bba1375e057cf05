"""Samples in, adapter out: a training is made a folder, trained in this process or by several, and its result taken."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sera_cli.errors import DataError, SeraError
from sera_cli.train import checkpoint, launch, metrics, worker
from sera_cli.train.course import HELDOUT, METRICS, RESULT, ROWS, Course, begun, read, rewrite, write
from sera_cli.train.follow import following
from sera_cli.train.metrics import Tell
from sera_cli.train.rows import rows
from sera_cli.types import Sample, Value, digest


class Trained(Value):
    """What came of it. Losses are nats per trained token; held-out ones are None where nothing was held out.

    `loss_first` and `loss_last` average the first and the last epoch, of a single one its halves. `tokens` counts all
    that were read.
    """

    loss_first: float
    loss_last: float
    heldout_base: float | None
    heldout_agent: float | None
    tokens: int
    steps: int
    seconds: float
    data_digest: str


def begin(folder: Path, course: Course, samples: Sequence[Sample], heldout: Sequence[Sample]) -> int:
    """Makes the folder of a course, or finds it; the step from which it will go on.

    Raises DataError for samples that cannot be learned from, and ConfigError, which names what differs, where the
    folder holds what another course has come to.
    """
    found = checkpoint.newest(folder)
    if found:
        checkpoint.agreed(found, course)
    if begun(folder, course):
        rewrite(folder, course)
        return reached(folder)
    write(folder, course, rows(samples, course.student), rows(heldout, course.student))
    return 0


def go(folder: Path, course: Course, on_progress: Tell | None = None) -> None:
    """Trains to the end what was begun. Raises DataError or ModelError; what was trained until then is kept.

    What several machines are to train is not started here: SeraError says what to do, until there is a result.
    """
    if (folder / RESULT).exists():
        return
    if course.layout.nodes > 1:
        raise SeraError(
            f"{folder} is ready for {course.layout.nodes} machines: start the command above on each, with its number "
            "for RANK (0 and up) and the address of the first for ADDRESS; afterwards this one takes what came of it"
        )
    with following(folder / METRICS, on_progress or (lambda *_: None)):
        if launch.several(course.layout):
            launch.launch(folder, course.layout)
        else:
            worker.work(folder)


def reached(folder: Path) -> int:
    """The step from which a training would go on now; 0 where it would begin anew."""
    return checkpoint.step(folder)


def take(folder: Path, out: Path) -> Trained:
    """Puts the result in the place of `out`, and tells what came of it. Raises DataError where that cannot be."""
    done = trained(folder)
    try:
        shutil.rmtree(out, ignore_errors=True)
        (folder / RESULT).replace(out)
    except OSError as error:
        raise DataError(f"{error.strerror or error}; what was trained is in {folder / RESULT}", out) from error
    return done


def clear(folder: Path) -> None:
    """Leaves of a training that is over what it was and how it went; rows and checkpoints go."""
    checkpoint.tidy(folder, keep=0)
    for name in (ROWS, HELDOUT):
        shutil.rmtree(folder / name, ignore_errors=True)


def trained(folder: Path) -> Trained:
    """What a training came to, read off its metrics."""
    course, found = read(folder), metrics.read(folder / METRICS)
    losses, last = found.losses, found.steps[-1]
    epoch = max(1, len(losses) // max(2, course.recipe.epochs))
    return Trained(
        loss_first=_mean(losses[:epoch]), loss_last=_mean(losses[-epoch:]), heldout_base=found.held("base"),
        heldout_agent=found.held("agent"), tokens=last["tokens"], steps=len(losses), seconds=last["seconds"],
        data_digest=course.data,
    )  # fmt: skip


def data_digest(data: Sequence[Sample]) -> str:
    """Of the samples and their order."""
    return digest([digest(sample.model_dump(mode="json"), 64) for sample in data])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
