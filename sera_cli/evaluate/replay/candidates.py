"""Which changes of the past may become tasks, by what can be told without running anything, and why others may not."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sera_cli import ignore
from sera_cli import patch as patches
from sera_cli.evaluate.replay.history import Change
from sera_cli.evaluate.replay.leaks import Fresh, fresh, leaks, untold
from sera_cli.evaluate.replay.splitting import Parts, split, touched
from sera_cli.evaluate.replay.statement import Thread, finished, found
from sera_cli.evaluate.runners.runner import Runner
from sera_cli.git import Checkout
from sera_cli.types import Record, digest
from sera_cli.wording import plain, robot

UNTOLD = 3
"""New names that tests may use and their author did not tell; they are added to the statement. Of more, or of a new
file, nobody could know what they are.
"""

_TESTING = re.compile(
    r"^\W*tests?\b|^(add|extend|improve|fix|update|refactor|more|clean up|run)\w*\s+"
    r"((more|some|missing|flaky|failing|the|an?|unit|regression|broken|new|all)\s+)*tests?\b", re.I)


class Candidate(Record):
    """A change in two parts. `statement` is empty where a teacher is to write one; `source` says where it is from.

    `wanted` are names and texts that the tests use and the repository has not.
    """

    commit: str
    base: str
    created: str
    messages: tuple[str, ...]
    parts: Parts
    statement: str = ""
    source: str = ""
    wanted: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.messages[0].partition("\n")[0]

    @property
    def change(self) -> Change:
        return Change(self.commit, self.base, 0, self.messages)


class Dropped(NamedTuple):
    """A change that becomes no task. `reason` is the same for all of a kind, `detail` says what was seen."""

    commit: str
    title: str
    reason: str
    detail: str = ""


def candidates(
    checkout: Checkout, changes: Iterable[Change], runner: Runner, threads: Mapping[int, Thread],
    *, teaching: bool = False,
) -> Iterator[Candidate | Dropped]:
    """Each change as a candidate, or dropped. With a teacher (`teaching`) only issues are statements as they stand."""
    seen = set[str]()
    hidden = ignore.rules(checkout)
    for change in changes:
        parts = _examined(checkout, change, runner, hidden)
        made = parts if isinstance(parts, str) else _stated(checkout, change, parts, threads, teaching=teaching)
        if isinstance(made, Candidate):
            lines = digest(patches.changes(made.parts.patch) + patches.changes(made.parts.held))
            made = made if lines not in seen else "was made twice"
            seen.add(lines)
        if isinstance(made, Candidate):
            yield made
        else:
            reason, _, detail = made.partition(": ")
            yield Dropped(change.commit, change.messages[0].partition("\n")[0], reason, detail)


def _examined(checkout: Checkout, change: Change, runner: Runner, hidden: str) -> Parts | str:
    """Its parts, or why it is no task."""
    message = change.messages[0]
    if robot(message):
        return "was made by a program"
    if message.startswith('Revert "') or "\nThis reverts commit " in message:
        return "takes another one back"
    if _TESTING.match(plain(message)[0]):
        return "is about tests"
    if hidden and _hidden(checkout, change, hidden):
        return f"touches what {ignore.NAME} hides"
    return split(checkout, change.base, change.commit, runner)


def _hidden(checkout: Checkout, change: Change, rules: str) -> Collection[str]:
    return ignore.among([file.path for file in touched(checkout, change.base, change.commit)], rules)


def _stated(
    checkout: Checkout, change: Change, parts: Parts, threads: Mapping[int, Thread], *, teaching: bool
) -> Candidate | str:
    """The change with its statement, or why there is none, with what it tells after a colon."""
    told = found(change, parts, threads)
    new = fresh(checkout, change.base, parts)
    wanting = _wanting(told[0], new) if told else "says too little"
    if wanting and not teaching:
        return wanting
    kept = told if told and not wanting and (told[1] == "issue" or not teaching) else None
    return Candidate(
        id=digest([change.base, parts.patch, parts.held]), commit=change.commit, base=change.base,
        created=datetime.fromtimestamp(change.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), messages=change.messages,
        parts=parts, statement=finished(kept[0], new) if kept else "", source=kept[1] if kept else "",
        wanted=new.wanted,
    )  # fmt: skip


def _wanting(statement: str, new: Fresh) -> str:
    """Why something that was written with a change is no statement of a task; empty where it is one."""
    if seen := leaks(statement, new):
        return f"tells of the fix: {', '.join(seen)[:200]}"
    missing = untold(statement, new)
    if len(missing) > UNTOLD or new.imported.intersection(missing):
        return f"leaves untold what its tests use: {', '.join(missing)[:200]}"
    return ""
