"""What became of every rollout, and why: kept, or the one reason it was dropped for, decided in work order.

A run's files are read once, record by record, and boiled down to a few words each.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sera_cli import store
from sera_cli.runs import Run, settled
from sera_cli.svg.sample import work_order
from sera_cli.types import Exit, Function, Task, Trajectory, Usage, Value, Verdict, digest

KEPT = "kept"
REFUSED = "refused by its self-check"
NO_PATCH = "no patch"
DUPLICATE = "patch seen before"
NO_ISSUE = "no issue could be written"
OWED = "not made yet"
EMPTY_TARGET = "nothing in patch 1 to find again"
LOW_RECALL = "recall below the threshold"
ENDS: dict[Exit, str] = {
    "limit": "out of steps", "format": "malformed again and again", "context": "out of context",
    "deadline": "out of time", "error": "broken",
}  # fmt: skip


class Fate(Value):
    """What became of one piece of work. `first` has a reason for each first rollout in the order they were begun, the
    last for the one that stands; `second` is that of the second rollout, or why there is none; empty: none was due.
    """

    id: str
    first: tuple[str, ...]
    second: str = ""


class First(NamedTuple):
    """`reasons` as in Fate, so far as rollouts decide by themselves; `passed` says that the self-check agreed."""

    reasons: tuple[str, ...]
    patch: str
    passed: bool


class Survey(Value):
    """A run's generation in numbers: records by stage, tokens of all attempts, and how many rollouts met which fate.

    `recalls` are those of the verdicts in force, None for an empty target; `fates` counts by `first` and `second`.
    """

    records: dict[str, int]
    usage: Usage
    recalls: tuple[float | None, ...]
    fates: dict[str, dict[str, int]]


def survey(run: Run, order: Iterable[str], threshold: float) -> Survey:
    """Reads the files of generation; `order` is the work order, `threshold` the least recall that counts."""
    explored, issues, reproduced = dict[str, First](), dict[str, bool](), dict[str, str]()
    spent: list[Usage] = [Usage()]

    def first(rollout: Trajectory) -> None:
        spent[0] += rollout.usage
        reasons = tuple(map(reason, (*rollout.rejected, rollout)))
        explored[rollout.id] = First(reasons, digest(rollout.patch, 24), rollout.check is True)

    def issue(task: Task) -> None:
        spent[0] += task.usage
        issues[task.id] = task.failed

    def second(rollout: Trajectory) -> None:
        spent[0] += rollout.usage
        reproduced[rollout.id] = reason(rollout)

    store.index(run.explored, Trajectory, first)
    store.index(run.issues, Task, issue)
    store.index(run.reproduced, Trajectory, second)
    verdicts = store.read(run.verdicts, Verdict)
    work = dict.fromkeys([*order, *sorted(explored)])  # nothing goes uncounted, whatever was done to the files
    return Survey(
        records={
            "explored": len(explored), "issues": len(issues), "reproduced": len(reproduced), "verified": len(verdicts),
        },
        usage=spent[0],
        recalls=tuple(verdict.recall for verdict in verdicts.values()),
        fates=counted(fates(work, explored, issues, reproduced, verdicts, threshold=threshold)),
    )  # fmt: skip


def order_of(run: Run) -> list[str]:
    """The work order of a run: that of its functions, with the seed it was begun with."""
    seed = settled(run).get("functions", {}).get("seed", 0)
    return work_order(store.scan(run.functions, Function), seed)


def fates(
    order: Iterable[str], explored: Mapping[str, First], issues: Mapping[str, bool], reproduced: Mapping[str, str],
    verdicts: Mapping[str, Verdict], *, threshold: float,
) -> Iterator[Fate]:
    """The fate of each piece of work that was begun. `issues` says which failed, `reproduced` how rollouts ended."""
    seen: set[str] = set()
    for first, id_ in ((explored[id_], id_) for id_ in order if id_ in explored):
        if not first.passed or first.patch in seen:
            *before, last = first.reasons
            yield Fate(id=id_, first=(*before, DUPLICATE if first.passed else last))
            continue
        seen.add(first.patch)
        second = NO_ISSUE if issues.get(id_) else reproduced.get(id_, OWED)
        if second == KEPT:
            second = enough(verdicts.get(id_), threshold)
        yield Fate(id=id_, first=first.reasons, second=second)


def reason(rollout: Trajectory) -> str:
    """Why a rollout by itself may not teach; KEPT when it may."""
    if rollout.exit != "submitted":
        return ENDS[rollout.exit]
    if not rollout.patch.strip():
        return NO_PATCH
    return REFUSED if rollout.check is False else KEPT


def enough(verdict: Verdict | None, threshold: float) -> str:
    """Why a second rollout's patch does not do; KEPT when it does."""
    if verdict is None:
        return OWED
    if verdict.recall is None:
        return EMPTY_TARGET
    return KEPT if verdict.recall >= threshold else LOW_RECALL


def counted(found: Iterable[Fate]) -> dict[str, dict[str, int]]:
    """How many first and second rollouts met each fate, most first; every rollout is counted once."""
    first, second = Counter[str](), Counter[str]()
    for fate in found:
        first.update(fate.first)
        second.update([fate.second] if fate.second else [])
    return {"first": dict(first.most_common()), "second": dict(second.most_common())}
