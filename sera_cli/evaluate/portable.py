"""Patches for graders that know nothing of our tokens.

A secret that stands near a change is a token in the patch, and only `sera` on this machine knows what it stands for.
Where it is context alone, the change can be told without those rows; in a row that comes or goes it has to stay.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sera_cli.redact import tokens

HEAD = re.compile(r"@@ -(?P<old>\d+)(?:,(?P<rows>\d+))? \+(?P<new>\d+)(?:,(?P<after>\d+))? @@(?P<tail>.*)")


class Hunk(NamedTuple):
    """Rows with their signs, from line `old` of the file before, which is line `new` after."""

    old: int
    new: int
    rows: tuple[str, ...]
    tail: str = ""

    def __str__(self) -> str:
        before, after = (sum(row[:1] not in (sign, "\\") for row in self.rows) for sign in "+-")
        start, end = self.old - (not before), self.new - (not after)
        return "\n".join([f"@@ -{start},{before} +{end},{after} @@{self.tail}", *self.rows])


def portable(patch: str) -> str:
    """The same change without context that holds a token. The patch as it is where a token would be left in it, where a
    change would lose the row after it, by which `git apply` knows that the file does not end there, and where its hunks
    count other rows than they have.
    """
    if not tokens(patch):
        return patch
    try:
        made = "\n".join(_told(patch.split("\n")))
    except ValueError:
        return patch
    return patch if tokens(made) else made


def _told(rows: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(rows):
        head = HEAD.fullmatch(rows[at])
        at += 1
        if not head:
            yield rows[at - 1]
            continue
        body = _body(rows[at:], int(head["rows"] or 1), int(head["after"] or 1))
        at += len(body)
        yield from map(str, _apart(Hunk(int(head["old"]), int(head["new"]), body, head["tail"])))


def _body(rows: Sequence[str], old: int, new: int) -> tuple[str, ...]:
    """The rows of a hunk that has so many of the file before and after. Raises ValueError where there are others."""
    taken = 0
    while old or new or (rows[taken : taken + 1] and rows[taken].startswith("\\")):
        row = rows[taken] if taken < len(rows) else "?"
        sign = row[:1] or " "
        if sign not in " +-\\" or min(old, new) < 0:
            raise ValueError(row)
        old -= sign in " -"
        new -= sign in " +"
        taken += 1
    return tuple(rows[:taken])


def _apart(hunk: Hunk) -> Iterator[Hunk]:
    """The hunk in as many as it takes to go round its context with tokens. Raises ValueError where one stands right
    below a change.
    """
    old, new = hunk.old + (not _has(hunk, "-")), hunk.new + (not _has(hunk, "+"))
    found = [Hunk(old, new, (), "" if tokens(hunk.tail) else hunk.tail)]
    left_out = False
    for row in hunk.rows:
        sign = row[:1] or " "
        old += sign in " -"
        new += sign in " +"
        if sign != "\\":
            left_out = sign == " " and bool(tokens(row))
        if left_out and any(row[:1] in ("+", "-") for row in found[-1].rows[-1:]):
            raise ValueError(row)
        if left_out:
            found.append(Hunk(old, new, ()))
        else:
            found[-1] = found[-1]._replace(rows=(*found[-1].rows, row))
    return (one for one in found if any(row[:1] in ("+", "-") for row in one.rows))


def _has(hunk: Hunk, sign: str) -> bool:
    """Whether a row of the file before, `-`, or after, `+`, is in it: a hunk without any begins a line later."""
    return any((row[:1] or " ") in f" {sign}" for row in hunk.rows)
