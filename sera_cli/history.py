"""Reads the past of a commit: commits spaced over it, when each file last changed, and what people wrote then.

Nothing later than the commit in use is ever looked at, whatever else the repository holds.
"""

from collections.abc import Collection, Iterator
from itertools import takewhile
from typing import NamedTuple

from sera_cli import ignore
from sera_cli.errors import DataError
from sera_cli.git import Checkout
from sera_cli.plumbing import answer

DAY = 86_400
RECENT = 3 * 365
"""Days before the commit in use; a file that did not change in them is simply old."""

MOST = 20_000
"""Commits that are looked at for the last change of files."""

_NAMES = ("--stdin", "-r", "-z", "--root", "--name-only", "--no-renames")


class Dated(NamedTuple):
    commit: str
    time: int


def spaced(checkout: Checkout, count: int, days: int) -> tuple[str, ...]:
    """Up to `count` commits, oldest first, evenly spaced in time over the last `days` before the commit in use.

    Both ends are among them: the commit in use and the first of those days. They are taken from its own line (first
    parents); for every moment in between stands what was the newest then (SERA paper, section 4.3).
    """
    if count == 1:
        return (checkout.commit,)
    line = _line(checkout)
    newest = line[0].time
    window = list(takewhile(lambda one: one.time >= newest - days * DAY, line))
    step = (newest - window[-1].time) / (count - 1)
    between = (newest - round(step * number) for number in range(1, count - 1))
    chosen = {next(one.commit for one in window if one.time <= moment) for moment in between}
    chosen |= {checkout.commit, window[-1].commit}
    return tuple(one.commit for one in reversed(window) if one.commit in chosen)


def ages(checkout: Checkout) -> dict[str, int]:
    """How many days before the commit in use each of the paths that `changes` tells of was changed."""
    newest = _line(checkout, most=1)[0].time
    return {path: (newest - time) // DAY for path, time in changes(checkout).items()}


def changes(checkout: Checkout) -> dict[str, int]:
    """For each path that changed in the last RECENT days before the commit in use, when, in seconds since 1970; never
    later than that commit.

    Nothing of a clone that lacks the trees of older commits.
    """
    newest = _line(checkout, most=1)[0].time
    since = f"--since=@{newest - RECENT * DAY}"
    commits = answer(checkout.root, "rev-list", since, f"--max-count={MOST}", checkout.commit).decode().split()
    try:
        changed = answer(checkout.root, "diff-tree", *_NAMES, "--format=//%ct", given=commits)
    except DataError:
        return {}
    found: dict[str, int] = {}
    for path, time in _changes(changed):
        found[path] = max(found.get(path, newest - RECENT * DAY), min(newest, int(time)))
    return found


def messages(checkout: Checkout, most: int = 5_000) -> tuple[str, ...]:
    """What people wrote with the newest `most` commits, merges too, newest first.

    Nothing of commits that changed what `.seraignore` hides: they may tell of it. Where some of the past is missing,
    as in a clone without older trees, nobody knows which those are: then nothing of any.
    """
    options = ("--format=%B%x00", "--encoding=UTF-8", f"--max-count={most}")
    told = answer(checkout.root, "rev-list", *options, checkout.commit).decode("utf-8", "replace").split("\0")
    parts = [text.lstrip("\n").partition("\n") for text in told[:-1]]
    texts = {head.removeprefix("commit "): text.strip("\n") for head, _, text in parts}
    silent = _silent(checkout, texts)
    return tuple(text for commit, text in texts.items() if commit not in silent)


def _silent(checkout: Checkout, commits: Collection[str]) -> Collection[str]:
    """Those of the commits that changed a path that is hidden now; a merge changed what it brought."""
    lines = ignore.rules(checkout)
    if not lines:
        return ()
    options = (*_NAMES, "--diff-merges=first-parent", "--format=//%H")
    try:
        changes = [*_changes(answer(checkout.root, "diff-tree", *options, given=commits))]
    except DataError:
        return commits
    hidden = ignore.among({path for path, _ in changes}, lines)
    return {commit for path, commit in changes if path in hidden}


def _line(checkout: Checkout, most: int = 0) -> list[Dated]:
    """The commit in use and its first parents, newest first; a clock that once went back is put right."""
    limit = [f"--max-count={most}"] if most else []
    rows = answer(checkout.root, "rev-list", "--first-parent", "--timestamp", *limit, checkout.commit).decode()
    line: list[Dated] = []
    for row in rows.splitlines():
        time, commit = row.split()
        line.append(Dated(commit, min(int(time), line[-1].time) if line else int(time)))
    return line


def _changes(listing: bytes) -> Iterator[tuple[str, str]]:
    """Each path that a commit changed, and what is told of the commit. No path begins with slashes, as that does."""
    about, first = "", False
    for part in filter(None, listing.split(b"\0")):
        if part.startswith(b"//"):
            about, first = part[2:].decode(), True
            continue
        path = part[1:] if first else part  # git ends the line of the commit before the first path
        first = False
        yield path.decode("utf-8", "backslashreplace"), about
