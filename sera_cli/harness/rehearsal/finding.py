"""How the rehearsal teacher finds its way: from a report to a function, and from there to a neighbour."""

import builtins
import re
from typing import NamedTuple

from sera_cli.harness.rehearsal.desk import Desk, bash, grep, search
from sera_cli.harness.rehearsal.reading import Report
from sera_cli.harness.rehearsal.scene import Scene, numbered, scene
from sera_cli.harness.rehearsal.turns import Plan

WINDOW = 20
"""Lines looked at in one view."""


class Place(NamedTuple):
    path: str
    line: int
    name: str


def find(desk: Desk) -> Plan[Place | None]:
    """Goes by the path and the names in the report; where it has none, by its words."""
    for symbol in desk.report.symbols[:3]:
        path = next(iter(desk.report.paths), "")
        place = (yield from _in_file(desk, path, symbol)) if path else None
        if not place:
            path = yield from _file_of(desk, symbol)
            place = (yield from _in_file(desk, path, symbol)) if path else None
        if place:
            return place
    words = [word for word in desk.report.words if "_" in word] or list(desk.report.words)
    if not words:
        return None
    came = yield bash(desk.think("words"), search(rf"def \w*({'|'.join(words[:4])})\w*"))
    found = _likeliest(came, desk.report)
    return Place(*found) if found else None


def another(desk: Desk, place: Place) -> Plan[Place | None]:
    """Some other function of the same file."""
    came = yield bash(desk.think("defs"), grep(r"def \w+", place.path))
    rows = re.findall(r"^(\d+):.*?\bdef\s+(\w+)", came, re.MULTILINE)
    others = [Place(place.path, int(line), name) for line, name in rows if name != place.name]
    return desk.dice.choice(others) if others else None


def look(desk: Desk, place: Place) -> Plan[Scene | None]:
    """Views the function, and what follows when its end is not in sight."""
    first = max(1, place.line - 1)
    seen = yield from _view(desk, place.path, first, desk.think("view", function=place.name))
    found = scene(place.path, seen, place.name, place.line)
    if found and not found.complete and len(seen) == WINDOW:
        seen |= yield from _view(desk, place.path, first + WINDOW, desk.think("more"))
        found = scene(place.path, seen, place.name, place.line)
    return found._replace(complete=True) if found and len(seen) % WINDOW else found


def callers(desk: Desk, seen: Scene) -> Plan[None]:
    yield bash(desk.think("callers", function=seen.node.name), search(seen.node.name))


def neighbour(desk: Desk, seen: Scene) -> Plan[Scene | None]:
    """A function of the same file that this one calls."""
    names = set(re.findall(r"\b([a-z_]\w{3,})\(", "\n".join(seen.lines[1:])))
    called = sorted(names - {seen.node.name} - set(dir(builtins)))
    if not called:
        return None
    name = desk.dice.choice(called)
    came = yield bash(desk.think("neighbour", function=seen.node.name, name=name), grep(f"def {name}", seen.path))
    found = re.search(r"^(\d+):", came, re.MULTILINE)
    return (yield from look(desk, Place(seen.path, int(found[1]), name))) if found else None


def _file_of(desk: Desk, symbol: str) -> Plan[str]:
    """Where the class of a method, or the function itself, is defined."""
    owner, _, name = symbol.replace(".<locals>", "").rpartition(".")
    wanted = f"class {owner.rpartition('.')[2]}" if owner[:1].isupper() or owner[:2].strip("_") else f"def {name}"
    came = yield bash(desk.think("search", function=symbol), search(wanted))
    found = _likeliest(came, desk.report)
    return found[0] if found else ""


def _in_file(desk: Desk, path: str, symbol: str) -> Plan[Place | None]:
    parts = [part for part in symbol.split(".") if part != "<locals>"]
    name = parts[-1]
    wanted = "|".join([*(f"class {part}" for part in parts[:-1]), f"def {name}"])
    came = yield bash(desk.think("locate", function=name), grep(wanted, path))
    rows = re.findall(r"^(\d+):(.*)$", came, re.MULTILINE)
    lines = [int(number) for number, text in rows if re.search(rf"\bdef\s+{name}\b", text)]
    classes = [int(number) for number, text in rows if len(parts) > 1 and re.search(rf"\bclass\s+{parts[-2]}\b", text)]
    after = [line for line in lines if classes and line > classes[0]]
    return Place(path, (after or lines)[0], name) if lines else None


def _likeliest(came: str, report: Report) -> tuple[str, int, str] | None:
    """Of the definitions that a search found, the one that shares most words with the report; tests come last."""
    heard = report.text.lower()

    def rank(row: tuple[str, str, str]) -> tuple[bool, int]:
        about = f"{row[0]} {row[2]}".lower()
        return "test" in about, -sum(word in heard for word in re.findall(r"[a-z]{3,}", about))

    rows = re.findall(r"^(.+?\.py):(\d+):.*?\b(?:def|class)\s+(\w+)", came, re.MULTILINE)
    found = min(rows, key=rank, default=None)
    return (found[0], int(found[1]), found[2]) if found else None


def _view(desk: Desk, path: str, first: int, thought: str) -> Plan[dict[int, str]]:
    """One window of a file, or what is left of it there."""
    came = yield desk.edit(thought, "view", path, view_range=[first, first + WINDOW - 1])
    if not numbered(came):
        came = yield desk.edit(desk.think("end"), "view", path, view_range=[first, -1])
    return numbered(came)
