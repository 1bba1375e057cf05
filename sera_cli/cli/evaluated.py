"""What an evaluation leaves behind: its report, predictions and traces, made from its records as often as asked."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.exam import Exam, files

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Report, Result
    from sera_cli.types import Usage


def reported(exam: Exam) -> "Report":
    """report.json, preds-SEED.jsonl and trajs/, of what there is by now."""
    from sera_cli.evaluate import report as reports
    from sera_cli.evaluate.evaluation import results
    from sera_cli.types import digest

    found = results(files(exam), exam.todo, lambda usage: cost(exam, usage))
    traced(exam)
    asked = [digest(one.model_dump(mode="json", exclude={"row"})) for one in exam.instances]
    report = reports.Report(
        bench=exam.bench, model=exam.name, seeds=exam.seeds, results=found,
        digest=digest([exam.settings, exam.seeds, asked]), unvalidated=_unvalidated(found),
        summary=_summary(found), totals=reports.totals(found, exam.seeds),
    )  # fmt: skip
    reports.write(exam.job.run.folder, report)
    return report


def submit(exam: Exam, folder: Path) -> None:
    """The folder of a submission: the pass with the first seed."""
    from sera_cli import __version__
    from sera_cli.evaluate.grade import Grade
    from sera_cli.evaluate.submission import Entry, submission
    from sera_cli.store import read

    seed = exam.seeds[0]
    patches, grades = _handed_in(exam, seed), read(files(exam).graded, Grade)
    entries = [
        Entry(name=one.name, patch=patches[one.name], grade=grades[one.id])
        for one in exam.todo if one.seed == seed and one.id in grades and one.name in patches
    ]  # fmt: skip
    submission(folder, files(exam), seed, entries, {
        "model": exam.name, "bench": exam.bench, "open": bool(exam.who and exam.who.card), "version": __version__,
        "resolved": sum(one.grade.verdict == "resolved" for one in entries), "total": len(exam.instances),
        "date": date.today().isoformat(),
    })  # fmt: skip


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
    from sera_cli.evaluate.predictions import write
    from sera_cli.evaluate.submission import whole
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
    for seed, made in patches.items():
        if made:
            write(folder.predictions(seed), exam.name, {name: whole(patch) for name, patch in made.items()})


def _handed_in(exam: Exam, seed: int) -> dict[str, str]:
    """The patches of a seed, by instance, as they were written."""
    file = files(exam).predictions(seed)
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
    return {row["instance_id"]: row["model_patch"] for row in rows}
