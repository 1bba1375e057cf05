"""Unified diffs as values: the lines a patch changes, how many of them another has, its size and files."""

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unidiff import PatchSet

HEADERS = ("diff", "---", "+++", "@@")


def changes(patch: str) -> list[str]:
    """The added and removed lines that count for recall, signs kept, in order (SERA paper, section 3.1).

    Blank edits do not count. Neither does a removed line that itself begins with `--`, nor an added one that
    begins with `++`: the paper's rule takes them for headers, and recall is to mean the same here.
    """
    return [
        line for line in patch.splitlines()
        if line.startswith(("+", "-")) and not line.startswith(HEADERS) and line[1:].strip()
    ]


def recall(target: str, produced: str) -> tuple[int, int]:
    """How many of the target's changes the produced patch holds too, and how many there are.

    Lines are compared as a multiset, sign and whitespace included; files and order do not matter (SERA paper,
    section 3.1).
    """
    wanted, found = Counter(changes(target)), Counter(changes(produced))
    return (wanted & found).total(), wanted.total()


def size(patch: str) -> int:
    """Added plus removed lines, blank ones too; of a patch that unidiff cannot read, what `changes` finds."""
    read = _read(patch)
    return len(changes(patch)) if read is None else sum(file.added + file.removed for file in read)


def files(patch: str) -> list[str]:
    """The paths a patch touches, each once, in its order; the new one of a renamed file.

    Of a patch that unidiff cannot read, what its `---` and `+++` lines name.
    """
    read = _read(patch)
    if read is None:
        return list(dict.fromkeys(re.findall(r"^(?:--- a|\+\+\+ b)/([^\t\n]+)", patch, re.MULTILINE)))
    return list(dict.fromkeys(file.path for file in read))


def _read(patch: str) -> "PatchSet | None":
    from unidiff import PatchSet
    from unidiff.errors import UnidiffParseError

    try:
        return PatchSet(patch)
    except UnidiffParseError:
        return None
