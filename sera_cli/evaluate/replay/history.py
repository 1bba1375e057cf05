"""The changes that a line of commits took in: each commit with what came before it, each merge as one change.

Like all that reads the past it asks plumbing, and sees nothing later than the commit in use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sera_cli.git import Checkout
from sera_cli.plumbing import answer
from sera_cli.wording import plain


class Change(NamedTuple):
    """From commit `base` to `commit`, made at `time` (seconds since 1970). The first of `messages` is the commit's own;
    of a merge those of what it brought follow, oldest first.
    """

    commit: str
    base: str
    time: int
    messages: tuple[str, ...]


class _Commit(NamedTuple):
    id: str
    parents: list[str]
    time: int
    message: str


def changes(checkout: Checkout, *, since: str = "", last: int = 0) -> list[Change]:
    """What the commit's own line (first parents) took in, newest first.

    Only what is not part of `since`, a commit; of that what the `last` commits of the line took in, 0: all. A merge
    that says nothing and brought several commits is those commits, one by one: it took in another line.
    """
    most = [f"--max-count={last}"] if last else []
    known = (f"^{since}",) if since else ()
    line = _commits(checkout.root, "--first-parent", *most, checkout.commit, *known)
    return [change for commit in line for change in _taken_in(checkout.root, commit, known)]


def _taken_in(root: Path, commit: _Commit, known: tuple[str, ...]) -> Iterator[Change]:
    """`known` is what came before, as git excludes it."""
    if not commit.parents:
        return
    base, *others = commit.parents
    known = (*known, f"^{base}")
    brought = _commits(root, "--no-merges", *others, *known) if others else []
    if len(brought) > 1 and not any(plain(commit.message)):
        for one in _commits(root, "--first-parent", *others, *known):
            yield from _taken_in(root, one, known)
        return
    texts = (commit.message, *(one.message for one in reversed(brought)))
    yield Change(commit.id, base, commit.time, texts)


def _commits(root: Path, *asked: str) -> list[_Commit]:
    listing = answer(root, "rev-list", "--format=%P%n%ct%n%B%x00", "--encoding=UTF-8", *asked)
    rows = (row.lstrip("\n") for row in listing.decode("utf-8", "replace").split("\0")[:-1])
    return [_commit(*row.split("\n", 3)) for row in rows]


def _commit(head: str, parents: str, time: str, message: str) -> _Commit:
    return _Commit(head.removeprefix("commit "), parents.split(), int(time), message.strip())
