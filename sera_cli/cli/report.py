"""What came of a run: read off its files, as the one JSON document and as the screen a person sees at the end."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli import job as jobs
from sera_cli.cli.job import Job
from sera_cli.console import say, show, table

if TYPE_CHECKING:
    from sera_cli.data.prepare import Prepared
    from sera_cli.svg.pipeline import Tally
    from sera_cli.train.sft import Trained
    from sera_cli.types import AgentCard, Usage, Verdict

REHEARSAL = "A rehearsal: no language model is asked, and the agent will be a toy that proves the road."
BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Outcome:
    """What the stages of one command returned; None for those it did not run."""

    tally: "Tally | None" = None
    prepared: "Prepared | None" = None
    trained: "Trained | None" = None
    card: "AgentCard | None" = None


def report(job: Job, outcome: Outcome) -> dict[str, Any]:
    """The document of `--json`. `recall` and `loss` are null where there is nothing to tell."""
    from sera_cli import store
    from sera_cli.types import Sample, Verdict

    verdicts = list(store.read(job.run.verdicts, Verdict).values())
    samples = list(store.read(job.run.samples, Sample).values())
    return {
        "run": str(job.run.folder),
        "stages": _counts(job) | {"verified": len(verdicts), "samples": len(samples)},
        "recall": _recall(verdicts),
        "tokens": sum(sample.tokens for sample in samples),
        "loss": _loss(outcome.trained),
        "agent": f"{outcome.card.name}@{outcome.card.version}" if outcome.card else None,
        "spend": _spend(job),
        "seconds": job.seconds,
    }


def screen(job: Job, outcome: Outcome, found: dict[str, Any]) -> None:
    """What was mined, tried, kept and dropped and why, what it came to, and what to type next."""
    show(table(("stage", "records", "what came of it"), _rows(job, outcome, found)))
    for note in outcome.prepared.notes if outcome.prepared else ():
        say(f"note: {note}")
    if outcome.card:
        agent = f"{outcome.card.name}@{outcome.card.version}"
        say(f'Agent {agent} is registered. Next: sera chat -a {outcome.card.name} -p "…", or: sera agents show {agent}')
    if job.rehearsing:
        say(f"{REHEARSAL} A real run: {jobs.real_run(job.asked.repo)}")


def _counts(job: Job) -> dict[str, int]:
    from sera_cli import store
    from sera_cli.types import Function, Record, Task, Trajectory

    def count(path: Path, kind: type[Record]) -> int:
        return len({record.id for record in store.scan(path, kind)})

    run = job.run
    return {
        "functions": count(run.functions, Function),
        "explored": count(run.explored, Trajectory),
        "issues": count(run.issues, Task),
        "reproduced": count(run.reproduced, Trajectory),
    }


def _recall(verdicts: list["Verdict"]) -> dict[str, Any]:
    """Mean and ten equal bins from 0 to 1, the last with 1 in it."""
    values = [verdict.recall for verdict in verdicts if verdict.recall is not None]
    bins = Counter(min(9, int(value * 10)) for value in values)
    return {
        "mean": round(sum(values) / len(values), 4) if values else None,
        "histogram": [bins[number] for number in range(10)],
    }


def _loss(trained: "Trained | None") -> dict[str, float | None]:
    return {
        "first": trained.loss_first if trained else None,
        "last": trained.loss_last if trained else None,
        "heldout_base": trained.heldout_base if trained else None,
        "heldout_agent": trained.heldout_agent if trained else None,
    }


def _spend(job: Job) -> dict[str, Any]:
    """Tokens of all attempts. A rehearsal costs nothing; a teacher whose price nobody stated is unpriced, not free."""
    usage = _usage(job)
    return {
        "usd": 0.0 if job.rehearsing else None,
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached,
        "completion_tokens": usage.completion,
    }


def _usage(job: Job) -> "Usage":
    from sera_cli import store
    from sera_cli.types import Task, Trajectory, Usage

    rollouts = chain(store.scan(job.run.explored, Trajectory), store.scan(job.run.reproduced, Trajectory))
    spent = chain((rollout.usage for rollout in rollouts), (task.usage for task in store.scan(job.run.issues, Task)))
    return sum(spent, Usage())


def _rows(job: Job, outcome: Outcome, found: dict[str, Any]) -> list[tuple[str, object, str]]:
    stages = found["stages"]
    rows: list[tuple[str, object, str]] = [
        ("functions", stages["functions"], _mined(job)),
        ("explored", stages["explored"], _explored(job)),
        ("issues", stages["issues"], "accepted patches, written up as reports"),
        ("reproduced", stages["reproduced"], "tried again from the report alone"),
        ("verified", stages["verified"], _bars(found["recall"])),
    ]
    if outcome.prepared:
        rows.append(("samples", stages["samples"], _prepared(outcome.prepared)))
    if outcome.trained:
        rows.append(("train", outcome.trained.steps, _trained(outcome.trained)))
    return rows


def _mined(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Function

    note = store.about(job.run.functions, Function) if job.run.functions.exists() else {}
    skipped = ", ".join(f"{count} {reason}" for reason, count in note.get("skipped", {}).items())
    unreadable = len(note.get("unreadable", ()))
    return f"in {note.get('files', 0)} files; left out: {skipped or 'none'}" + (
        f"; {unreadable} files not read" if unreadable else ""
    )


def _explored(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Trajectory

    exits = Counter[str]()
    for trajectory in store.read(job.run.explored, Trajectory).values():
        exits[
            "accepted"
            if trajectory.accepted
            else "self-check no"
            if trajectory.exit == "submitted"
            else trajectory.exit
        ] += 1
    return ", ".join(f"{count} {name}" for name, count in exits.most_common())


def _bars(recall: dict[str, Any]) -> str:
    bins = recall["histogram"]
    if not any(bins):
        return "no second rollout to compare"
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // max(bins))] for count in bins)
    return f"recall 0 |{bars}| 1, mean {recall['mean']:.2f}"


def _prepared(prepared: "Prepared") -> str:
    kinds = Counter(sample.origin for sample in prepared.samples if not sample.heldout)
    heldout = sum(sample.heldout for sample in prepared.samples)
    kept = ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))
    dropped = ", ".join(f"{count} {reason}" for reason, count in prepared.dropped.items() if count)
    return f"{kept}, {heldout} held out; dropped: {dropped or 'none'}"


def _trained(trained: "Trained") -> str:
    text = f"steps; loss {trained.loss_first:.2f} → {trained.loss_last:.2f}"
    if trained.heldout_base is None or trained.heldout_agent is None:
        return text
    return f"{text}; held out {trained.heldout_base:.2f} → {trained.heldout_agent:.2f}"
