"""`sera runs`: the run folders of a project, what is in them and what became of it, and how to be rid of one."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.curve import lines, progress
from sera_cli.cli.options import InProject, Json, Yes
from sera_cli.cli.tail import STAGES, tail
from sera_cli.console import document, out, say, show, table
from sera_cli.errors import ConfigError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.runs import Run

app = typer.Typer(help="The runs of a project.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the run.", metavar="RUN")]


@app.command(name="list")
def list_runs(project: InProject = Path(), *, json: Json = False) -> None:
    """All runs, the newest first: their state and age, the records of each stage, and what they take on disk.

    A run is running while somebody works in it, ended when its last command came to its end, else stopped.
    """
    found = sorted((about(run) for run in runs(project)), key=lambda run: str(run["begun"]), reverse=True)
    if json:
        document(found)
    elif not found:
        say("no runs here yet; begin one with: sera specialize REPO")
    else:
        rows = [
            (run["name"], run["state"], _ago(run["age"]), *run["stages"].values(), "yes" if run["adapter"] else "no",
             size(run["bytes"]))
            for run in found
        ]  # fmt: skip
        show(table(("run", "state", "age", *STAGES, "adapter", "size"), rows))


@app.command(name="show")
def show_run(name: Name, project: InProject = Path(), *, json: Json = False) -> None:
    """One run: who works in it, what became of every rollout and why, what was spent, and its settings."""
    from sera_cli.runs import settled

    run = find(name, project)
    found = about(run) | came_of(run, project) | {
        "training": progress(run), "settings": settled(run), "report": report(run)}
    if json:
        document(found)
        return
    show(f"{run.folder}\n{found['state']}{', by ' + found['holder'] if found['holder'] else ''}; begun "
         f"{_ago(found['age'])} ago; {size(found['bytes'])}")
    show(table(("stage", "records", "how they ended"), _stages(found)))
    for rollouts, reasons in found["fates"].items():
        show(table((f"{rollouts} rollouts", "what became of them"), [(count, why) for why, count in reasons.items()]))
    show(table(("what came of it", ""), _trained(found["training"]) + _outcome(found["report"] or {}) + _spent(run)))
    for line in lines(run, out().width):
        show(line)
    rows = [(stage, key, value) for stage, keys in found["settings"].items() for key, value in keys.items()]
    show(table(("stage", "setting", "value"), [(stage, key, _brief(value)) for stage, key, value in rows]))


app.command()(tail)


@app.command()
def rm(name: Name, project: InProject = Path(), *, yes: Yes = False) -> None:
    """Delete a run and all that was generated in it. A registered agent keeps its own copy."""
    from shutil import rmtree

    from sera_cli.runs import held

    run = find(name, project)
    if not yes:
        what = counted(sum(records(run).values()), "record")
        typer.confirm(f"Delete {run.folder} with {what}?", abort=True, err=True)
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
    """What its folder tells of a run. `age` is in seconds; `holder` says who works in it, if somebody does."""
    from sera_cli.runs import holder

    first, who = (begun(run) or run.folder.stat().st_mtime_ns) / 1e9, holder(run)
    return {
        "name": run.name, "path": str(run.folder), "state": "running" if who else state(run), "holder": who,
        "begun": datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds"), "age": max(0, round(time() - first)),
        "stages": records(run), "adapter": run.adapter.is_dir(), "bytes": disk(run.folder),
    }  # fmt: skip


def state(run: "Run") -> str:
    """Of a run in which nobody works: ended, or stopped before its last command came to its end."""
    made = [*(getattr(run, stage) for stage in STAGES), run.metrics]
    latest = max((path.stat().st_mtime_ns for path in made if path.exists()), default=0)
    return "ended" if run.report.exists() and run.report.stat().st_mtime_ns >= latest else "stopped"


def disk(folder: Path) -> int:
    """Bytes of all files in a folder; one that goes away meanwhile counts as none."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            total += file.lstat().st_size if not file.is_dir() else 0
    return total


def came_of(run: "Run", project: Path) -> dict[str, Any]:
    """What became of every rollout, by its exit and by the reason it was kept or dropped for; and what was spent.

    Whether a recall is enough is judged by the threshold in force now.
    """
    from sera_cli.config import resolve
    from sera_cli.harness.money import ledger, spend
    from sera_cli.harness.money.prices import LOCAL
    from sera_cli.svg.fates import order_of, survey

    found = survey(run, order_of(run), resolve(project).config.verify.threshold)
    totals = ledger.read(run.folder / ledger.NAME)
    return {
        "fates": found.fates,
        "exits": {"explored": _exits(found.fates["first"]), "reproduced": _exits(found.fates["second"])},
        "spend": spend.document(totals, None if totals.all.unpriced else LOCAL),
    }


def _exits(fates: dict[str, int]) -> dict[str, int]:
    """Rollouts by how they ended: whatever else became of one, it had submitted."""
    from sera_cli.svg.fates import ENDS, NO_ISSUE, OWED

    exits: dict[str, int] = {}
    names = {words: exit_ for exit_, words in ENDS.items()}
    for why, count in fates.items():
        if why not in (NO_ISSUE, OWED):
            name = names.get(why, "submitted")
            exits[name] = exits.get(name, 0) + count
    return exits


def _stages(found: dict[str, Any]) -> list[tuple[str, int, str]]:
    """A row for each stage. One record may hold several first rollouts: those that their own check refused, too."""
    told = {
        stage: ", ".join(f"{count} {name}" for name, count in exits.items()) for stage, exits in found["exits"].items()
    }
    return [(stage, count, told.get(stage, "")) for stage, count in found["stages"].items()]


def _trained(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """A training in a line, or in one more where it was stopped."""
    if found is None:
        return []
    said = f"step {found['step']:,} of {found['steps']:,}" + (f": {found['said']}" if found["said"] else "")
    return [("training", said), *([("stopped", found["stopped"])] if found["stopped"] else [])]


def _spent(run: "Run") -> list[tuple[str, str]]:
    from sera_cli.harness.money import ledger, spend
    from sera_cli.harness.money.prices import LOCAL

    totals = ledger.read(run.folder / ledger.NAME)
    return [("spent", spend.line(totals, None if totals.all.unpriced else LOCAL))] if totals.models else []


def report(run: "Run") -> Any:
    """What the run said of itself when it ended, None before that, and where it cannot be read."""
    import json

    try:
        return json.loads(run.report.read_bytes())
    except (OSError, ValueError):
        return None


def _outcome(told: dict[str, Any]) -> list[tuple[str, str]]:
    """A run's report in a few lines; those that it has nothing for are left out."""
    loss = {name.replace("_", " "): value for name, value in told.get("loss", {}).items() if isinstance(value, float)}
    lines = {
        "mean recall": told.get("recall", {}).get("mean"),
        "loss": ", ".join(f"{name} {value:.3f}" for name, value in loss.items()),
        "agent": told.get("agent"),
        "seconds": ", ".join(f"{stage} {value:.0f}" for stage, value in told.get("seconds", {}).items()),
    }
    return [(name, str(value)) for name, value in lines.items() if value not in (None, "")]


def begun(run: "Run") -> int:
    """When a run's first stage was written, in nanoseconds since 1970; 0 for one that has none."""
    return next((path.stat().st_mtime_ns for path in (run.functions, run.explored, run.samples) if path.exists()), 0)


def _ago(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def size(count: int) -> str:
    """Bytes in words."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
