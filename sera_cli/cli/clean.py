"""`sera clean`: what dead runs left on this machine, found and removed. What a living run has made is never touched.

Each kind of thing is told by the module that makes it; here they are asked one after the other.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sera_cli.cli.options import Json, Project
from sera_cli.console import document, say, show, table

if TYPE_CHECKING:
    from sera_cli.cli.stock import Stock

FORGOTTEN = 24 * 3600.0
"""Seconds after which a part of a file, of which nobody can say who writes it, is one that nobody writes."""


class Kind(NamedTuple):
    """One kind of leftover: what there is of it, and what of that could be removed; by name."""

    name: str
    found: Callable[[Path], list[str]]
    swept: Callable[[Path], list[str]]


def clean(
    project: Project = Path(), *,
    also: Annotated[
        list[str] | None, typer.Option(help="Remove environments, validations or chats too; may be said again.",
                                       metavar="KIND")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    json: Json = False,
) -> None:
    """Remove what runs that were killed left behind: processes, containers, sandboxes, parts of files.

    What is kept on purpose, for evaluations and for chats that go on, is told with its size, and removed with --also.
    Exits with 1 when something could not be removed.
    """
    from sera_cli.cli import stock

    more = stock.asked(also or ())
    kinds = (*KINDS, *map(_kind, more))
    found = {kind.name: kind.found(project) for kind in kinds}
    gone = {} if dry_run else {kind.name: kind.swept(project) for kind in kinds if found[kind.name]}
    stays = {name: [one for one in names if one not in gone.get(name, [])] for name, names in found.items()}
    kept = {one: one.found(project) for one in stock.STOCKS if one not in more}
    if json:
        sizes = {one.name: {str(path): count for path, count in there.items()} for one, there in kept.items()}
        left = {name: ones for name, ones in stays.items() if ones}
        document({"dry_run": dry_run, "removed": gone, "left": left, "kept": sizes})
    else:
        _tell(found if dry_run else gone, "would be removed" if dry_run else "removed")
        for one, there in kept.items():
            stock.tell(one, there)
    if any(stays.values()) and not dry_run:
        _complain(stays, {one.name for one in more})
        raise typer.Exit(1)


def _kind(one: "Stock") -> Kind:
    from sera_cli.cli import stock

    return Kind(one.name, lambda project: stock.named(one.found(project)), partial(stock.swept, one))


def _complain(stays: dict[str, list[str]], stocks: Collection[str]) -> None:
    for name, ones in stays.items():
        for one in ones:
            say(f"note: {name} {one} could not be removed" + ("; another sera may be at work" * (name in stocks)))


def _tell(what: dict[str, list[str]], verb: str) -> None:
    rows = [(kind, name) for kind, names in what.items() for name in names]
    if rows:
        show(table(("kind", verb), rows))
    else:
        say("nothing is left of runs that ended")


def _processes(_: Path) -> list[str]:
    from sera_cli.harness import strays

    return [f"{stray.pid} {stray.command[:100]}" for stray in strays.leftovers()]


def _end_processes(_: Path) -> list[str]:
    from sera_cli.harness import strays

    return [f"{stray.pid} {stray.command[:100]}" for stray in strays.sweep()]


def _containers(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import daemon

    return [f"{left.kind} {left.name}" for left in daemon.leftovers()]


def _remove_containers(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import daemon

    return daemon.sweep()


def _groups(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import cgroup

    return list(map(str, cgroup.leftovers()))


def _remove_groups(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import cgroup

    return list(map(str, cgroup.sweep()))


def _folders(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import private

    return [str(left) for place in _places() for left in private.leftovers(place)]


def _remove_folders(_: Path) -> list[str]:
    from sera_cli.harness.sandbox import private

    return [str(left) for place in _places() for left in private.sweep(place)]


def _places() -> tuple[Path | None, ...]:
    """Where private folders are made: where temporary files go, and beside the environments of evaluations."""
    from sera_cli.config import home

    return (None, home("cache") / "evaluate" / "bases")


def _parts(project: Path) -> list[str]:
    return list(map(str, abandoned(project)))


def _remove_parts(project: Path) -> list[str]:
    from sera_cli.harness.sandbox.private import remove

    found = list(abandoned(project))
    for part in found:
        remove(part)
    return [str(part) for part in found if not part.exists()]


KINDS = (
    Kind("process", _processes, _end_processes),
    Kind("docker", _containers, _remove_containers),
    Kind("cgroup", _groups, _remove_groups),
    Kind("folder", _folders, _remove_folders),
    Kind("part", _parts, _remove_parts),
)
"""Processes first: a group or a folder that something still runs in cannot be removed."""


def abandoned(project: Path) -> Iterator[Path]:
    """Parts of files and folders that were never put in place: those of the project's runs, evaluations and benchmarks,
    of agents and caches.
    """
    from sera_cli.cli.runs import runs
    from sera_cli.config import home
    from sera_cli.config import project as root_of
    from sera_cli.runs import Run, holder

    own = root_of(project) / ".sera"
    folders = [place for kind in ("evals", "bench") for place in sorted((own / kind).glob("*")) if place.is_dir()]
    for run in (*runs(project), *(Run(folder=folder) for folder in folders)):
        yield from () if holder(run) else sorted(run.folder.glob(".*.part"))
    yield from filter(_nobodys, sorted((own / "bench").glob(".*.part")))
    for place in (home("data"), home("cache")):
        for part in filter(_nobodys, sorted(place.rglob(".*.part"))):
            if part.is_symlink():  # it tells of a folder elsewhere
                yield part.readlink()
            yield part


def _nobodys(part: Path) -> bool:
    """By the number of the process that writes it, where the name holds one; else by its age."""
    named = re.search(r"\.(\d+)\.(?:\w+\.)?part$", part.name)
    if named:
        return not Path(f"/proc/{named[1]}").exists()
    newest: float = max(one.lstat().st_mtime for one in (part, *(part.rglob("*") if part.is_dir() else ())))
    return time.time() - newest > FORGOTTEN
