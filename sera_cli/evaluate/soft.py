"""Soft tasks: a change is asked for by its report alone, and scored by how many of its lines are found again.

Where tests cannot run, mean line recall stands in for the rate of resolved tasks: over 1,036 evaluations the two
correlate at 0.898 (SERA paper, section 5.2). It ranks models; it counts no solved issue.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sera_cli import store
from sera_cli.errors import DataError
from sera_cli.evaluate.attempts import Attempt
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.report import Result, result
from sera_cli.patch import changes, files, likeness
from sera_cli.types import Task, Trajectory, Usage, Value, digest

SCORED = "scored"
"""The verdict on an attempt that counts: nothing here is resolved or not."""

PROXY = (
    "Recall is a proxy: the share of a known change's lines that was found again, not of issues that were resolved."
)


class Exam(Value):
    """The tasks, and what is known of how they were made: `teacher`, `commit`, `seed`, `heldout`, `made`."""

    tasks: tuple[Task, ...]
    about: dict[str, Any]


def write(path: Path, exam: Exam) -> None:
    """One file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write(path, Task, exam.tasks, exam.about)


def read(path: Path, limit: int = 0) -> Exam:
    """The exam in a file, or its first `limit` tasks. Raises DataError for none, and for a task that cannot be scored.
    """
    tasks = tuple(store.read(path, Task).values())
    for one in tasks:
        if not changes(one.gold):
            raise DataError(f"task {one.id} has no change to be found again; remove its line", path)
    return Exam(tasks=tasks[: limit or None], about=store.about(path, Task))


def unseen(exam: Exam, known: Callable[[Mapping[str, Any]], bool]) -> Exam:
    """What an agent may be asked of it that may know some of its tasks, as `seen` tells."""
    return exam.model_copy(update={"tasks": tuple(one for one in exam.tasks if not known(instance(one).row))})


def seen(taught: Iterable[tuple[str, str]], patches: Iterable[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Tells of the row of a task whether an agent may know it: it is about a function, by path and name, that the agent
    was `taught` about, or makes a change that the `patches` of its training make, wherever those rollouts began.
    """
    functions, known = set(taught), set(map(_change, patches))
    return lambda row: (row["path"], row["function"]) in functions or _change(row["patch"]) in known


def _change(patch: str) -> str:
    """What a patch changes in which files, wherever in them that stands."""
    return digest([sorted(files(patch)), sorted(changes(patch))], 24)


def instance(task: Task) -> Instance:
    """A soft task in the schema of benchmarks. It has no tests, and a fix that is one of many."""
    row = {
        "instance_id": task.id, "repo": task.repo, "base_commit": task.commit, "problem_statement": task.statement,
        "patch": task.gold, "path": task.path, "function": task.function,
    }  # fmt: skip
    return of_row(row)


def of_row(row: dict[str, Any]) -> Instance:
    """A soft task out of the row that `instance` made of it."""
    known = {key: row[key] for key in ("instance_id", "repo", "base_commit", "problem_statement", "patch")}
    return Instance(**known, test_patch="", version="", fail_to_pass=(), pass_to_pass=(), row=row)


def results(
    solved: Path, todo: Iterable[Attempt], gold: Mapping[str, str], cost: Callable[[Usage], float | None]
) -> dict[str, dict[int, Result]]:
    """What came of each of these attempts that has been made, by name and seed; `gold` is patch 1 of each task."""
    wanted, found = {attempt.id: attempt for attempt in todo}, dict[str, dict[int, Result]]()
    for rollout in store.scan(solved, Trajectory):
        if attempt := wanted.get(rollout.id):
            made = scored(gold[attempt.name], rollout, cost(rollout.usage))
            found.setdefault(attempt.name, {})[attempt.seed] = made
    return found


def scored(gold: str, rollout: Trajectory, dollars: float | None = 0.0) -> Result:
    """Line recall of patch 1 in what was handed in; a rollout that broke does not count."""
    if rollout.failed:
        return result(rollout, "infra", None, dollars=dollars, reason=rollout.error)
    reason = "" if rollout.patch.strip() else f"no patch ({rollout.exit})"
    return result(rollout, SCORED, likeness(gold, rollout.patch).recall, dollars=dollars, reason=reason)
