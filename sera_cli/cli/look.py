"""`sera data show`: one sample or rollout as a person reads it, or a list of what there is."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import typer

from sera_cli.cli import runs
from sera_cli.cli.options import InProject, Json
from sera_cli.console import document, say, show, table
from sera_cli.errors import ConfigError, DataError, ModelError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.data.chat import Chat
    from sera_cli.data.view import Spelled, View
    from sera_cli.harness.wire import Wire
    from sera_cli.runs import Run
    from sera_cli.types import Message, Sample

Id = Annotated[str, typer.Argument(
    help="Id of a sample or a rollout, or its beginning.", metavar="ID", show_default="list them all")]
Where = Annotated[str, typer.Option(
    "--run", help="A run, or a samples file.", metavar="RUN|FILE", show_default="the newest run")]

Found = TypeVar("Found", "Sample", "Chat")


class Source(NamedTuple):
    """A samples file, and the run it belongs to; a file by itself belongs to none."""

    samples: Path
    run: "Run | None" = None


def show_data(
    id_: Id = "",
    run: Where = "",
    project: InProject = Path(),
    *,
    mask: Annotated[bool, typer.Option("--mask", help="Mark the tokens that are learned.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show long texts whole.")] = False,
    rollout: Annotated[bool, typer.Option("--rollout", help="The whole rollout, not the sample cut from it.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write one page for a browser.", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """One sample or rollout turn by turn, or a list of a run's samples."""
    if id_ and not run and (Path(id_).is_file() or any(one.name == id_ for one in runs.runs(project))):
        id_, run = "", id_
    where = source(run, project)
    if not id_ and (mask or full or rollout or html):
        raise ConfigError("--mask, --full, --rollout and --html are for one of them: give its ID too")
    if html and json:
        raise ConfigError("--html and --json are two ways to show it; leave out one of them")
    if not id_:
        list_samples(where.samples, as_json=json)
        return
    found = rolled(id_, where) if rollout else pick(id_, where)
    if json:
        document(found.model_dump())
        return
    seen, note = view(found, where.samples, project, spell=mask or html is not None)
    if html:
        save(html, seen)
    else:
        from sera_cli.cli import reading

        reading.screen(seen, mask=mask, full=full)
    if note:
        say(f"note: {note}", prose=True)


def source(run: str, project: Path) -> Source:
    """The samples of that run or file; of the run begun last when none is named. Raises ConfigError without one."""
    if run and Path(run).is_file():
        return Source(holding(Path(run)))
    known = meant(run, project)
    return Source(known.samples, known)


def meant(run: str, project: Path) -> "Run":
    """The run of that name; the one begun last when none is named. Raises ConfigError without one."""
    if run:
        return runs.find(run, project)
    made = {one: first for one in runs.runs(project) if (first := runs.begun(one))}
    if not made:
        raise ConfigError("no runs here; name a samples file, or begin a run with: sera specialize REPO")
    return max(made, key=lambda one: (made[one], one.name))


def holding(path: Path) -> Path:
    """The file itself. Raises DataError for one of another stage."""
    from sera_cli.data.files import records

    if (held := records(path)) not in ("", "Sample"):
        raise DataError(f"holds {held} records, not samples; name the run, or its 6-samples.jsonl", path)
    return path


def samples(path: Path) -> Iterator["Sample"]:
    """Every sample of a file, one at a time. Raises ConfigError where there are none."""
    from sera_cli.store import scan
    from sera_cli.types import Sample

    found = scan(path, Sample)
    first = next(found, None)
    if first is None:
        raise ConfigError(f"{path} holds no samples yet; make them with: sera prepare REPO")
    return chain([first], found)


def header(path: Path) -> dict[str, Any]:
    """What was noted when the samples were made; nothing where none were."""
    from sera_cli.store import about
    from sera_cli.types import Sample

    return about(path, Sample) if path.exists() else {}


def list_samples(path: Path, *, as_json: bool) -> None:
    rows = sorted((one.model_copy(update={"messages": ()}) for one in samples(path)), key=lambda one: one.id)
    if as_json:
        document([one.model_dump(exclude={"messages"}) for one in rows])
        return
    show(table(("sample", "origin", "use", "recall", "steps", "kept", "tokens", "trained"), [
        (one.id, one.origin, "held out" if one.heldout else "training",
         "" if one.recall is None else f"{one.recall:.2f}", one.steps, one.kept, one.tokens, one.trained or "")
        for one in rows
    ]))  # fmt: skip
    say("look at one with: sera data show ID, at what they are like with: sera data stats")


def pick(prefix: str, where: Source) -> "Sample | Chat":
    """The sample whose id begins so; where there is none, the rollout. Raises ConfigError unless there is just one."""
    from sera_cli.store import scan
    from sera_cli.types import Sample

    matching = {one.id: one for one in scan(where.samples, Sample) if one.id.startswith(prefix)}
    return only(prefix, matching, where) if matching else rolled(prefix, where)


def rolled(prefix: str, where: Source) -> "Chat":
    """The rollout whose id begins so; ids of first rollouts end in -first, of second ones in -second."""
    from sera_cli.data.render import chat
    from sera_cli.store import read, scan
    from sera_cli.types import Trajectory, Verdict

    matching: dict[str, Chat] = {}
    verdicts = read(where.run.verdicts, Verdict) if where.run else {}
    stages: tuple[tuple[Path, Literal["first", "second"]], ...] = (
        (where.run.explored, "first"), (where.run.reproduced, "second")) if where.run else ()
    for path, origin in stages:
        for one in scan(path, Trajectory):
            if f"{one.id}-{origin}".startswith(prefix.partition("~")[0]):
                found = chat(one, origin, verdicts.get(one.id) if origin == "second" else None)
                matching[found.id] = found
    return only(prefix, matching, where)


def only(prefix: str, matching: Mapping[str, Found], where: Source) -> Found:
    """The one with exactly this id, else the only one. Raises ConfigError naming those there are."""
    if prefix in matching or len(matching) == 1:
        return matching.get(prefix) or next(iter(matching.values()))
    place = where.run.name if where.run else str(where.samples)
    if matching:
        some = ", ".join(sorted(matching)[:4]) + (", …" if len(matching) > 4 else "")
        raise ConfigError(f"{len(matching)} ids in {place} begin with {prefix!r} ({some}); say more of the one meant")
    raise ConfigError(f"no id in {place} begins with {prefix!r}; list the samples with: sera data show")


def view(found: "Sample | Chat", path: Path, project: Path, *, spell: bool) -> "tuple[View, str]":
    """What there is to see, and what to tell the person about it; the samples file says how it is written."""
    from sera_cli.data.files import written
    from sera_cli.data.view import View, read, told
    from sera_cli.harness import wire
    from sera_cli.types import Sample

    note = header(path)
    spoke = written(note, path)
    if isinstance(found, Sample):
        flat, turns, patch = list(found.messages), read(found.messages, spoke), ""
    else:
        flat = wire.flatten(found.messages, found.tools, spoke) if spell else []
        turns, patch = told(found.messages), found.patch
    spelled, text = spelling(flat, spoke, str(note.get("tokenizer") or ""), project) if spell else ((), "")
    return View(found.id, facts(found), turns, spelled, patch), text


def spelling(
    flat: "Sequence[Message]", spoke: "Wire", tokenizer: str, project: Path
) -> "tuple[tuple[Spelled, ...], str]":
    """The messages by their tokens; where no tokenizer can be had, message by message, and why."""
    from sera_cli import offline
    from sera_cli.config import resolve
    from sera_cli.data.view import spelled, unspelled
    from sera_cli.harness import tokens

    try:
        if not tokenizer:
            raise ModelError("the samples file does not say which tokenizer it was made for")
        offline.keep(resolve(project).config.privacy.offline)
        return tuple(spelled(flat, tokens.load(tokenizer), spoke)), ""
    except ModelError as error:
        return tuple(unspelled(flat)), f"whole messages are marked, not tokens: {error}"


def facts(found: "Sample | Chat") -> tuple[tuple[str, str], ...]:
    """What is known of it beside its messages, by name; the unknown is left out."""
    from sera_cli.patch import files, size
    from sera_cli.types import Sample

    if isinstance(found, Sample):
        rows = {
            "origin": f"{found.origin}, {'held out' if found.heldout else 'for training'}",
            "function": found.function, "source": found.source,
            "steps": f"{found.kept} of {found.steps} kept ({100 * found.ratio:.0f} %)",
            "tokens": f"{found.tokens:,}" + (f", {found.trained:,} of them trained" if found.trained else ""),
            "patch": "" if found.lines is None else counted(found.lines, "line"),
            "tool output": "" if found.output is None else f"{found.output:,.0f} tokens a result",
        }  # fmt: skip
    else:
        rows = {
            "origin": f"{found.origin} rollout", "exit": found.exit, "function": found.function, "path": found.path,
            "repository": found.repo, "instance": found.instance,
            "patch": f"{counted(size(found.patch), 'line')} in {', '.join(files(found.patch))}"
            if found.patch.strip() else "none",
        }  # fmt: skip
    recall = {} if found.recall is None else {"recall": f"{found.recall:.2f}"}
    return tuple((name, text) for name, text in (rows | recall).items() if text)


def save(path: Path, seen: "View") -> None:
    """Writes the page. Raises DataError where that cannot be done."""
    from sera_cli.data.page import page
    from sera_cli.store import atomically

    if not path.parent.is_dir():
        raise DataError("there is no such folder; make it, or name another file with --html", path.parent)
    atomically(path, page(seen).encode("utf-8", "replace"))
    say(f"wrote {path}")
