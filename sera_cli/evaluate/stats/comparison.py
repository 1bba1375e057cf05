"""Several evaluations side by side: what each came to and cost, and how far each is from the first."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sera_cli.errors import DataError
from sera_cli.evaluate.report import Report, Result
from sera_cli.evaluate.stats.paired import Difference, Plan, alone, paired, plan, shared
from sera_cli.evaluate.stats.scores import Scores, again, mean, scores
from sera_cli.evaluate.stats.summary import summary
from sera_cli.types import Value
from sera_cli.wording import counted


class Side(Value):
    """One evaluation, with so many `seeds` that counted; `fewest` are those of the task that has the least. `steps`,
    `prompt` and `completion` tokens are means of its rollouts, None where patches that others made were graded;
    `dollars` is the sum, None where nobody knows a price. What did not count is `infra`, in attempts, and
    `unvalidated`, in tasks.
    """

    name: str
    bench: str
    digest: str
    score: str
    seeds: int
    fewest: int
    summary: dict[str, Any]
    steps: float | None
    prompt: float | None
    completion: float | None
    dollars: float | None
    exits: dict[str, int]
    infra: int
    unvalidated: int


class Comparison(Value):
    """Of each side but the first the difference to it, and what it takes to show one that was asked about; of a side
    alone, what that takes at least. None where nobody can tell.
    """

    sides: tuple[Side, ...]
    differences: tuple[Difference, ...]
    plans: tuple[Plan | None, ...]
    notes: tuple[str, ...]


def compared(reports: Mapping[str, Report], detect: float | None = None) -> Comparison:
    """The first of these with each of the others. Raises DataError where two are not about the same thing."""
    (first, base), *others = reports.items()
    rows = {name: scores(report.model_dump()["results"]) for name, report in reports.items()}
    differences, plans = [], []
    for name, report in others:
        _same_kind(first, base, name, report)
        if (found := paired(rows[first], rows[name], once=not (ran(base) and ran(report)))) is None:
            raise DataError(_nothing(first, base, name, report))
        differences.append(found)
        plans += [plan(detect, rows[first], rows[name])] if detect else []
    if detect and not others:
        plans += [alone(detect, rows[first])]
    return Comparison(
        sides=tuple(side(name, report) for name, report in reports.items()), differences=tuple(differences),
        plans=tuple(plans), notes=tuple(_notes(reports, rows)),
    )  # fmt: skip


def side(name: str, report: Report) -> Side:
    results = [one for seeds in report.results.values() for one in seeds.values()]
    done = [one for one in results if one.exit]
    found = report.model_dump()["results"]
    rows = scores(found).values()
    return Side(
        name=name, bench=report.bench, digest=report.digest, score=report.score,
        seeds=len({seed for row in rows for seed in row}), fewest=min(map(len, rows), default=0),
        summary=summary(found, score=report.score),
        steps=_mean([one.steps for one in done]), prompt=_mean([one.tokens.prompt for one in done]),
        completion=_mean([one.tokens.completion for one in done]), dollars=_sum(done),
        exits=dict(Counter(one.exit for one in done).most_common()),
        infra=sum(one.verdict == "infra" for one in results), unvalidated=len(report.unvalidated),
    )  # fmt: skip


def ran(report: Report) -> bool:
    """Whether somebody was at work: patches that others made are graded once, have no seeds and end in no way."""
    return any(one.exit for row in report.results.values() for one in row.values())


def _mean(values: list[int]) -> float | None:
    return mean(values) if values else None


def _sum(ran: list[Result]) -> float | None:
    known = [one.dollars for one in ran if one.dollars is not None]
    return sum(known) if len(known) == len(ran) else None


def _same_kind(first: str, base: Report, name: str, report: Report) -> None:
    if base.score != report.score:
        raise DataError(
            f"{first} tells {SCORES[base.score]} and {name} {SCORES[report.score]}; evaluate both on one benchmark")


def _nothing(first: str, base: Report, name: str, report: Report) -> str:
    """Why two cannot be compared, and the way on."""
    if lacking := [*_unfinished(first, base, name, report), *_unfinished(name, report, first, base)]:
        return lacking[0]
    for who, each in ((first, base), (name, report)):
        found = sum(any(one.score is not None for one in row.values()) for row in each.results.values())
        if found < 2 <= len(each.results):
            return (f"of {who}'s {len(each.results)} tasks {found} counted; mend what its sera eval told, and run "
                    f"that again with --retry-failed")
    which = f"the same tasks of {base.bench}" if base.bench == report.bench else base.bench
    return f"{first} and {name} have fewer than two tasks in common; evaluate both on {which}"


def _unfinished(who: str, mine: Report, other: str, theirs: Report) -> Iterator[str]:
    """What an evaluation lacks: attempts, where it was stopped early, else tasks that the other one has."""
    if mine.owed:
        yield (f"{who} is not finished, {counted(mine.owed, 'attempt')} short: run its sera eval again, which goes on "
               "where it stopped")
    elif mine.bench == theirs.bench and mine.results.keys() < theirs.results.keys():
        yield (f"{who} has {len(mine.results)} of the {counted(len(theirs.results), 'task')} that {other} has; to have "
               "all, run its sera eval without --limit and --instances")


SCORES = {"resolved": "what was resolved", "recall": "recall"}


def _notes(reports: Mapping[str, Report], rows: Mapping[str, Scores]) -> list[str]:
    """What a reader should know before believing the table."""
    (first, base), *others = reports.items()
    notes = [_apart(first, rows[first], name, rows[name]) for name, _ in others]
    notes += [text for name, report in others for text in (
        *_unfinished(first, base, name, report), *_unfinished(name, report, first, base))]
    notes += [f"{name} has one seed, so how far it varies from seed to seed is unknown: evaluate it with --seeds 3"
              for name, each in rows.items() if each and not again(each) and ran(reports[name])]
    notes += [f"{name} was evaluated on {report.bench}, {first} on {base.bench}" for name, report in others
              if report.bench != base.bench]
    if base.score == "recall":
        notes.append("recall is a proxy: it says how much of a change was found again, not whether tests pass")
    if len(others) > 1:
        notes.append(f"of {len(others)} differences each may be chance one time in twenty")
    return [note for note in dict.fromkeys(notes) if note]


def _apart(first: str, a: Scores, name: str, b: Scores) -> str:
    both = len(shared(a, b)[0])
    if both == len(a) == len(b):
        return ""
    return f"{first} and {name} were compared on the {both} tasks counted for both, of {len(a)} and {len(b)}"
