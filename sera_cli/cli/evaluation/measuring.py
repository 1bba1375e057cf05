"""The end of the road with --evaluate: base, agent and teacher at the same tasks, and what the agent's card says of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.job import Job
from sera_cli.console import board, say, show, table
from sera_cli.errors import DataError, ModelError, SeraError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Report
    from sera_cli.profile import Profile
    from sera_cli.types import AgentCard, Evaluation

ASKED = "exam.jsonl"
"""In the run's folder: the soft tasks that its agent may be asked."""

TOY = 512
"""Tokens of a reply of the embedded student, which ends few of its own accord."""

TOO_FEW = "one task tells no difference"

SEEDS = 3
"""How often each task is tried where the settings do not say: what the paper advises (SERA paper, section 6)."""

Reports = Mapping[str, "Report"]
"""By who was measured: "" for the agent itself."""


def measured(job: Job, card: "AgentCard") -> "AgentCard":
    """The agent's card with what came of the benchmark, as it is in the registry from now on.

    All are asked the same in the same way, one after the other: there may be room for one at a time. Whoever was asked
    before, as the base by another agent, is not asked again. Raises SeraError where the agent cannot be asked; of the
    others, whoever cannot be is named and left out.
    """
    from sera_cli.agents import registry
    from sera_cli.config import home

    bench = bench_of(job)
    tasks = _soft(job) if bench == "soft" else None
    reports: dict[str, Report] = {}
    for who, said in _contenders(job, card, tasks).items():
        try:
            reports[who] = _evaluated(job, bench, tasks, said)
        except SeraError as error:
            if not who:
                raise
            say(f"note: {who} is not measured: {error}", prose=True)
    return registry.measured(home("data"), card, evaluations(reports))


def note(agent: str, report: "Report") -> None:
    """Writes what came of a whole benchmark into the agent's card."""
    from sera_cli.agents import registry
    from sera_cli.cli.chat import chosen
    from sera_cli.config import home

    card = registry.measured(home("data"), chosen(agent), evaluations({"": report}))
    say(f"noted in the card of {card.name}@{card.version}")


def ahead(job: Job) -> dict[str, Any]:
    """What would be measured, for a dry run. `usd` is for the teacher, writing soft tasks included; None: unknown."""
    from sera_cli.cli import money
    from sera_cli.cli.evaluation import soft
    from sera_cli.types import Usage

    bench, seeds = bench_of(job), job.config.eval.seeds or SEEDS
    there = bench == "replay" or soft.place(job).exists()
    tasks = _count(job, soft.place(job) if bench == "soft" else None) if there else soft.wanted(job)
    known, price = _learnt(job), money.price(job)
    asked = known.reproduced.used(tasks * seeds) if job.config.eval.teacher != "no" else Usage()
    writing = Usage() if there else known.explored.used(tasks) + known.issues.used(tasks)
    return {
        "bench": bench, "tasks": tasks, "seeds": seeds, "attempts": tasks * seeds,
        "usd": None if price is None else round(price.of(asked + writing), 2),
    }  # fmt: skip


def bench_of(job: Job) -> str:
    """The benchmark that `eval.bench` means."""
    from sera_cli.cli.evaluation.soft import place

    said = job.config.eval.bench
    return said if said != "auto" else "replay" if place(job).with_name("replay.jsonl").exists() else "soft"


def evaluations(reports: Reports) -> "tuple[Evaluation, ...]":
    """What a card says of them: the agent's first, the others with how the agent does beside them."""
    from sera_cli.evaluate.stats.paired import paired
    from sera_cli.evaluate.stats.scores import scores
    from sera_cli.types import Evaluation

    rows = {who: scores(_results(report)) for who, report in reports.items()}
    found = []
    for who, report in reports.items():
        if not rows[who]:
            mend = "mend what the report tells, then --retry-failed"
            broke = f"nothing of {report.model} on {report.bench} counts; {mend}"
            if not who:
                raise ModelError(broke)
            say(f"note: {broke}", prose=True)
            continue
        told, beside = report.summary, paired(rows[who], rows[""]) if who else None
        found.append(Evaluation(
            who=who, bench=report.bench, score=report.score, tasks=told["tasks"], seeds=len(report.seeds),
            mean=told["mean"], low=told["interval"]["low"], high=told["interval"]["high"], sd=told["sd"],
            verdict=beside.verdict if beside else TOO_FEW if who else "", digest=report.digest,
        ))  # fmt: skip
    return tuple(found)


def screen(card: "AgentCard", bench: str) -> None:
    """What was measured on a benchmark, as a table."""
    from sera_cli.evaluate.soft import PROXY

    found = [one for one in card.evaluations if one.bench == bench]
    if not found:
        return
    first, agent = found[0], f"{card.name}@{card.version}"
    rows = [
        (one.who or agent, f"{100 * one.mean:.1f} %", f"{100 * one.low:.1f} to {100 * one.high:.1f} %",
         "" if one.sd is None else f"{100 * one.sd:.1f} %", one.verdict)
        for one in found
    ]  # fmt: skip
    show(f"{bench}, {counted(first.tasks, 'task')}, {counted(first.seeds, 'seed')}")
    score = "mean recall" if first.score == "recall" else first.score
    show(table(("model", score, "95 % over tasks", "sd", f"{agent} beside it"), rows, right=(score, "sd")))
    if first.score == "recall":
        say(PROXY, prose=True)


def _soft(job: Job) -> Path:
    """The file with the project's soft tasks, written now where there are none, but for what the agent was taught."""
    from sera_cli.cli.evaluation import soft
    from sera_cli.evaluate.soft import unseen, write

    with board() as shown:
        exam = soft.exam(job, shown, charged=job)
    say(soft.told(exam), prose=True)
    asked = unseen(exam, soft.seen([job.run]))
    if left := len(exam.tasks) - len(asked.tasks):
        say(f"note: {left} are left out: rollouts of this run began at them, or made the same change", prose=True)
    if not asked.tasks:
        raise DataError("the agent was taught about all of these tasks; remove them to have others written",
                        soft.place(job))
    write(job.run.folder / ASKED, asked)
    return job.run.folder / ASKED


def _contenders(job: Job, card: "AgentCard", tasks: Path | None) -> dict[str, dict[str, str]]:
    """Whom to ask, as `sera eval` is told it."""
    from sera_cli.agents.serving.stand import base_name

    agent = f"{card.name}@{card.version}"
    found = {"": {"agent": agent}, f"base {base_name(card.base)}": {"model": f"base:{agent}"}}
    return found | ({f"teacher {job.teacher}": {"model": job.teacher}} if _affordable(job, tasks) else {})


def _affordable(job: Job, tasks: Path | None) -> bool:
    """Whether the teacher is to be measured too. Says why not."""
    from sera_cli.cli import money

    price, wanted = money.price(job), job.config.eval
    if wanted.teacher != "auto":
        return wanted.teacher == "yes"
    if price is None:
        say(f"note: nobody has said what {job.teacher} costs, so it is not measured; see eval.teacher", prose=True)
        return False
    usd = price.of(_learnt(job).reproduced.used((wanted.seeds or SEEDS) * _count(job, tasks)))
    if usd <= (left := _left(job)):
        return True
    say(f"note: {job.teacher} is not measured: that is about ${usd:.2f}, and ${left:.2f} are left; see eval.teacher",
        prose=True)
    return False


def _learnt(job: Job) -> "Profile":
    """What a rollout of the teacher takes, as far as anybody knows."""
    from sera_cli import profile
    from sera_cli.cli.forecast import learnt

    return learnt(job, profile.of(job.run))[0]


def _count(job: Job, tasks: Path | None) -> int:
    """How many tasks there are in a file of soft ones, else in replay."""
    from sera_cli.cli.evaluation.soft import place
    from sera_cli.cli.runs import count

    there = count(tasks) if tasks else count(place(job).with_name("replay.jsonl")) + 1  # that has no header
    return min(there, job.config.eval.limit or there)


def _left(job: Job) -> float:
    """Dollars that the run may still spend."""
    from math import inf

    from sera_cli.cli import money

    return max(0.0, job.config.cost.max - money.spent(job.run).all.usd) if job.config.cost.max else inf


def _evaluated(job: Job, bench: str, tasks: Path | None, who: dict[str, str]) -> "Report":
    """What is known of one of them, asked as `sera eval` asks, in a folder of `.sera/evals` that goes on where it was
    stopped: its report tells of what was asked before, too.
    """
    from sera_cli.cli.evaluate import Wanted
    from sera_cli.cli.evaluation import evaluating, sitting
    from sera_cli.evaluate.report import read

    wanted = Wanted(
        job.asked.repo, _flags(job), bench=bench, dataset=tasks, seeds=job.config.eval.seeds or SEEDS,
        retry_failed=job.asked.retry_failed, agent=who.get("agent", ""), model=who.get("model", ""),
        beside="agent" not in who,
    )  # fmt: skip
    exam, _ = (sitting.evaluate if bench == "soft" else evaluating.evaluate)(wanted)
    return read(exam.job.run.folder)


def _flags(job: Job) -> dict[str, Any]:
    """What was said of this command, and the dollars that it leaves to an evaluation."""
    left = {"cost.max": max(0.01, round(_left(job), 2))} if job.config.cost.max else {}
    toy = {"teacher.max_tokens": TOY} if job.student == "rehearsal" else {}
    return job.asked.flags | left | toy


def _results(report: "Report") -> dict[str, Any]:
    return {
        name: {str(seed): one.model_dump(mode="json") for seed, one in by_seed.items()}
        for name, by_seed in report.results.items()
    }  # fmt: skip
