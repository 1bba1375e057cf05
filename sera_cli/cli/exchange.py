"""`sera data export` and `sera data import`: a run's data in the formats of others, and theirs in ours."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.look import header, meant
from sera_cli.cli.options import InProject, Json
from sera_cli.console import document, say
from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from sera_cli.data.cards import Facts
    from sera_cli.data.export import Part, What
    from sera_cli.data.intake import Taken
    from sera_cli.runs import Run


def export_data(
    run: Annotated[str, typer.Argument(
        help="A run, or a file of samples or rollouts.", metavar="RUN|FILE", show_default="the newest run")] = "",
    project: InProject = Path(),
    *,
    format: Annotated[
        str, typer.Option("--format", "-f", help="messages, ai2, axolotl, sharegpt, llamafactory, preds or parquet.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder that is not there yet.", metavar="FOLDER")],
    what: Annotated[
        str, typer.Option(help="samples or rollouts.", show_default="what suits the format", metavar="WHAT")] = "",
    license: Annotated[
        str, typer.Option(help="Its SPDX id, for the card.", show_default="the repository's", metavar="ID")] = "",
    json: Json = False,
) -> None:
    """Write a run's samples or rollouts for others: a folder of rows, with a card. Nothing is uploaded."""
    from collections import Counter

    from sera_cli.data.cards import dataset_card
    from sera_cli.data.export import chosen, export

    file = Path(run) if Path(run).is_file() else None
    source = _beside(file) if file else meant(run, project)
    named, kind = chosen(format, what or (_kind(file) if file else ""))
    left: Counter[str] = Counter()
    facts = _facts(source, license).model_copy(
        update={"name": out.absolute().name, "format": named, "what": kind}
    )
    if kind == "samples":
        facts, parts = _with_student(facts, file or source.samples, left), _samples(file or source.samples, left)
    else:
        paths = [file] if file else [source.explored, source.reproduced]
        parts = _rollouts(paths, source, left, split=named != "preds")
    made = export(
        parts, named, out, lambda rows: dataset_card(facts, rows), left, model=facts.made.get("teacher", "sera")
    )
    made_from = str(file or source.name)
    if json:
        document({"from": made_from, "out": str(out), "format": named, "what": kind, **made.model_dump()})
        return
    rows = ", ".join(f"{counted(count, 'row')} in {out / file}" for file, count in made.files.items())
    say(f"wrote {rows}, from {made_from}; {out / 'README.md'} describes them, and nothing was uploaded")
    _tell(made.left)


def import_data(
    files: Annotated[list[Path], typer.Argument(help=".jsonl, .json or .parquet files.", metavar="FILE")],
    *,
    format: Annotated[
        str, typer.Option("--format", "-f", help="auto, messages, ai2 or axolotl.", metavar="FORMAT")] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="A .jsonl file that is not there yet.", metavar="FILE")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read.")] = False,
    json: Json = False,
) -> None:
    """Make rows of other formats into chat rows of ours, for --general; each is looked at."""
    from sera_cli.data.intake import BadRows, take

    try:
        taken = take(files, format, out, skip_bad=skip_bad)
    except BadRows as error:
        _name(error.taken)
        raise
    if json:
        document({"out": str(out), **taken.model_dump()})
        return
    _name(taken)
    said = ", ".join(f"{count} from {name}" for name, count in taken.formats.items())
    wrote = f"wrote {counted(taken.rows, 'row')} to {out} ({said})"
    say(f"{wrote}; mix them in with: sera prepare REPO --alpha 0.5 --general {out}")
    _tell(taken.dropped)


def _kind(file: Path) -> "What":
    """What a stage file holds. Raises DataError where it is neither of the two."""
    from sera_cli.data.files import records

    match records(file):
        case "Sample":
            return "samples"
        case "Trajectory":
            return "rollouts"
        case held:
            what = f"holds {held} records" if held else "is no file of a run's"
            raise DataError(f"{what}; name a run, or its file of samples (6-) or of rollouts (2- or 4-)", file)


def _samples(file: Path, left: "Counter[str]") -> "Iterator[Part]":
    from sera_cli.data.export import of_samples

    if not file.exists():
        raise ConfigError(f"{file} holds no samples yet; make them with sera prepare REPO, or say --what rollouts")
    return of_samples(file, left)


def _rollouts(files: list[Path], source: "Run", left: "Counter[str]", *, split: bool) -> "Iterator[Part]":
    from sera_cli import store
    from sera_cli.data.export import held_out, of_rollouts
    from sera_cli.types import Verdict

    return of_rollouts(files, store.read(source.verdicts, Verdict), left, held_out(source.samples) if split else ())


def _beside(file: Path) -> "Run":
    """The run that a file lies in, or a folder that may hold nothing else of one."""
    from sera_cli.runs import Run

    return Run(folder=file.absolute().parent)


def _facts(run: "Run", license: str) -> "Facts":
    """Where a run's data come from, as far as its settings say; nothing where there is no run."""
    from sera_cli import __version__
    from sera_cli.config import project as root_of
    from sera_cli.data.cards import Facts
    from sera_cli.git import open_repository
    from sera_cli.license import license_of
    from sera_cli.runs import settled

    made = settled(run).get("generate", {})
    told = {"made by": f"sera {__version__}"}
    if made:
        root = root_of(run.folder)
        told |= {"repository": root.name, "run": run.name, "commit": made["commit"], "teacher": made["teacher"]}
        with suppress(SeraError):
            license = license or license_of(open_repository(root, made["commit"]))
    return Facts(name="", format="messages", what="rollouts", license=license, made=told)


def _with_student(facts: "Facts", samples: Path, left: "Counter[str]") -> "Facts":
    """What the header of a samples file adds: for which student they were cut, and what was not taken."""
    note = header(samples)
    left.update(note.get("dropped", {}))
    known = {"tokenizer": "tokenizer", "context": "context", "share of the repository": "alpha", "order": "order"}
    told = {name: _portable(str(note[key])) for name, key in known.items() if note.get(key) not in (None, "")}
    return facts.model_copy(update={"made": facts.made | told, "sources": tuple(map(str, note.get("sources", ())))})


def _portable(place: str) -> str:
    """The last part of a path on this machine; a hub id or a number as it is."""
    return Path(place).name if Path(place).is_absolute() else place


def _name(taken: "Taken") -> None:
    for row in taken.bad:
        say(str(row))
    more = taken.dropped.get("bad", 0) - len(taken.bad)
    if more:
        say(f"and {more} more")


def _tell(counts: dict[str, int]) -> None:
    for reason, count in counts.items():
        say(f"left out {count}: {reason}")
