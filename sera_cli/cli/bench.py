"""`sera bench build`: a benchmark out of a repository's own past."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.options import Json
from sera_cli.console import document, say, show, table

if TYPE_CHECKING:
    from sera_cli.cli.evaluation.building import Built

app = typer.Typer(help="Benchmarks of one's own.", no_args_is_help=True)

SHOWN = 20
"""Changes named on the screen that almost became tasks; `--json` has them all."""


@dataclass(frozen=True)
class Wanted:
    """What the command line said. `flags` maps `section.key` to a value, None where it said nothing."""

    repo: Path
    flags: dict[str, Any]
    at: str = "HEAD"
    since: str = ""
    agent: str = ""
    last: int = 0
    limit: int = 0
    issues: Path | None = None
    venv: Path | None = None
    runner: str = ""
    name: str = ""
    runs: int = 3
    seconds: float = 600.0
    out: Path | None = None
    run: str = ""
    retry_failed: bool = False
    json: bool = False


@app.command()
def build(
    repo: Annotated[Path, typer.Argument(help="A git repository on this machine.", metavar="REPO")],
    *,
    since: Annotated[str, typer.Option(help="Only changes that are not part of this commit.", metavar="REV")] = "",
    agent: Annotated[
        str, typer.Option(
            help="Only changes that this agent's commit lacks.", metavar="NAME[@VERSION]",
            show_default="the newest agent of the repository")
    ] = "",
    last: Annotated[
        int, typer.Option(help="Look at so many commits.", min=0, show_default="all since; else 200")] = 0,
    at: Annotated[str, typer.Option(help="The newest commit to look at.", metavar="REV")] = "HEAD",
    limit: Annotated[int, typer.Option(help="Stop at so many tasks; 0: try all.", min=0)] = 0,
    issues: Annotated[
        Path | None, typer.Option(help="Issues that commits refer to: .jsonl, as GitHub's API gives them.",
                                  metavar="FILE")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Who writes statements: openai:, anthropic: or vllm:MODEL.", metavar="TEACHER")
    ] = None,
    teacher_url: Annotated[
        str | None, typer.Option(help="Base URL of the teacher's server, or several.", metavar="URL")] = None,
    runner: Annotated[
        str, typer.Option(help="django, pytest, unittest, jest, vitest, node, go or cargo.",
                          show_default="found out")
    ] = "",
    venv: Annotated[
        Path | None, typer.Option(help="A Python environment that has what the tests need.", metavar="DIR")] = None,
    setup: Annotated[
        str | None, typer.Option(help="Shell command that installs what the tests need.", metavar="COMMAND")] = None,
    network: Annotated[
        bool | None, typer.Option(
            "--network", help="Build environments by network: names of dependencies leave this machine.")
    ] = None,
    runs: Annotated[int, typer.Option(help="How often tests run before and after a change.", min=1)] = 3,
    test_seconds: Annotated[float, typer.Option(help="How long the tests of one change may run.", min=1)] = 600.0,
    name: Annotated[
        str, typer.Option(help="What tasks call the repository.", metavar="OWNER/NAME",
                          show_default="as its origin does")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Where the tasks go.", metavar="FILE", show_default=".sera/bench/replay.jsonl")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Changes tried at the same time.", min=1)] = None,
    sandbox: Annotated[
        str | None, typer.Option(help="auto, bubblewrap, docker or folder.", metavar="SANDBOX")] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop at so many dollars of API calls, keeping all.", metavar="USD")] = None,
    allow_unpriced: Annotated[
        bool | None, typer.Option("--allow-unpriced", help="Go on though the teacher's price is unknown.")] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Refuse every connection but those to the teacher.")] = None,
    run: Annotated[str, typer.Option(help="Name of the build.", show_default="from what decides it")] = "",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do again what had failed.")] = False,
    json: Json = False,
) -> None:
    """Make a benchmark from changes that the repository's people made: replay.

    A task is a change that brings code and tests. Its tests are run before and after it; they are held back, and its
    statement is the issue it closes, what its author wrote, or what a teacher writes. Goes on where it was stopped.
    """
    from sera_cli.cli.evaluation import building

    flags = {
        "teacher.model": teacher, "teacher.url": teacher_url, "rollout.jobs": jobs, "rollout.sandbox": sandbox,
        "env.setup": setup, "env.network": network, "cost.max": max_cost, "cost.allow_unpriced": allow_unpriced,
        "privacy.offline": offline,
    }  # fmt: skip
    wanted = Wanted(
        repo, flags, at=at, since=since, agent=agent, last=last, limit=limit, issues=issues, venv=venv, runner=runner,
        name=name, runs=runs, seconds=test_seconds, out=out, run=run, retry_failed=retry_failed, json=json,
    )  # fmt: skip
    made = building.build(wanted)
    document(made.document()) if json else screen(made)
    if made.kept:
        say(f"note: other tasks were in {made.out.name}; they are kept in {made.kept}", prose=True)
    if not made.tasks:
        say("error: no change became a task; the table says why", prose=True)
        raise typer.Exit(1)


def screen(made: "Built") -> None:
    """What became of the changes, the closest misses by name, and where the tasks are."""
    show(table(("changes", f"of {made.changes:,} in {made.repo}"), [
        *((count, reason) for reason, count in made.reasons().items()), (made.tasks, "became tasks")]))
    if made.tried_and_dropped:
        rows = [(one.commit[:10], one.reason, one.detail) for one in made.tried_and_dropped[:SHOWN]]
        show("")
        show(table(("commit", "tried and dropped", "what was seen"), rows))
        if len(made.tried_and_dropped) > SHOWN:
            show(f"and {len(made.tried_and_dropped) - SHOWN} more; --json names them all")
    show("")
    show(f"{made.summary()}")
    if made.tasks:
        show(str(made.out))
        say(f"Evaluate on it: {made.command()}")
