"""Soft Verified Generation from end to end: explore, issue, reproduce, verify, in waves, until enough can teach.

What counts, what is a duplicate and when to stop are decided in work order, wave by wave, so that the finished files
hold the same ids however many workers there were and however often the run was killed.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Literal, TypeVar

from sera_cli.errors import ModelError
from sera_cli.runs import Run
from sera_cli.store import Place, at, grow, index
from sera_cli.svg.explore import Bench, explore
from sera_cli.svg.issue import draft, issue
from sera_cli.svg.reproduce import reproduce
from sera_cli.svg.verify import verify
from sera_cli.types import Record, Task, Trajectory, Value, Verdict, digest

Stage = Literal["explored", "issues", "reproduced", "verdicts"]
Made = TypeVar("Made", bound=Record)
OnRecord = Callable[[Stage, Record], None]
"""Told of every record, made now or found again, in work order and in the calling thread."""

SMALLEST_WAVE = 8
AHEAD = 16
"""Records for each worker that may wait for the oldest: a rollout may take as much longer than others."""

QUEUED = 2
"""Pieces of a stage's work for each worker that are begun or wait: second rollouts do not wait for all first ones."""

HOPELESS = 16
"""Rollouts in a row, in work order, that break before the run stops instead of spending more."""
AGAIN = "Mend that and run the same command with --retry-failed"


class Goal(Value):
    """How many first and second rollouts must be able to teach; a second one needs this recall."""

    first: int
    second: int
    threshold: float


class Tally(Value):
    """What came of the rollouts begun so far, about so many functions; `left` functions were not needed.

    `first` and `second` rollouts may teach; `duplicates` had a patch seen before; the last `broken` broke.
    """

    used: int = 0
    functions: int = 0
    left: int = 0
    first: int = 0
    second: int = 0
    duplicates: int = 0
    broken: int = 0

    def reaches(self, goal: Goal) -> bool:
        return self.first >= goal.first and self.second >= goal.second

    @property
    def share(self) -> float:
        """The yield: rollouts that may teach, of one first rollout and what comes of it; at most 2."""
        return (self.first + self.second) / self.used if self.used else 0.0


def unheard(stage: Stage, record: Record) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Pipeline:
    """The run's folder, the workers, and how the four kinds of work are done. `places` is what its files hold."""

    run: Run
    bench: Bench
    shown: tuple[str, ...]
    pool: Executor
    workers: int
    retry_failed: bool = False
    on_record: OnRecord = unheard
    places: dict[Stage, dict[str, Place]] = field(default_factory=dict)

    def grow(
        self, stage: Stage, kind: type[Made], items: Iterable[Task], work: Callable[[Task, int], Made],
        fits: Callable[[Task, Made], bool] | None = None,
    ) -> Iterator[tuple[Task, Made]]:
        """Grows the stage's file; tells `on_record` of each record in work order, made now or found again."""
        path: Path = getattr(self.run, stage)
        if stage not in self.places:
            self.places[stage] = index(path, kind)
        grown = grow(
            path, kind, items, work, self.pool, retry_failed=self.retry_failed, ahead=AHEAD * self.workers,
            queued=QUEUED * self.workers, fits=fits, places=self.places[stage],
        )  # fmt: skip
        for task, record in grown:
            self.on_record(stage, record)
            yield task, record

    def found(self, stage: Stage, kind: type[Made], id_: str) -> Made:
        """A record that was grown before, read again: thousands that wait for the next stage wait on disk."""
        return at(getattr(self.run, stage), kind, self.places[stage][id_])

    def written(self, drafts: Iterable[Task]) -> Iterator[Task]:
        """The drafts with their issues, those of which none could be had left out."""

        def work(task: Task, n: int) -> Task:
            return issue(task, self.found("explored", Trajectory, task.id), n, self.bench, self.shown)

        for _, task in self.grow("issues", Task, drafts, work, lambda task, made: made.gold == task.gold):
            if not task.failed:
                yield task

    def explored(self, tasks: Iterable[Task], broken: int = 0) -> Iterator[tuple[Trajectory, int]]:
        """A first rollout of each task, and how many in a row broke, of which so many had `broken` before."""
        for _, trajectory in self.grow("explored", Trajectory, tasks, partial(explore, bench=self.bench)):
            broken = broken + 1 if trajectory.failed else 0
            if broken >= HOPELESS:
                raise ModelError(f"{broken} rollouts in a row broke; the last: {trajectory.error}. {AGAIN}")
            yield trajectory, broken


def generate(pipeline: Pipeline, tasks: Iterable[Task], goal: Goal) -> Tally:
    """Works through `tasks` in order until `goal` is reached or they are used up; the run's files hold the rest."""
    tally, patches, rest = Tally(), set[str](), iter(tasks)
    functions: set[str] = set()
    while not tally.reaches(goal):
        taken = list(islice(rest, wave(tally, goal)))
        if not taken:
            break
        functions.update(task.source for task in taken)
        tally = _wave(pipeline, taken, goal, tally, patches)
    left = {task.source for task in rest} - functions
    return tally.model_copy(update={"functions": len(functions), "left": len(left)})


def wave(tally: Tally, goal: Goal) -> int:
    """How many more functions to try: four fifths of what the yield so far says is missing."""
    return max(SMALLEST_WAVE, ceil(0.8 * missing(tally, goal)))


def missing(tally: Tally, goal: Goal) -> float:
    """How many more functions the goal asks for, at the yield so far.

    That starts from a guess of 0.8 first and 0.4 second rollouts a function, worth ten functions of evidence.
    """
    seen = tally.used + 10
    first = (goal.first - tally.first) * seen / (tally.first + 8)
    second = (goal.second - tally.second) * seen / (tally.second + 4)
    return max(0.0, first, second)


def _wave(pipeline: Pipeline, tasks: list[Task], goal: Goal, tally: Tally, patches: set[str]) -> Tally:
    """One wave through all stages at once: each takes from the one before as soon as that yields.

    What a stage made of something that has changed since, as when lines of the run's files were removed by hand, is
    made again.
    """
    first = second = duplicates = 0
    broken = tally.broken

    def drafts() -> Iterator[Task]:
        nonlocal first, duplicates, broken
        for trajectory, row in pipeline.explored(tasks, broken):
            broken = row
            patch = digest(trajectory.patch, 24)
            if patch in patches:
                duplicates += 1
            elif trajectory.check:
                patches.add(patch)
                first += trajectory.accepted
                yield draft(trajectory)

    solved: dict[str, Trajectory] = {}

    def reproduced() -> Iterator[Task]:
        work = partial(reproduce, bench=pipeline.bench)
        for task, trajectory in pipeline.grow("reproduced", Trajectory, pipeline.written(drafts()), work, _same_issue):
            if not trajectory.failed:
                solved[task.id] = trajectory.model_copy(update={"steps": ()})  # what waits is light
                yield task

    def judge(task: Task, attempt: int) -> Verdict:
        return verify(task, solved[task.id], attempt)

    def holds(task: Task, made: Verdict) -> bool:
        return judge(task, made.attempt) == made

    for task, verdict in pipeline.grow("verdicts", Verdict, reproduced(), judge, holds):
        second += solved.pop(task.id).accepted and reaches(verdict, goal.threshold)
    return Tally(
        used=tally.used + len(tasks),
        first=tally.first + first,
        second=tally.second + second,
        duplicates=tally.duplicates + duplicates,
        broken=broken,
    )


def _same_issue(task: Task, made: Trajectory) -> bool:
    return (made.task.statement, made.task.gold) == (task.statement, task.gold)


def reaches(verdict: Verdict, threshold: float) -> bool:
    """Whether a second rollout found enough of patch 1; an empty target is never enough (SERA paper, section 3.1)."""
    return verdict.recall is not None and verdict.recall >= threshold
