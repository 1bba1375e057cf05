"""Trains what a folder says, in one process or as one of several: `python -m sera_cli.train.worker FOLDER`.

Where a checkpoint of the course is there, it goes on from it; where the result is there, nothing is left to do.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sera_cli.console import say
from sera_cli.errors import ConfigError, DataError, ModelError, SeraError
from sera_cli.store import atomically
from sera_cli.train import checkpoint, memory
from sera_cli.train.course import RESULT, ROWS, Course, epoch_ends, read
from sera_cli.train.embedded import hush
from sera_cli.train.rows import kept
from sera_cli.types import Value

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers where a file cannot grow any more."""

WRITER = ("PytorchStreamWriter", "inline_container")
"""How torch says that it could not write a file; it has no error of its own for that."""


class Ended(Value):
    """Why a worker ended early, for whoever started it."""

    kind: str
    text: str


def ended(folder: Path) -> Path:
    """Where that stands."""
    return folder / "ended.json"


def work(folder: Path) -> None:
    """From where the folder stands to its `result`. Raises DataError, ModelError or ConfigError, in one line each."""
    course = read(folder)
    if (folder / RESULT).exists():
        return
    hush()
    memory.keep()
    with told(folder), alone(folder):
        _work(course, folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the folder for the workers of one training. Raises DataError where those of another are at it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        if os.environ.get("RANK", "0") == "0":
            _hold(handle, folder)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError("another process trains here; wait for it, or end it", folder) from error
    except OSError:  # a filesystem that knows no locks, as some of a cluster
        return


def _work(course: Course, folder: Path) -> None:
    from sera_cli.train.result import save
    from sera_cli.train.tutor import trainer
    from sera_cli.train.watch import callbacks, measured

    tutor = trainer(course, folder)
    laid_out(course, tutor.args.world_size, divided=tutor.is_fsdp_enabled or tutor.is_deepspeed_enabled)
    with tutor.args.main_process_first(local=False):
        if tutor.is_world_process_zero():
            checkpoint.tidy(folder)
    found = checkpoint.newest(folder)
    if found:
        checkpoint.agreed(found, course)
    count = len(kept(folder / ROWS))
    evaluates = measured(course, count) if tutor.eval_dataset else ()
    for one in (*callbacks(course, folder), checkpoint.saving(course, folder, saves(course, count), evaluates)):
        tutor.add_callback(one)
    tutor.args.eval_on_start = bool(tutor.eval_dataset) and not found
    tutor.train(resume_from_checkpoint=str(found) if found else None)
    save(tutor, course, folder / RESULT)


def laid_out(course: Course, processes: int, *, divided: bool) -> None:
    """Raises ConfigError for processes that are not those of the course, which would train something else."""
    layout = course.layout
    if processes != layout.processes or divided != (layout.divided > 1):
        there = f"{processes} processes that {'divide' if divided else 'each hold'} the model"
        raise ConfigError(
            f"{there} were started for the layout {layout.kind} of {layout.processes}; start them by accelerate.yaml, "
            "which has no say where there is no GPU"
        )


def saves(course: Course, count: int) -> frozenset[int]:
    """The steps of a training on `count` rows after which it is saved: as the recipe says, else where epochs end.

    The last step is among them, so that no step is lost where the result cannot be written.
    """
    ends, every = epoch_ends(course, count), course.recipe.save_every
    return frozenset((*range(every, ends[-1], every), ends[-1]) if every else ends)


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Tells in one line what a person can mend: a disk that is full, a GPU that is too small."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise _full(folder, str(error)) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(folder, error.strerror or str(error)) from error
    except RuntimeError as error:
        text = str(error).strip().partition("\n")[0]
        if type(error).__name__ == "OutOfMemoryError":
            raise ModelError(
                f"the GPU has too little memory ({text}); lower train.tokens, set train.offload = true, take LoRA or a "
                f"shorter student.context; with the first two it goes on{_from(folder)}"
            ) from error
        if not any(name in text for name in WRITER):
            raise
        raise _full(folder, text) from error


def _full(folder: Path, why: str) -> DataError:
    return DataError(f"cannot be written ({why}); free some disk, then the same command goes on{_from(folder)}", folder)


def _from(folder: Path) -> str:
    """From where it would go on."""
    step = checkpoint.step(folder)
    return f" from step {step}" if step else " from the beginning"


def main(arguments: Sequence[str]) -> int:
    """One process of a training; accelerate starts several, as the folder's accelerate.yaml says."""
    folder = Path(arguments[0])
    try:
        work(folder)
    except SeraError as error:
        say(f"error: {error}")
        if folder.is_dir():
            note = Ended(kind=type(error).__name__, text=str(error))
            with suppress(SeraError):  # a disk that is full takes no note of it either
                atomically(ended(folder), note.model_dump_json().encode())
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
