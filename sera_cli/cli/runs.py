"""`sera runs`: the run folders of a project, what is in them, and how to be rid of one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.options import InProject, Json, Yes
from sera_cli.console import document, say, show, table
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.runs import Run

app = typer.Typer(help="The runs of a project.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the run.", metavar="RUN")]
STAGES = ("functions", "explored", "issues", "reproduced", "verdicts", "samples")


@app.command(name="list")
def list_runs(project: InProject = Path(), *, json: Json = False) -> None:
    """All runs, the newest first, with the records of each stage."""
    found = sorted(runs(project), key=lambda run: run.folder.stat().st_mtime, reverse=True)
    if json:
        document([about(run) for run in found])
    elif not found:
        say("no runs here yet; begin one with: sera specialize REPO")
    else:
        rows = [(run.name, *records(run).values(), "yes" if run.adapter.is_dir() else "no") for run in found]
        show(table(("run", *STAGES, "adapter"), rows))


@app.command(name="show")
def show_run(name: Name, project: InProject = Path(), *, json: Json = False) -> None:
    """One run: its folder, the records of each stage, and the settings it was begun with."""
    from sera_cli.runs import settled

    run = find(name, project)
    if json:
        document(about(run) | {"settings": settled(run), "report": report(run)})
        return
    show(str(run.folder))
    show(table(("stage", "records"), records(run).items()))
    show(table(("what came of it", ""), came_of(report(run) or {})))
    rows = [(stage, key, value) for stage, keys in settled(run).items() for key, value in keys.items()]
    show(table(("stage", "setting", "value"), [(stage, key, _brief(value)) for stage, key, value in rows]))


@app.command()
def rm(name: Name, project: InProject = Path(), *, yes: Yes = False) -> None:
    """Delete a run and all that was generated in it. A registered agent keeps its own copy."""
    from shutil import rmtree

    from sera_cli.runs import held

    run = find(name, project)
    if not yes:
        typer.confirm(f"Delete {run.folder} with {sum(records(run).values())} records?", abort=True, err=True)
    with held(run):
        rmtree(run.folder)
    say(f"deleted {run.folder}")


def runs(project: Path) -> list["Run"]:
    from sera_cli.config import project as root_of
    from sera_cli.runs import Run

    home = root_of(project) / ".sera" / "runs"
    return [Run(folder=folder) for folder in sorted(home.iterdir()) if folder.is_dir()] if home.is_dir() else []


def find(name: str, project: Path) -> "Run":
    """The run of that name. Raises ConfigError naming the nearest one."""
    from difflib import get_close_matches

    known = {run.name: run for run in runs(project)}
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1, cutoff=0.0)
    raise ConfigError(f"no run {name!r} here; " + (f"the nearest is {close[0]}" if close else "there are none yet"))


def records(run: "Run") -> dict[str, int]:
    """How many records each stage's file holds, repeated attempts counted."""
    return {stage: count(getattr(run, stage)) for stage in STAGES}


def count(path: Path) -> int:
    """Whole lines below the header."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return max(0, sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b"")) - 1)


def about(run: "Run") -> dict[str, Any]:
    return {"name": run.name, "path": str(run.folder), "stages": records(run), "adapter": run.adapter.is_dir()}


def report(run: "Run") -> Any:
    """What the run said of itself when it ended, None before that."""
    import json

    return json.loads(run.report.read_bytes()) if run.report.exists() else None


def came_of(told: dict[str, Any]) -> list[tuple[str, str]]:
    """A run's report in a few lines; those that it has nothing for are left out."""
    loss = {name.replace("_", " "): value for name, value in told.get("loss", {}).items() if value is not None}
    lines = {
        "mean recall": told.get("recall", {}).get("mean"),
        "loss": ", ".join(f"{name} {value:.3f}" for name, value in loss.items()),
        "agent": told.get("agent"),
        "seconds": ", ".join(f"{stage} {value:.0f}" for stage, value in told.get("seconds", {}).items()),
    }
    return [(name, str(value)) for name, value in lines.items() if value not in (None, "")]


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
