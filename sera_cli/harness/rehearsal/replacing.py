"""How the rehearsal teacher makes an edit with the editor: it copies lines, slips now and then, and copies again."""

import re
from collections.abc import Sequence
from typing import Protocol

from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.desk import Desk
from sera_cli.harness.rehearsal.scene import numbered
from sera_cli.harness.rehearsal.turns import Plan, Turn

FAR = 30
"""Lines above an edit that are copied at most to make its text unique."""

BELOW = 8
"""Lines below it that are copied for that."""

MISMATCH = 0.08
"""Of all edits, the share whose old text is not copied exactly at first."""


class Seen(Protocol):
    """Lines of a file from `first` on."""

    @property
    def path(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def lines(self) -> Sequence[str]: ...


def apply(desk: Desk, seen: Seen, change: Change, thought: str) -> Plan[bool]:
    """Makes the edit, after a copy that does not match now and then; whether the tool took it."""
    above = 1 if "\n".join(seen.lines).count("\n".join(change.old)) > 1 else 0
    if desk.odds(MISMATCH):
        yield _replace(desk, seen, change, thought, above, slip=" ")
        first = seen.first + change.first
        spot = [max(1, first - 1), first + len(change.old) - 1]
        yield desk.edit(desk.think("again"), "view", seen.path, view_range=spot)
    came = yield _replace(desk, seen, change, thought, above)
    if not _taken(came) and re.search(r"(?i)multiple|unique|more than once", came) and change.first < FAR:
        came = yield _replace(desk, seen, change, desk.think("wider"), change.first, below=BELOW)
    return _taken(came)


def _replace(
    desk: Desk, seen: Seen, change: Change, thought: str, above: int, *, below: int = 0, slip: str = ""
) -> Turn:
    """The edit as a call, with lines `above` and `below` it to make the old text unique. A `slip` shifts the first."""
    before = seen.lines[max(0, change.first - above) : change.first]
    after = seen.lines[change.last : change.last + below]
    old, new = (slip + "\n".join((*before, *rows, *after)) for rows in (change.old, change.new))
    return desk.edit(thought, "str_replace", seen.path, old_str=old, new_str=new)


def _taken(came: str) -> bool:
    return bool(numbered(came)) or "has been edited" in came
