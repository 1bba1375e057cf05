"""What an evaluation leaves behind: its report, predictions and traces, made from its records as often as asked."""

import json
from collections.abc import Callable, Container
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.evaluation.exam import Exam, attempts, files
from sera_cli.console import say
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.grade import Grade
    from sera_cli.evaluate.instance import Instance
    from sera_cli.evaluate.report import Report, Result
    from sera_cli.types import Usage

Row = dict[str, Any]


def reported(exam: Exam) -> "Report":
    """What there is by now of what was asked for; report.json, preds-SEED.jsonl and trajs/ tell of the whole run."""
    from sera_cli.evaluate.grade import Grade
    from sera_cli.store import read

    return told(exam, whole(exam, set(read(files(exam).graded, Grade))), _report)


def told(exam: Exam, everything: Exam, report: Callable[[Exam], "Report"]) -> "Report":
    """Writes down what there is of `everything`; the report of `exam`."""
    from sera_cli.evaluate import report as reports

    traced(everything)
    asked = report(exam)
    owed = len(exam.todo) - sum(map(len, asked.results.values()))
    made = (asked if len(everything.todo) == len(exam.todo) else report(everything)).model_copy(update={"owed": owed})
    reports.write(exam.job.run.folder, made)
    return asked


def whole(exam: Exam, done: Container[str]) -> Exam:
    """The exam with every instance that its run was ever about, and every seed of which an attempt is `done`: a command
    that asks for less than one before takes nothing back.
    """
    from sera_cli.evaluate import reading, soft

    now = {one.instance_id: one for one in exam.instances}
    made: Callable[[Row], Instance] = soft.of_row if exam.wanted.bench == "soft" else reading.instance
    instances = tuple(now.get(name) or made(row) for name, row in rows(exam).items())
    patches = exam.patches if exam.who else _handed_in(exam, 0) | exam.patches
    everything = replace(exam, instances=instances, patches=patches)
    everything = replace(everything, todo=attempts(everything))
    while exam.who:
        wanted = replace(everything.wanted, seeds=len(everything.seeds) + 1)
        more = replace(everything, wanted=wanted)
        more = replace(more, todo=attempts(more))
        if not any(one.id in done for one in more.todo[len(everything.todo) :]):
            break
        everything = more
    return everything


def rows(exam: Exam) -> dict[str, Row]:
    """What the run's instances.jsonl holds, by instance."""
    file = files(exam).instances
    found = file.read_bytes().split(b"\n") if file.exists() else ()
    return {row["instance_id"]: row for row in map(json.loads, filter(None, found))}


def _report(exam: Exam) -> "Report":
    from sera_cli.evaluate import report as reports
    from sera_cli.evaluate.evaluation import results
    from sera_cli.types import digest

    found = results(files(exam), exam.todo, lambda usage: cost(exam, usage))
    asked = sorted(digest(one.model_dump(mode="json", exclude={"row"})) for one in exam.instances)
    return reports.Report(
        bench=exam.bench, model=exam.name, seeds=exam.seeds, results=found,
        digest=digest([exam.settings, exam.seeds, asked]), unvalidated=_unvalidated(found),
        summary=_summary(found), totals=reports.totals(found, exam.seeds),
    )  # fmt: skip


def submit(exam: Exam, folder: Path) -> None:
    """The folder of a submission: the pass with the first seed."""
    from sera_cli import __version__
    from sera_cli.evaluate.grade import Grade
    from sera_cli.evaluate.submission import Entry, submission
    from sera_cli.store import read

    seed, instances = exam.seeds[0], {one.instance_id: one for one in exam.instances}
    patches, grades = _handed_in(exam, seed), read(files(exam).graded, Grade)
    entries = [
        Entry(name=one.name, patch=patches[one.name], grade=grade, tests=_tests(exam, instances[one.name], seed, grade))
        for one in exam.todo if one.seed == seed and (grade := grades.get(one.id)) and one.name in patches
    ]  # fmt: skip
    submission(folder, files(exam), seed, entries, {
        "model": exam.name, "bench": exam.bench, "open": bool(exam.who and exam.who.card), "version": __version__,
        "resolved": sum(one.grade.verdict == "resolved" for one in entries), "total": len(exam.instances),
        "date": date.today().isoformat(), "environment": exam.settings["environment"],
    })  # fmt: skip


def _tests(exam: Exam, instance: "Instance", seed: int, grade: "Grade") -> dict[str, Any]:
    """What swebench says of each test that should pass; nothing where none were run to their end."""
    from sera_cli.evaluate import swebench

    log = files(exam).logs / str(seed) / grade.log
    if not grade.log or not grade.applied or grade.timed_out or not log.exists():
        return {}
    return dict((swebench.reported(instance, log) or {}).get("tests_status", {}))


def cost(exam: Exam, usage: "Usage") -> float | None:
    """Dollars; None where nobody has said what the model costs."""
    from sera_cli.cli import money

    price = money.price(exam.job)
    return None if price is None else round(price.of(usage), 6)


def _unvalidated(found: "dict[str, dict[int, Result]]") -> dict[str, str]:
    return {
        name: one.reason for name, by_seed in sorted(found.items()) for one in by_seed.values()
        if one.verdict == "unvalidated"
    }  # fmt: skip


def _summary(found: "dict[str, dict[int, Result]]") -> dict[str, Any]:
    from sera_cli.evaluate.stats.summary import summary

    return summary({
        name: {str(seed): one.model_dump(mode="json") for seed, one in by_seed.items()}
        for name, by_seed in found.items()
    })  # fmt: skip


def traced(exam: Exam) -> None:
    """Predictions of each seed, and a trace of each rollout: all in one pass, for rollouts are long."""
    from sera_cli.evaluate import trajectories
    from sera_cli.evaluate.portable import portable
    from sera_cli.evaluate.predictions import write
    from sera_cli.evaluate.submission import whole
    from sera_cli.redact import tokens
    from sera_cli.store import ordered
    from sera_cli.types import Trajectory

    patches: dict[int, dict[str, str]] = {seed: dict(exam.patches) for seed in exam.seeds}
    names, folder = {one.id: one for one in exam.todo}, files(exam)
    for rollout in ordered(folder.solved, Trajectory, names):
        attempt = names[rollout.id]
        if not rollout.failed:  # what broke handed nothing in, and an empty patch would be a failure of the model's
            patches[attempt.seed][attempt.name] = rollout.patch
        document = trajectories.trajectory(rollout, attempt.name, cost(exam, rollout.usage))
        trajectories.write(folder.trajectories / str(attempt.seed), attempt.name, document)
    left = 0
    for seed, made in patches.items():
        if made:
            told = {name: portable(whole(patch)) for name, patch in made.items()}
            left += sum(bool(tokens(patch)) for patch in told.values())
            write(folder.predictions(seed), exam.name, told)
    if left:
        say(f"note: {counted(left, 'prediction')} with tokens in place of secrets: sera puts those back when it grades "
            "here, and another grader takes the tokens for text", prose=True)


def _handed_in(exam: Exam, seed: int) -> dict[str, str]:
    """The patches of a seed, by instance, as they were written."""
    file = files(exam).predictions(seed)
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
    return {row["instance_id"]: row["model_patch"] for row in rows}
