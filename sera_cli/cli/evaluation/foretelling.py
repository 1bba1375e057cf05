"""`sera eval --dry-run`: what would be tried, and what that takes by what rollouts of the same model took before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation.exam import Exam, files, settled
from sera_cli.errors import DataError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Result


class Each(NamedTuple):
    """What one rollout takes, and whence that is known; dollars are None where nobody knows a price, seconds are 0
    where nobody took the time.
    """

    tokens: float
    dollars: float | None
    seconds: float
    by: str


def ahead(wanted: Wanted) -> dict[str, Any]:
    """What would be done, and what that may take; the second only where a model is asked and something is left."""
    exam = settled(wanted)
    done = _done(exam)
    left = sum(one.id not in done for one in exam.todo)
    plan: dict[str, Any] = {
        "bench": exam.bench, "model": exam.name, "run": str(exam.job.run.folder), "instances": len(exam.instances),
        "seeds": len(exam.seeds), "attempts": len(exam.todo), "left": left, "jobs": exam.jobs,
        "environment": exam.settings["environment"],
    }  # fmt: skip
    if exam.who and left:
        each = _before(exam) or _foreseen(exam)
        plan |= {
            "tokens": round(each.tokens * left), "dollars": None if each.dollars is None else round(
                each.dollars * left, 2),
            "hours": round(each.seconds * left / exam.jobs / 3600, 4) if each.seconds else None, "by": each.by,
        }  # fmt: skip
    return plan


def lines(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A plan for people, line by line."""
    from sera_cli.harness.money.spend import short

    told: dict[str, Callable[[Any], str]] = {
        "tokens": short,
        "dollars": lambda dollars: "unpriced" if dollars is None else f"${dollars:,.2f} of API calls",
        "hours": lambda hours: "unknown" if hours is None else str(timedelta(seconds=round(hours * 3600))),
    }
    names = {"hours": "time to go", "by": "going by"}
    for name, value in plan.items():
        yield names.get(name, name), told.get(name, str)(value)


def _done(exam: Exam) -> set[str]:
    from sera_cli.evaluate.grade import Grade
    from sera_cli.store import index
    from sera_cli.types import Trajectory

    of = files(exam)
    return set(index(of.solved, Trajectory) if exam.bench == "soft" else index(of.graded, Grade))


def _before(exam: Exam) -> Each | None:
    """By the project's evaluations of the same model, those on this benchmark if there are any."""
    found = _rollouts(exam)
    known = found.get(exam.bench) or [one for each in found.values() for one in each]
    if not known:
        return None
    dollars = [one.dollars for one in known if one.dollars is not None]
    return Each(
        mean(one.tokens.prompt + one.tokens.completion for one in known),
        mean(dollars) if len(dollars) == len(known) else None, mean(one.seconds for one in known),
        f"{counted(len(known), 'rollout')} of {exam.name} in this project",
    )  # fmt: skip


def _rollouts(exam: Exam) -> "dict[str, list[Result]]":
    """Rollouts of the model that came to an end, by benchmark."""
    from sera_cli.evaluate.report import NAME, read

    found: dict[str, list[Result]] = {}
    for place in sorted(exam.job.run.folder.parent.glob(f"*/{NAME}")):
        try:
            report = read(place)
        except DataError:  # nobody asked for it by its name
            continue
        if report.model == exam.name:
            ran = (one for row in report.results.values() for one in row.values() if one.exit not in ("", "error"))
            found.setdefault(report.bench, []).extend(ran)
    return {bench: ran for bench, ran in found.items() if ran}


def _foreseen(exam: Exam) -> Each:
    """By what other verbs foretell from; of whatever a rehearsal taught, as of the rehearsal."""
    from sera_cli import profile
    from sera_cli.cli import money
    from sera_cli.cli.forecast import learnt

    assert exam.who
    card, job = exam.who.card, exam.job
    toy = card is not None and card.teacher == "rehearsal"
    known, by = learnt(replace(job, teacher="rehearsal") if toy else job, profile.of(job.run))
    usage, price = known.reproduced.used(1), money.price(job)
    return Each(
        usage.prompt + usage.completion, None if price is None else price.of(usage), known.reproduced.each("seconds"),
        by)
