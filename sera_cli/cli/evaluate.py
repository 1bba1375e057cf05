"""`sera eval`: an agent, a model or patches on a benchmark, graded by the benchmark's own tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.options import InProject, Json
from sera_cli.console import document, say, show, table
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Report

REASONS = 20
"""Lines of reasons that the screen has room for; the report has them all."""


@dataclass(frozen=True)
class Wanted:
    """What the command line said. `flags` maps `section.key` to a value, None where it said nothing; so are `seeds`,
    `limit` and `venv`, which the settings say then.
    """

    project: Path
    flags: dict[str, Any]
    bench: str = ""
    agent: str = ""
    model: str = ""
    predictions: str = ""
    dataset: Path | None = None
    repos: Path | None = None
    environment: str = "auto"
    venv: Path | None = None
    namespace: str = ""
    seeds: int | None = None
    limit: int | None = None
    instances: str = ""
    context: int = 0
    test_seconds: float = 1800.0
    any_python: bool = False
    run: str = ""
    retry_failed: bool = False
    submission: Path | None = None
    beside: bool = False
    """Another was measured before, by the same command."""


def evaluate(
    project: InProject = Path(), *,
    bench: Annotated[
        str, typer.Option(help="swe-verified, swe-lite, replay, soft, or a .jsonl or .parquet file.", metavar="BENCH")
    ] = "",
    agent: Annotated[str, typer.Option(help="An agent, NAME or NAME@VERSION.", metavar="AGENT")] = "",
    model: Annotated[
        str, typer.Option(help="rehearsal, openai:, anthropic: or vllm:MODEL, or base:AGENT, what that was made of.",
                          metavar="MODEL"),
    ] = "",
    predictions: Annotated[
        str, typer.Option(help="Grade these patches only: a .jsonl or .json, or gold or empty.", metavar="FILE")] = "",
    dataset: Annotated[
        Path | None, typer.Option(help="Its rows, .jsonl or .parquet, instead of the hub's.", metavar="FILE")
    ] = None,
    repos: Annotated[
        Path | None, typer.Option(help="Clones of the repositories, with their histories.", metavar="DIR")] = None,
    environment: Annotated[
        str, typer.Option(help="auto, venv, docker or local: as it is on this machine.", metavar="ENVIRONMENT")
    ] = "auto",
    venv: Annotated[
        Path | None, typer.Option(help="A Python environment that has what the tests need.", metavar="DIR")] = None,
    image_namespace: Annotated[
        str, typer.Option(help="Where images come from, such as REGISTRY/NAME.", show_default="swebench")] = "",
    any_python: Annotated[
        bool, typer.Option("--any-python", help="Take the nearest Python where the one asked for is not here.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="How often each instance is tried.", min=1, show_default="eval.seeds, or 1")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="The first so many instances; 0: all.", min=0, show_default="eval.limit")] = None,
    instances: Annotated[str, typer.Option(help="Only ids like this, such as 'django__*'.", metavar="GLOB")] = "",
    context: Annotated[int, typer.Option(help="The most tokens of a conversation; 0: the model's own.", min=0)] = 0,
    steps: Annotated[
        int | None, typer.Option(
            help="The most steps of one rollout.", min=1, show_default="eval.steps, or rollout.steps")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.", min=0, max=2)] = None,
    test_seconds: Annotated[float, typer.Option(help="How long the tests of one instance may run.", min=1)] = 1800.0,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Instances at the same time.", min=1)] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop at so many dollars of API calls, keeping all.", metavar="USD")] = None,
    allow_unpriced: Annotated[
        bool | None, typer.Option("--allow-unpriced", help="Go on though the model's price is unknown.")] = None,
    url: Annotated[str | None, typer.Option(help="Base URL of the model's server.", metavar="URL")] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Refuse every connection but those to the model.")] = None,
    run: Annotated[str, typer.Option(help="Name of the evaluation.", show_default="from what decides it")] = "",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do again what had no environment, and what broke.")] = False,
    submission: Annotated[
        Path | None, typer.Option(help="Also write a folder for SWE-bench's leaderboard.", metavar="DIR")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    json: Json = False,
) -> None:
    """Measure an agent, a model or patches on a benchmark, graded by the benchmark's own tests.

    An instance counts only where its own fix resolves it here, and no patch does not. Goes on where it was stopped;
    more --seeds or --instances go on too. Exits with 1 where nothing could be graded.
    """
    from sera_cli.cli.evaluation import evaluating, foretelling, measuring, sitting
    from sera_cli.evaluate import report as reports

    flags = {
        "teacher.url": url, "rollout.jobs": jobs, "eval.steps": steps,
        "eval.temperature": temperature, "cost.max": max_cost, "cost.allow_unpriced": allow_unpriced,
        "privacy.offline": offline,
    }  # fmt: skip
    wanted = Wanted(
        project, flags, bench=bench, agent=agent, model=model, predictions=predictions, dataset=dataset, repos=repos,
        environment=environment, venv=venv, namespace=image_namespace, seeds=seeds, limit=limit, instances=instances,
        context=context, test_seconds=test_seconds, any_python=any_python, run=run, retry_failed=retry_failed,
        submission=submission,
    )  # fmt: skip
    if dry_run:
        return _foretold(foretelling.ahead(wanted), as_json=json)
    way = sitting if bench == "soft" else evaluating
    exam, report = way.evaluate(wanted)
    folder = exam.job.run.folder
    document(answer(report, folder)) if json else screen(report, folder)
    if reason := way.futile(report):
        say(f"error: {reason}", prose=True)
        raise typer.Exit(1)
    if agent and exam.entire:
        measuring.note(agent, reports.read(folder))
    return None


def answer(report: "Report", folder: Path) -> dict[str, Any]:
    """What --json prints: the totals, each seed's by itself, the score with its interval, and why attempts do not
    count; `report` is the file, which tells of the whole run.
    """
    from sera_cli.evaluate.report import NAME, totals

    told, summary = report.totals, report.summary
    alone = {str(seed): totals(report.results, [seed]) for seed in report.seeds}
    return {
        **told, "seeds": alone, "score": summary.get("mean"),
        "interval": summary.get("interval"), "report": str(folder / NAME),
        "reasons": {"unvalidated": report.unvalidated, "infra": reasons_of(report, "infra")},
    }  # fmt: skip


def screen(report: "Report", folder: Path) -> None:
    """The score with its error bars, what was counted and what was not, and why."""
    totals, summary = report.totals, report.summary
    seeds = f", {len(report.seeds)} seeds" if len(report.seeds) > 1 else ""
    show(f"{report.model} on {report.bench}: {counted(len(report.results), 'instance')}{seeds}")
    resolving = report.score == "resolved"
    counts = ("resolved", "unresolved", "infra", "unvalidated", "total") if resolving else ("scored", "infra", "total")
    show(table(counts, [[totals[key] for key in counts]]))
    if summary.get("mean") is not None:
        for line in scored(summary, "resolved" if resolving else "mean recall"):
            show(line)
    if not resolving:
        say(totals["note"], prose=True)
    for title, reasons in (("not resolved", reasons_of(report, "unresolved")),
                           ("not counted: no environment that its own fix passes in", report.unvalidated),
                           ("not counted: broke, see --retry-failed", reasons_of(report, "infra"))):
        if reasons:
            rows = list(reasons.items())
            show(table(("instance", title), rows[:REASONS]))
            if len(rows) > REASONS:
                show(f"and {len(rows) - REASONS} more, in the report")
    show(spent(report))
    show(str(folder / "report.json"))


def scored(summary: dict[str, Any], what: str = "resolved") -> list[str]:
    """`resolved 46.2 %, 95 % interval over tasks 31.6 to 61.4 %`, and in a line below what several seeds tell."""
    first = f"{what} {100 * summary['mean']:.1f} %"
    if interval := summary.get("interval"):
        low, high = 100 * interval["low"], 100 * interval["high"]
        first += f", {100 * interval['level']:.0f} % interval over tasks {low:.1f} to {high:.1f} %"
    more = [] if summary.get("sd") is None else [f"sd over seeds {100 * summary['sd']:.1f} %"]
    more += [f"pass@{k} {100 * share:.1f} %" for k, share in summary.get("pass_at", {}).items()
             if k != "1" and share is not None]
    return [first, *filter(None, [", ".join(more)])]


def reasons_of(report: "Report", verdict: str) -> dict[str, str]:
    """Why attempts came to a verdict, by instance; of several seeds the last says it."""
    return {
        name: one.reason for name, by_seed in report.results.items() for one in by_seed.values()
        if one.verdict == verdict
    }  # fmt: skip


def spent(report: "Report") -> str:
    """Steps, tokens and dollars of all attempts, and how rollouts ended; nothing of patches that others made."""
    from collections import Counter

    from sera_cli.harness.money.spend import short

    found = [one for by_seed in report.results.values() for one in by_seed.values() if one.exit]
    if not found:
        return "no rollouts: patches were graded"
    tokens = sum(one.tokens.prompt + one.tokens.completion for one in found)
    exits = ", ".join(f"{count} {exit_}" for exit_, count in Counter(one.exit for one in found).most_common())
    dollars = [one.dollars for one in found]
    cost = "cost unknown" if None in dollars else f"${sum(filter(None, dollars)):,.2f}"
    steps = sum(one.steps for one in found) / len(found)
    return f"{steps:.1f} steps a rollout, {short(tokens)} tokens, {cost}; {exits}"


def _foretold(plan: dict[str, Any], *, as_json: bool) -> None:
    from sera_cli.cli.evaluation.foretelling import lines

    if as_json:
        return document({"dry_run": True, **plan})
    for name, value in lines(plan):
        say(f"{name:12} {value}")
    say("Nothing was done. Leave out --dry-run to begin.")
    return None
