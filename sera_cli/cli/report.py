"""What came of a run: read off its files, as the one JSON document and as the screen a person sees at the end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli import job as jobs
from sera_cli.cli import stages
from sera_cli.cli.job import Job
from sera_cli.console import say, show, table

if TYPE_CHECKING:
    from sera_cli.data.prepare import Prepared
    from sera_cli.svg.pipeline import Goal, Tally
    from sera_cli.train.sft import Trained
    from sera_cli.types import AgentCard, Exit, Trajectory, Usage, Verdict

REHEARSAL = "A rehearsal: no language model is asked, and the agent will be a toy that proves the road."
BARS = " ▁▂▃▄▅▆▇█"
ENDS: dict["Exit", str] = {
    "limit": "out of steps", "format": "malformed again and again", "context": "out of context",
    "deadline": "out of time", "error": "broken",
}  # fmt: skip


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
    """What was mined, tried, kept and dropped, and why."""
    show(table(("stage", "records", "what came of it"), _rows(job, outcome, found)))


def close(job: Job, outcome: Outcome) -> None:
    """What a person should know at the end, whatever was printed: why it stopped, what was noted, what to type next."""
    if outcome.tally:
        say(stopped(outcome.tally, stages.goal(job)), prose=True)
    for note in outcome.prepared.notes if outcome.prepared else ():
        say(f"note: {note}", prose=True)
    if outcome.card:
        agent = f"{outcome.card.name}@{outcome.card.version}"
        say(f"Agent {agent} is registered. Next:")
        say(f'    sera agents show {agent}\n    sera chat {jobs.named(job.asked.repo)} -a {outcome.card.name} -p "…"')
    if job.rehearsing:
        say(jobs.real_run(job.asked.repo))
        say(REHEARSAL, prose=True)


def stopped(tally: "Tally", goal: "Goal") -> str:
    """Why generation ended: there is enough, or there are no more functions."""
    have = f"{tally.first} first and {tally.second} second rollouts may teach"
    if tally.reaches(goal):
        return f"Generation stopped because there is enough: {have}; {tally.left} functions were not needed."
    wanted = f"{goal.first} and {goal.second} were wanted"
    return f"Generation stopped because all {tally.used} functions are used up: {have}, {wanted}."


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
    counts, run = found["stages"], job.run
    rows: list[tuple[str, object, str]] = [("functions", counts["functions"], _mined(job))]
    if run.explored.exists():
        rows += [
            ("explored", counts["explored"], _explored(job, outcome.tally)),
            ("issues", counts["issues"], _written(job)),
            ("reproduced", counts["reproduced"], _reproduced(job)),
            ("verified", counts["verified"], _bars(found["recall"])),
        ]
    if outcome.prepared:
        rows.append(("samples", counts["samples"], _prepared(outcome.prepared)))
    if outcome.trained:
        rows.append(("train", outcome.trained.steps, _trained(outcome.trained)))
    return rows


def _mined(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Function

    note = store.about(job.run.functions, Function)
    heldout = sum(function.heldout for function in store.scan(job.run.functions, Function))
    unread = Counter(reason for _, reason in note.get("unreadable", ()))
    parts = [f"in {note.get('files', 0)} files; {heldout} kept back for evaluation"]
    parts += [f"left out: {_listed(note['skipped'])}"] if note.get("skipped") else []
    parts += [f"not read: {_listed(unread)}"] if unread else []
    return "; ".join(parts)


def _explored(job: Job, tally: "Tally | None") -> str:
    from sera_cli import store
    from sera_cli.types import Trajectory

    ends = Counter[str]()
    for rollout in store.read(job.run.explored, Trajectory).values():
        ends["accepted" if rollout.accepted else _end(rollout)] += 1
    same = tally.duplicates if tally else 0
    return _listed(dict(ends.most_common())) + (f"; {same} with a patch seen before" if same else "")


def _written(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Task

    broken = sum(task.failed for task in store.read(job.run.issues, Task).values())
    return "accepted patches, written up as reports" + (f"; {broken} could not be written" if broken else "")


def _reproduced(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Trajectory

    ends = Counter(_end(rollout) for rollout in store.read(job.run.reproduced, Trajectory).values())
    return f"tried again from the report alone: {_listed(dict(ends.most_common()))}"


def _end(rollout: "Trajectory") -> str:
    """How a rollout ended, in words."""
    if rollout.exit != "submitted":
        return ENDS[rollout.exit]
    if not rollout.patch.strip():
        return "without a patch"
    return "judged wrong by the teacher" if rollout.check is False else "submitted"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none"


def _bars(recall: dict[str, Any]) -> str:
    bins = recall["histogram"]
    if not any(bins):
        return "no second rollout to compare"
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // max(bins))] for count in bins)
    return f"recall 0 |{bars}| 1, mean {recall['mean']:.2f}"


def _prepared(prepared: "Prepared") -> str:
    kinds = Counter(sample.origin for sample in prepared.samples if not sample.heldout)
    heldout = sum(sample.heldout for sample in prepared.samples)
    kept = _listed(dict(sorted(kinds.items())))
    spare = f"; {prepared.unneeded} more were not needed" if prepared.unneeded else ""
    return f"{kept}, {heldout} held out{spare}; dropped: {_dropped(prepared.dropped)}"


def _dropped(counts: Mapping[str, int]) -> str:
    """`{"second: empty patch": 1}` as words, by origin."""
    reasons: dict[str, list[str]] = {}
    for name, count in counts.items():
        origin, _, reason = name.partition(": ")
        reasons.setdefault(origin, []).append(f"{count} {reason}")
    return ", ".join(f"{origin} ({', '.join(said)})" for origin, said in reasons.items()) or "none"


def _trained(trained: "Trained") -> str:
    text = f"steps; loss {trained.loss_first:.2f} → {trained.loss_last:.2f}"
    if trained.heldout_base is None or trained.heldout_agent is None:
        return text
    return f"{text}; held out {trained.heldout_base:.2f} → {trained.heldout_agent:.2f}"
