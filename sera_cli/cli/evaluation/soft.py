"""The soft tasks of a project, `.sera/bench/soft.jsonl`: written once by a teacher, then the same for whoever comes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.job import Job
from sera_cli.console import Board, say
from sera_cli.errors import DataError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.soft import Exam
    from sera_cli.runs import Run
    from sera_cli.svg.pipeline import OnRecord
    from sera_cli.types import Function, Record

WANTED = 100
WANTED_REHEARSED = 4
"""Tasks, unless `eval.limit` says otherwise."""


def at(root: Path) -> Path:
    """Where a project's soft tasks are kept."""
    return root / ".sera" / "bench" / "soft.jsonl"


def place(job: Job) -> Path:
    """Where those of a job's project are, beside its runs and evaluations."""
    return at(job.run.folder.parent.parent.parent)


def exam(job: Job, board: Board, *, charged: Job | None = None) -> "Exam":
    """The project's soft tasks, the first `eval.limit` of them.

    Where there are none, the job's teacher writes them, about the functions that mining with the job's settings holds
    out; the run that is `charged` pays, else the folder in which they are made. Raises DataError where nothing comes of
    that.
    """
    from sera_cli.evaluate.soft import read

    path = place(job)
    if not path.exists():
        _write(job, board, charged, path)
    return read(path, job.config.eval.limit)


def wanted(job: Job) -> int:
    """How many tasks are to be written."""
    return job.config.eval.limit or (WANTED_REHEARSED if job.rehearsing else WANTED)


def told(made: "Exam") -> str:
    """What the tasks are, in a sentence."""
    about = made.about
    functions = counted(len({(one.path, one.function) for one in made.tasks}), "function")
    tasks = f"{counted(len(made.tasks), 'soft task')} about {functions} held out"
    return f"{tasks}, written by {about.get('teacher', '?')} at {str(about.get('commit', '?'))[:12]}"


def _write(job: Job, board: Board, charged: Job | None, path: Path) -> None:
    """Everything that came on the way is kept beside the tasks, in a folder that the settings name: a command that was
    stopped goes on there.
    """
    from sera_cli.cli import stages
    from sera_cli.evaluate.soft import Exam, write
    from sera_cli.runs import Run, held
    from sera_cli.svg.exam import exam as written
    from sera_cli.svg.sample import tasks
    from sera_cli.types import digest

    settings = job.generation
    here = replace(job, run=Run(folder=path.with_name(f"soft-{digest(settings, 6)}")))
    most = wanted(job)
    with held(here.run):
        stages.mine(here, board)
        todo = [*tasks(stages.functions(here), job.checkout.name, job.checkout.commit, settings["seed"], heldout=True)]
        with (
            board.whole("exam"),
            stages.pipeline(here, board, lambda spent: _watched(board, most, spent), charged=charged) as made,
        ):
            found = written(made, todo, most)
        if not found:
            functions = counted(_count(todo), "function")
            raise DataError(f"no soft task came of {functions} held out; {_more(todo)}", here.run.folder)
        about = {
            "teacher": job.teacher, "commit": job.checkout.commit, "seed": settings["seed"], "heldout": _count(todo),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
        write(path, Exam(tasks=found, about=about))
    if len(found) < most and not job.rehearsing:
        say(f"note: {counted(len(found), 'soft task')} of the {most} wanted; {_more(todo)}", prose=True)


def _count(todo: list[Any]) -> int:
    return len({one.source for one in todo})


def _more(todo: list[Any]) -> str:
    return f"eval.heldout = 20 in another run holds more out than these {_count(todo)}"


def _watched(board: Board, wanted: int, spent: Callable[[], str]) -> "OnRecord":
    seen = {"explored": 0, "issues": 0}

    def on_record(stage: str, record: "Record") -> None:  # noqa: ARG001
        seen[stage] += 1
        told = f"{seen['explored']} explored"
        board("exam", min(seen["issues"], wanted), wanted, ", ".join(filter(None, [told, spent()])))

    return on_record


def seen(runs: "Iterable[Run]") -> "Callable[[Mapping[str, Any]], bool]":
    """Tells of the row of a soft task whether an agent that was trained on what came of these runs may know it."""
    from sera_cli import store
    from sera_cli.evaluate import soft
    from sera_cli.types import Function, Trajectory

    made = tuple(runs)
    functions = (one for run in made for one in store.scan(run.functions, Function))
    files = (file for run in made for file in (run.explored, run.reproduced))
    return soft.seen(learnt(functions), (one.patch for file in files for one in store.scan(file, Trajectory)))


def learnt(functions: "Iterable[Function]") -> set[tuple[str, str]]:
    """By path and name, the functions that rollouts may begin from."""
    return {(one.path, one.name) for one in functions if not one.heldout}
