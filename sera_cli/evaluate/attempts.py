"""The attempts of an evaluation: an agent works on a task with a seed. Each is made once, is on disk at once, and is
found again by whoever goes on.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from sera_cli.errors import ContextOverflow, SeraError
from sera_cli.evaluate.places import Unprepared
from sera_cli.harness.loop import Clock, Limits, never, opening, solve
from sera_cli.harness.model import Model, OnText, Teacher
from sera_cli.harness.sandbox import Sandbox
from sera_cli.harness.tools import specs
from sera_cli.store import grow
from sera_cli.types import Message, Policy, Record, Reply, Task, Trajectory, digest, seed_of

AHEAD = 16
"""Records for each worker that may wait for the oldest."""

QUEUED = 2
"""Attempts for each worker that are begun or wait."""


class Attempt(Record):
    """One try at the task that the report calls `name`. The id covers task, seed and who tries, and is the task's too:
    a trajectory has the id of its attempt.
    """

    name: str
    seed: int
    task: Task


def freely() -> AbstractContextManager[object]:
    """Nothing bounds how many rollouts are begun."""
    return nullcontext()


@dataclass(frozen=True)
class Arena:
    """What attempts need besides a task: who acts, where, and within which bounds.

    `admit` is entered around each rollout, and raises BudgetReached where none may begin. `context` is the most tokens
    that a conversation may have; 0: as many as the model reads.
    """

    model: Teacher
    sandbox: Callable[[Attempt], Sandbox]
    limits: Limits
    context: int = 0
    cancelled: Callable[[], bool] = never
    clock: Clock = monotonic
    admit: Callable[[], AbstractContextManager[object]] = freely


def attempts(tasks: Iterable[Task], seeds: Iterable[int], by: dict[str, Any]) -> tuple[Attempt, ...]:
    """All tasks with the first seed, then all with the next: whoever stops early has whole passes.

    `by` says who tries and how: whatever makes it another attempt. A task's own id is its name in the report.
    """
    found = tuple(tasks)
    return tuple(_attempt(task, seed, by) for seed in seeds for task in found)


def _attempt(task: Task, seed: int, by: dict[str, Any]) -> Attempt:
    asked = task.model_dump(exclude={"id", "usage"})
    id_ = digest(["attempt", task.id, asked, seed, by])
    return Attempt(id=id_, name=task.id, seed=seed, task=task.model_copy(update={"id": id_}))


def attempted(attempt: Attempt, number: int, arena: Arena) -> Trajectory:
    """One rollout; a place that cannot be had for it is a broken one. Raises what ends the whole run, and Unprepared.
    """
    seed = seed_of("evaluate", attempt.name, attempt.seed)
    with arena.admit():
        model = arena.model(seed)
        if arena.context:
            model = Narrow(model, arena.context)
        try:
            sandbox = arena.sandbox(attempt)
        except Unprepared:
            raise
        except SeraError as error:
            if error.ends_run:
                raise
            return _broken(attempt, number, Policy(model=model.name, sampling=model.sampling, seed=seed), str(error))
        return solve(
            attempt.task, model, sandbox, arena.limits, seed=seed, attempt=number, cancelled=arena.cancelled,
            clock=arena.clock,
        )  # fmt: skip


def solved(
    path: Path, todo: Iterable[Attempt], arena: Arena, pool: Executor, *, workers: int, retry_failed: bool = False
) -> Iterator[tuple[Attempt, Trajectory]]:
    """Every attempt with its rollout, in order: what the file holds as it is, the rest made in the pool."""
    yield from grow(
        path, Trajectory, todo, lambda attempt, number: attempted(attempt, number, arena), pool,
        retry_failed=retry_failed, ahead=AHEAD * workers, queued=QUEUED * workers,
    )  # fmt: skip


class Narrow:
    """A Model that reads no more than `context` tokens, by its own count: what would not have fitted is an overflow."""

    def __init__(self, model: Model, context: int) -> None:
        self.name, self.sampling = model.name, model.sampling | {"context": context}
        self._model, self._context = model, context

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None, until: float = inf
    ) -> Reply:
        reply = self._model.reply(messages, tools, on_text=on_text, until=until)
        taken = reply.usage.prompt + reply.usage.completion
        if taken > self._context:
            raise ContextOverflow(f"the conversation has {taken} tokens, and {self._context} are allowed")
        return reply


def _broken(attempt: Attempt, number: int, policy: Policy, error: str) -> Trajectory:
    return Trajectory(
        id=attempt.id, attempt=number, task=attempt.task, policy=policy, prompt=tuple(opening(attempt.task.statement)),
        tools=tuple(specs()), steps=(), patch="", exit="error", error=error,
    )  # fmt: skip
