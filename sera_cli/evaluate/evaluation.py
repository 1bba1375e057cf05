"""An evaluation under way: an attempt's instance is validated, its rollout made and its patch graded by one worker, one
after the other, and each of the three is on disk before the next begins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from sera_cli.errors import SandboxError
from sera_cli.evaluate.attempts import AHEAD, QUEUED, Arena, Attempt, attempted
from sera_cli.evaluate.grade import Grade, Verdict
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.report import Result, result, score
from sera_cli.evaluate.validate import Validation
from sera_cli.store import Kept, grow, read, scan
from sera_cli.types import Record, Trajectory, Usage, Value, digest

OWED = ("infra", "unvalidated")
"""Verdicts that say nothing of the model: `--retry-failed` does these attempts again."""


class Files(Value):
    """What the folder of an evaluation holds, beside its settings, lock and report."""

    folder: Path

    @property
    def instances(self) -> Path:
        return self.folder / "instances.jsonl"

    @property
    def validated(self) -> Path:
        return self.folder / "validated.jsonl"

    @property
    def solved(self) -> Path:
        return self.folder / "solved.jsonl"

    @property
    def graded(self) -> Path:
        return self.folder / "graded.jsonl"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def trajectories(self) -> Path:
        return self.folder / "trajs"

    def predictions(self, seed: int) -> Path:
        return self.folder / f"preds-{seed}.jsonl"


@dataclass(frozen=True)
class Trust:
    """How instances are validated and patches graded. `on_validated` hears of each instance once, in any thread."""

    validate: Callable[[Instance], Validation]
    mark: Callable[[Instance, str, Attempt], Grade]
    on_validated: Callable[[Validation], None] = lambda _: None
    on_graded: Callable[[Attempt, Grade], None] = lambda *_: None


class Judging:
    """The attempts at `instances`, by name: rollouts in `arena`, or, without one, `patches` that somebody made."""

    def __init__(
        self, files: Files, instances: Mapping[str, Instance], trust: Trust, *, arena: Arena | None = None,
        patches: Mapping[str, str] | None = None, retry_failed: bool = False,
    ) -> None:  # fmt: skip
        self._files, self._instances, self._trust = files, instances, trust
        self._arena, self._patches, self._retry = arena, patches or {}, retry_failed
        self._validated = Kept(files.validated, Validation)
        self._solved = Kept(files.solved, Trajectory)
        self._known: dict[str, Validation] = {}
        self._turn, self._busy = Lock(), dict[str, Lock]()

    def graded(self, todo: Iterable[Attempt], pool: Executor, workers: int) -> Iterator[tuple[Attempt, Grade]]:
        """Every attempt with its grade, in order: what the files hold as it is, the rest made in the pool."""
        yield from grow(
            self._files.graded, Grade, todo, self._grade, pool, ahead=AHEAD * workers, queued=QUEUED * workers,
            fits=lambda _, made: not (self._retry and made.verdict in OWED),
        )  # fmt: skip

    def _grade(self, attempt: Attempt, number: int) -> Grade:
        try:
            made = self._made(attempt)
        except Unprepared as error:  # what was there when it was validated is gone since
            made = _said(attempt, "unvalidated", str(error))
        except SandboxError as error:
            if error.ends_run:
                raise
            made = _said(attempt, "infra", str(error))
        made = made.model_copy(update={"id": attempt.id, "attempt": number})
        self._trust.on_graded(attempt, made)
        return made

    def _made(self, attempt: Attempt) -> Grade:
        instance = self._instances[attempt.name]
        trusted = self._validation(instance)
        if not trusted.valid:
            return _said(attempt, "unvalidated", trusted.reason)
        if not self._arena:
            return self._trust.mark(instance, self._patches.get(attempt.name, ""), attempt)
        arena = self._arena
        place = self._solved.place(
            attempt, lambda one, number: attempted(one, number, arena), retry_failed=self._retry
        )
        rollout = self._solved.at(place)
        return _said(attempt, "infra", rollout.error) if rollout.failed else self._trust.mark(
            instance, rollout.patch, attempt
        )

    def _validation(self, instance: Instance) -> Validation:
        """Whether an instance can be trusted here: asked once, however many attempts at it there are."""
        name = instance.instance_id
        with self._turn:
            busy = self._busy.setdefault(name, Lock())
        with busy:
            if name not in self._known:
                self._known[name] = self._asked(instance)
                self._trust.on_validated(self._known[name])
        return self._known[name]

    def _asked(self, instance: Instance) -> Validation:
        """What an earlier run found stands where it was nothing to go by; what it trusted has to be there still."""
        item = Record(id=digest(["validation", instance.model_dump(mode="json", exclude={"row"})]))
        place = self._validated.places.get(item.id)
        known = self._validated.at(place) if place else None
        if known and not known.valid and not self._retry:
            return known
        found = self._trust.validate(instance)
        if known and (known.valid, known.environment) == (found.valid, found.environment):
            return known
        place = self._validated.place(
            item, lambda one, number: found.model_copy(update={"id": one.id, "attempt": number}),
            fits=lambda *_: False,
        )  # fmt: skip
        return self._validated.at(place)


def results(
    files: Files, todo: Iterable[Attempt], cost: Callable[[Usage], float | None]
) -> dict[str, dict[int, Result]]:
    """What came of each of these attempts that has been graded, by name and seed."""
    wanted, grades = {attempt.id: attempt for attempt in todo}, read(files.graded, Grade)
    spent: dict[str, Result] = {}
    for rollout in scan(files.solved, Trajectory):
        if rollout.id in wanted:
            spent[rollout.id] = result(rollout, "", None, dollars=cost(rollout.usage))
    found: dict[str, dict[int, Result]] = {}
    for id_, attempt in wanted.items():
        if grade := grades.get(id_):
            told = {"verdict": grade.verdict, "score": score(grade.verdict), "reason": grade.reason}
            made = spent.get(id_) or result(None, grade.verdict, None)
            found.setdefault(attempt.name, {})[attempt.seed] = made.model_copy(update=told)
    return found


def _said(attempt: Attempt, verdict: Verdict, reason: str) -> Grade:
    """The grade of what was not run."""
    return Grade(id=attempt.id, instance_id=attempt.name, verdict=verdict, reason=reason)
