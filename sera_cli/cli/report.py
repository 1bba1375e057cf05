"""What came of a run: read off its files, as the one JSON document and as the screen a person sees at the end."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sera_cli.cli import curve, money, stages
from sera_cli.cli import job as jobs
from sera_cli.cli.evaluation import measuring
from sera_cli.cli.job import Job
from sera_cli.cli.mine import by_reason, summary
from sera_cli.console import say, show, table
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.data.prepare import Prepared
    from sera_cli.svg.pipeline import Goal, Tally
    from sera_cli.train.sft import Trained
    from sera_cli.types import AgentCard

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
    """The document of `--json`. `recall` and `loss` are null where there is nothing to tell. `heldout` are
    the losses on what was held out, of the base, after epochs and of the agent.

    `dropped` counts what did not become a sample, by `origin: reason`.
    """
    from sera_cli import store
    from sera_cli.redact.files import counted as redacted
    from sera_cli.svg.fates import order_of, survey
    from sera_cli.types import Sample

    found = survey(job.run, order_of(job.run), job.config.verify.threshold)
    held = curve.metrics(job.run).heldout if outcome.trained else ()
    samples = [sample.tokens for sample in store.scan(job.run.samples, Sample)]
    return {
        "run": str(job.run.folder),
        "stages": {"functions": sum(1 for _ in stages.functions(job)), **found.records, "samples": len(samples)},
        "mined": summary(job),
        "fates": found.fates,
        "recall": _recall(found.recalls),
        "tokens": sum(samples),
        "dropped": store.about(job.run.samples, Sample).get("dropped", {}) if job.run.samples.exists() else {},
        "loss": _loss(outcome.trained),
        "heldout": [{"step": row.get("step"), "loss": row["loss"], "of": row["heldout"]} for row in held],
        "agent": f"{outcome.card.name}@{outcome.card.version}" if outcome.card else None,
        "spend": money.told(job, found.usage),
        "redacted": redacted((job.run.functions, job.run.explored, job.run.issues, job.run.reproduced)),
        "seconds": job.seconds,
    }


def screen(job: Job, outcome: Outcome, found: dict[str, Any]) -> None:
    """What was mined, tried, kept and dropped, and why."""
    show(table(("stage", "records", "what came of it"), _rows(job, outcome, found)))
    if found["redacted"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found["redacted"].items())
        say(f"Secrets that no model saw: {kinds}.", prose=True)


def close(job: Job, outcome: Outcome) -> None:
    """What a person should know at the end, whatever was printed: why it stopped, what was noted, what to type next."""
    if outcome.tally:
        say(stopped(outcome.tally, stages.goal(job)), prose=True)
    for note in outcome.prepared.notes if outcome.prepared else ():
        say(f"note: {note}", prose=True)
    if outcome.trained:
        curve.tell(job.run)
    if outcome.card and job.config.eval.after and not job.asked.json:
        measuring.screen(outcome.card, measuring.bench_of(job))
    if outcome.card:
        agent = f"{outcome.card.name}@{outcome.card.version}"
        say(f"Agent {agent} is registered. Next:")
        say(f'    sera agents show {agent}\n    sera chat {jobs.named(job.asked.repo)} -a {outcome.card.name} -p "…"')
    if job.rehearsing and outcome != Outcome():
        say(jobs.real_run(job))
        say(REHEARSAL, prose=True)


def stopped(tally: "Tally", goal: "Goal") -> str:
    """Why generation ended: there is enough, or there are no more functions, each asked about as often as may be."""
    have = f"{tally.first:,} first and {counted(tally.second, 'second rollout')} may teach"
    if tally.reaches(goal):
        left = counted(tally.left, "function was", "functions were")
        return f"Generation stopped because there is enough: {have}; {left} not needed."
    wanted = f"{goal.first:,} and {goal.second:,} were wanted"
    often = f", each asked about {tally.used // tally.functions} times" if tally.used > tally.functions else ""
    every = "the only function is" if tally.functions == 1 else f"all {tally.functions:,} functions are"
    return f"Generation stopped because {every} used up{often}: {have}, {wanted}."


def _recall(recalls: Iterable[float | None]) -> dict[str, Any]:
    """Mean and ten equal bins from 0 to 1, the last with 1 in it."""
    values = [recall for recall in recalls if recall is not None]
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


def _rows(job: Job, outcome: Outcome, found: dict[str, Any]) -> list[tuple[str, object, str]]:
    counts, run = found["stages"], job.run
    rows: list[tuple[str, object, str]] = [("functions", counts["functions"], _mined(job))]
    if run.explored.exists():
        rows += [
            ("explored", counts["explored"], _begun(found["fates"]["first"])),
            ("issues", counts["issues"], _written(found["fates"]["second"])),
            ("reproduced", counts["reproduced"], f"tried again from the report: {_listed(found['fates']['second'])}"),
            ("verified", counts["verified"], _bars(found["recall"])),
        ]
    if outcome.prepared:
        rows.append(("samples", counts["samples"], _prepared(outcome.prepared)))
    if outcome.trained:
        rows.append(("train", outcome.trained.steps, _trained(found)))
    return rows


def _mined(job: Job) -> str:
    from sera_cli import store
    from sera_cli.types import Function

    note = store.about(job.run.functions, Function)
    heldout = sum(function.heldout for function in store.scan(job.run.functions, Function))
    unread = by_reason(note.get("unreadable", ()))
    parts = [f"in {counted(note.get('files', 0), 'file')}; {heldout} kept back for evaluation"]
    parts += [f"left out: {_listed(note['skipped'])}"] if note.get("skipped") else []
    parts += [f"not read: {_listed(unread)}"] if unread else []
    parts += [f"no grammar installed: {_listed(note['missing'])}"] if note.get("missing") else []
    return "; ".join(parts)


def _begun(fates: Mapping[str, int]) -> str:
    """How many first rollouts there were, which may be more than records: one that failed is tried again."""
    return f"{counted(sum(fates.values()), 'first rollout')}: {_listed(fates)}"


def _written(fates: Mapping[str, int]) -> str:
    from sera_cli.svg.fates import NO_ISSUE

    broken = fates.get(NO_ISSUE, 0)
    return "accepted patches, written up as reports" + (f"; {broken} could not be written" if broken else "")


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
    """`{"second: empty patch": 1}` as words, by origin, without those that were only not needed."""
    from sera_cli.data.filters import SPARE

    reasons: dict[str, list[str]] = {}
    for name, count in counts.items():
        origin, _, reason = name.partition(": ")
        if reason != SPARE:
            reasons.setdefault(origin, []).append(f"{count} {reason}")
    return ", ".join(f"{origin} ({', '.join(said)})" for origin, said in reasons.items()) or "none"


def _trained(found: dict[str, Any]) -> str:
    held, loss = " → ".join(f"{one['loss']:.2f}" for one in found["heldout"]), found["loss"]
    return f"steps; loss {loss['first']:.2f} → {loss['last']:.2f}" + (f"; held out {held}" if held else "")
