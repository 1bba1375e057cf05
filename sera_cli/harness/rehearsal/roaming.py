"""How the rehearsal teacher works on a function that it edits by the line: found by name, read again as a diff."""

import re
import shlex
from math import inf
from typing import NamedTuple

from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.desk import Desk, bash
from sera_cli.harness.rehearsal.listings import ENDINGS, GO, Listing, listing
from sera_cli.harness.rehearsal.phrases import about
from sera_cli.harness.rehearsal.remarks import ABOVE
from sera_cli.harness.rehearsal.replacing import apply
from sera_cli.harness.rehearsal.scene import numbered
from sera_cli.harness.rehearsal.tongues import definition, propose
from sera_cli.harness.rehearsal.turns import Plan

WINDOW = 48
"""Lines looked at in one view."""

SECOND_EDIT = 0.2
"""Of all rollouts with an edit, the share that makes another one in the same function."""

_TYPES = "class|struct|interface|trait|impl|enum|object|module|extension|namespace|protocol|record"
_CALL = re.compile(r"^\s*(return|else|throw|new|await|yield|if|while|for|switch|catch|case|raise|//|\*)\b")
"""How a line begins that has the look of a definition and is none."""


class Row(NamedTuple):
    path: str
    line: int
    text: str


def knows(path: str) -> bool:
    """Whether a path is of a language that is edited by the line."""
    return path.endswith(ENDINGS)


def seek(desk: Desk) -> Plan[Listing | None]:
    """Goes by the path and the names in the report; where it has none, by its words."""
    path = next(filter(knows, desk.report.paths), "")
    for symbol in desk.report.symbols[:3]:
        owner, name = ["", *symbol.split(".")][-2:]
        wanted = definition(name, path) + (rf"|\b({_TYPES})\b.*\b{owner}\b" if owner else "")
        came = yield bash(desk.think("locate" if path else "search", function=name), _grep(wanted, path))
        found = _nearest(_rows(came, path), owner)
        if found and (seen := (yield from _look(desk, found, name))):
            return seen
    words = [word for word in desk.report.words if word.isalpha()][:4]
    if desk.report.symbols or not words:
        return None
    any_of = f"[[:alnum:]_$]*({'|'.join(words)})[[:alnum:]_$]*"
    came = yield bash(desk.think("words"), _grep(definition(any_of, path), path, "-niE"))
    return (yield from _likeliest(desk, _rows(came, path), words))


def change(desk: Desk, seen: Listing) -> Plan[bool]:
    """Makes one edit, sometimes two; whether one is in place."""
    fitting = propose(seen, desk.report.text, desk.dice)
    for kind, first in fitting[:2]:
        thought = about(kind, "thought", desk.dice, function=seen.name, name=first.name)
        if (yield from apply(desk, seen, first, thought)):
            second = _other(fitting, kind, first) if desk.odds(SECOND_EDIT) else None
            if second:
                told = about(second[0], "thought", desk.dice, function=seen.name, name=second[1].name)
                yield from apply(desk, seen, second[1], told)
            yield bash(desk.think("diff"), f"git --no-pager diff -- {shlex.quote(seen.path)}")
            return True
    return False


def _other(fitting: list[tuple[str, Change]], kind: str, done: Change) -> tuple[str, Change] | None:
    """An edit of another kind, of lines that the first one left as they are."""
    apart = (row for row in fitting if row[0] != kind and (row[1].last <= done.first or done.last <= row[1].first))
    return next(apart, None)


def _likeliest(desk: Desk, rows: list[Row], words: list[str]) -> Plan[Listing | None]:
    """Of the definitions that a search for words found, the one whose name has most of them."""
    pattern = re.compile(rf"\w*(?:{'|'.join(words)})\w*", re.IGNORECASE)
    named = [(row, max(pattern.findall(row.text), key=len)) for row in rows if pattern.search(row.text)]
    if not named:
        return None
    row, name = min(named, key=lambda one: (-sum(word in one[1].lower() for word in words), len(one[1])))
    return (yield from _look(desk, row, name))


def _look(desk: Desk, row: Row, name: str) -> Plan[Listing | None]:
    first = max(1, row.line - ABOVE)
    window = [first, first + WINDOW - 1]
    came = yield desk.edit(desk.think("view", function=name), "view", row.path, view_range=window)
    if not numbered(came):
        came = yield desk.edit(desk.think("end"), "view", row.path, view_range=[first, -1])
    seen = listing(row.path, numbered(came), name, row.line)
    if seen and row.path.endswith(GO) and "err" in seen.body:
        came = yield bash(desk.think("imports"), f"grep -n '^import\\|^\\s\"' {shlex.quote(row.path)} | head -12")
        seen = seen._replace(imports=came)
    return seen


def _rows(came: str, path: str) -> list[Row]:
    rows = [Row(found[1] or path, int(found[2]), found[3]) for found in _LINE.finditer(came)]
    return [row for row in rows if not _CALL.match(row.text) and knows(row.path)]


_LINE = re.compile(r"^(?:(.+?):)?(\d+):(.*)$", re.MULTILINE)


def _nearest(rows: list[Row], owner: str) -> Row | None:
    """The definition that says its type, as Go's do, or stands nearest below a line that begins the type."""
    opens = re.compile(rf"\b({_TYPES})\b.*\b{re.escape(owner)}\b")
    tops = [row for row in rows if owner and opens.search(row.text)]

    def far(row: Row) -> float:
        if owner and re.search(rf"\b{re.escape(owner)}\b", row.text):
            return -1
        return min((row.line - top.line for top in tops if top.path == row.path and top.line <= row.line), default=inf)

    return min((row for row in rows if row not in tops), key=far, default=None)


def _grep(pattern: str, path: str, how: str = "-nE") -> str:
    if path:
        return f"grep {how} {shlex.quote(pattern)} {shlex.quote(path)} | head -8"
    return f"git grep {how} {shlex.quote(pattern)} -- ':!*.md' ':!*test*' | cut -c-160 | head -8"
