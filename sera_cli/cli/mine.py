"""`sera mine`: the functions of a repository that rollouts set out from, and what is left out and why."""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import Asked, ask
from sera_cli.console import document, exactly, say, show, table
from sera_cli.errors import ConfigError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.svg.found import LeftOut
    from sera_cli.svg.mine import Mined
    from sera_cli.types import Function

DECIDES = ("commits", "focus", "languages", "seed", "ignored", "heldout")
"""The settings of generation that decide what is mined."""

FOLDERS = 20
"""Rows of the table of languages and folders; what lies in more is one row."""

UNREAD = 5
"""Files named that could not be read; of more, the count is told."""

LINE = re.compile(r", line \d+$")
"""Where in a file the reason stands for which it was not read."""

MEMORY = "pages.sqlite"
"""In the cache folder: what the files of all repositories held that were mined."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """What else `mine` is asked to print or write instead of making a run."""

    lines: bool
    everything: bool
    graph: Path | None
    since: str | None


def command(*said: Any, **more: Any) -> None:
    """Find the functions that rollouts set out from.

    With --jsonl, --graph or --since-… nothing is kept: no run is made. REPO@REV is REPO as it was at that commit.
    """
    since = _since(more.pop("since_commit"), more.pop("since_agent"))
    shown = Shown(more.pop("jsonl"), more.pop("everything"), more.pop("graph"), since)
    asked = _at(ask(*said, **more))
    if shown.lines and asked.json:
        raise ConfigError("--json prints one document and --jsonl a function a line: say one of them")
    if shown.since is not None:
        return _compare(asked, shown.since, shown)
    if shown.everything and not shown.lines:
        raise ConfigError("--all tells more lines: say it with --jsonl")
    if not shown.lines and not shown.graph:
        return _run(asked)
    job = open_job(asked)
    found = mined(job, empty=True) if shown.everything else _limited(mined(job), job)
    if shown.graph:
        _draw(found, shown.graph, job)
    if shown.lines:
        lines = _lines(found, job, everything=shown.everything)
        while some := "".join(islice(lines, 1000)):
            exactly(some)
    return None


def options(
    *,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a function a line, as JSON.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --jsonl, also what is left out, and why.")] = False,
    graph: Annotated[
        Path | None, typer.Option(help="Write who calls whom, as far as names tell.", metavar="FILE.dot|.graphml")
    ] = None,
    since_commit: Annotated[
        str | None, typer.Option(help="Tell which functions are new, changed or gone since then.", metavar="REV")
    ] = None,
    since_agent: Annotated[
        str | None,
        typer.Option(help="The same, since the commit that this agent was made from.", metavar="NAME[@VERSION]"),
    ] = None,
) -> None:
    """What `mine` may be asked beside what any verb on the road may."""


command.__name__ = "mine"
command.__annotations__ = ask.__annotations__ | options.__annotations__
command.__signature__ = inspect.signature(ask).replace(  # type: ignore[attr-defined]
    parameters=[*inspect.signature(ask).parameters.values(), *inspect.signature(options).parameters.values()]
)


def mined(job: Job, *, empty: bool = False) -> "Mined":
    """What there is in the job's repository, of what it asks for. Raises DataError where that is no function, unless an
    `empty` list of them will do.
    """
    from sera_cli.history import ages
    from sera_cli.svg.mine import mine

    chosen = job.generation
    return mine(
        job.checkout, seed=chosen["seed"], commits=chosen["commits"], focus=chosen["focus"],
        languages=chosen.get("languages", ()), ages=ages(job.checkout),
        memory=memory(job.asked), heldout=job.config.eval.heldout, empty=empty,
    )  # fmt: skip


def memory(asked: Asked) -> Path | None:
    """Where what was read is remembered; nowhere in a dry run."""
    from sera_cli.config import home

    return None if asked.dry_run else home("cache") / MEMORY


def summary(job: Job) -> dict[str, Any]:
    """What a run mined, in numbers: functions by language, and what was left out or not read, by reason; and the files
    not read, each with why.
    """
    from sera_cli import store
    from sera_cli.types import Function

    note = store.about(job.run.functions, Function)
    languages = Counter(function.language for function in store.scan(job.run.functions, Function))
    return {
        "files": note.get("files", 0),
        "languages": dict(languages.most_common()),
        "left_out": note.get("skipped", {}),
        "not_read": by_reason(note.get("unreadable", ())),
        "unread": dict(note.get("unreadable", ())),
        "missing": note.get("missing", {}),
    }


def by_reason(unread: "Iterable[tuple[str, str]]") -> dict[str, int]:
    """How many files were not read, by reason, wherever in a file that stands; most first."""
    return dict(Counter(LINE.sub("", reason) for _, reason in unread).most_common())


def named(unread: "Sequence[tuple[str, str]]") -> str:
    """The first few files that were not read, with why."""
    some = ", ".join(f"{path} ({reason})" for path, reason in unread[:UNREAD])
    return some + (f", and {len(unread) - UNREAD:,} more; --json names them all" if len(unread) > UNREAD else "")


def _run(asked: Asked) -> None:
    """Makes a run, and says what is where and how to have what was left out."""
    from sera_cli import store
    from sera_cli.cli import job as jobs
    from sera_cli.cli.specialize import mine
    from sera_cli.svg.syntax.caught import INSTALL
    from sera_cli.types import Function

    job = mine(asked)
    if asked.dry_run or asked.json:
        return
    note = store.about(job.run.functions, Function)
    unread = note.get("unreadable", ())
    heldout = 0
    functions, lines = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for function in store.scan(job.run.functions, Function):
        place = (function.language, _folder(function.path))
        functions[place] += 1
        lines[place] += function.end_line - function.line + 1
        heldout += function.heldout
    show(table(("language", "folder", "functions", "lines"), _rows(functions, lines)))
    _count("left out", "functions", note.get("skipped", {}))
    _count("not read", "files", by_reason(unread))
    show("")
    where = f"in {counted(note.get('files', 0), 'file')}, {heldout:,} of them kept back for evaluation"
    first = min(job.config.generate.limit, functions.total() - heldout)
    where += f"; --limit leaves {first:,} to start from" if first else ""
    say(f"{counted(functions.total(), 'function')} {where}.", prose=True)
    if unread:
        say(f"Not read: {named(unread)}.", prose=True)
    if missing := note.get("missing"):
        say(f"Files in {', '.join(missing)} were not read, for want of their grammars: {INSTALL}", prose=True)
    say(f"Every function, and why it is left out: sera mine {jobs.named(asked.repo, asked.at)} --jsonl --all")


def _count(what: str, of: str, counts: dict[str, int]) -> None:
    if counts:
        show("")
        show(table((what, of), counts.items()))


def _since(commit: str | None, agent: str | None) -> str | None:
    """The commit to compare with, if any."""
    from sera_cli.cli.since import learnt_from

    if commit is not None and agent is not None:
        raise ConfigError("say --since-commit or --since-agent, not both")
    return commit if agent is None else learnt_from(agent)


def _compare(asked: Asked, commit: str, shown: Shown) -> None:
    from sera_cli.cli.since import since

    if shown.everything or shown.graph:
        raise ConfigError("--all and --graph tell of one commit: leave out --since-commit and --since-agent")
    since(open_job(asked), commit, lines=shown.lines)


def _limited(found: "Mined", job: Job) -> "Mined":
    """With a limit, only the functions that rollouts would set out from: the first of those not held out."""
    from sera_cli.svg.sample import ordered

    chosen = job.config.generate
    if not chosen.limit:
        return found
    ages = {one.path: one.age for one in found.functions if one.age is not None}
    usable = (one.id for one in ordered(found.functions, ages, chosen.seed) if not one.heldout)
    first = {*islice(usable, chosen.limit)}
    return replace(found, functions=[one for one in found.functions if one.id in first])


def _rows(counts: Counter[tuple[str, str]], lines: Counter[tuple[str, str]]) -> list[tuple[object, ...]]:
    """How many functions and lines there are by language and folder, most first."""
    rows: list[tuple[object, ...]] = [(*place, count, lines[place]) for place, count in counts.most_common()]
    if len(rows) <= FOLDERS:
        return rows
    rest = [place for place, _ in counts.most_common()[FOLDERS - 1 :]]
    more = ("", f"{len(rest)} more", sum(counts[place] for place in rest), sum(lines[place] for place in rest))
    return [*rows[: FOLDERS - 1], more]


def _folder(path: str) -> str:
    """The first two folders of a path."""
    return "/".join(PurePosixPath(path).parts[:-1][:2]) or "."


def _at(asked: Asked) -> Asked:
    """REPO@REV taken apart, unless there is a folder of that name."""
    name, sign, rev = str(asked.repo).rpartition("@")
    if not sign or not name or not rev or asked.repo.exists():
        return asked
    if asked.at != "HEAD":
        raise ConfigError(f"say --at {asked.at} or @{rev}, not both")
    return replace(asked, repo=Path(name), at=rev)


def _lines(found: "Mined", job: Job, *, everything: bool) -> Iterator[str]:
    import json

    from sera_cli.history import changes

    changed = {path: datetime.fromtimestamp(time, UTC).isoformat() for path, time in changes(job.checkout).items()}
    left = sorted(found.left, key=lambda one: (one.path, one.line)) if everything else ()
    for row in merge(map(_kept, found.functions), map(_left, left), key=_place):
        yield json.dumps(row | {"changed": changed.get(row["path"])}, ensure_ascii=False) + "\n"


def _place(row: Row) -> tuple[str, int]:
    return row["path"], row["line"]


def _kept(function: "Function") -> Row:
    told = function.model_dump(mode="json", exclude={"attempt"})
    return {key: told.pop(key) for key in ("path", "name", "line", "end_line", "language")} | {
        "kept": True, "reason": ""} | told


def _left(one: "LeftOut") -> Row:
    told: Row = one._asdict()
    reason = told.pop("reason")
    return told | {"kept": False, "reason": reason}


def _draw(found: "Mined", file: Path, job: Job) -> None:
    from sera_cli.store import atomically
    from sera_cli.svg.drawing import dot, graphml, near

    kinds: dict[str, Callable[[Mined], str]] = {".dot": dot, ".gv": dot, ".graphml": graphml}
    if file.suffix not in kinds:
        raise ConfigError(f"{file}: its ending should say how to draw it: {', '.join(kinds)}")
    if job.config.generate.limit or job.generation["focus"]:
        found = near(found)
    atomically(file, kinds[file.suffix](found).encode("utf-8", "backslashreplace"))
    unsure = sum(not sure for _, _, sure in found.calls)
    if job.asked.json:
        counts = {"functions": len(found.functions), "calls": len(found.calls), "ambiguous": unsure}
        return document({"graph": str(file.absolute())} | counts)
    told = f"{counted(len(found.functions), 'function')} and {counted(len(found.calls), 'call')}"
    told += f", {unsure:,} of them dashed or ambiguous: each may be one of a few" if unsure else ""
    say(f"{file}: {told}. All are told by name, and never exact.", prose=True)
    return None
