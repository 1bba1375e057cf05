"""Tests that stand inside a file of code, as Rust has them: told apart from the code, and put back into what it became.

Such a file is fix and test in one, so no patch of whole files can hold its tests back. What is told apart is one
module at the margin under `#[cfg(test)]`, as rustfmt writes it; where other tests of a file change, nothing is.
"""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sera_cli.plumbing import run
from sera_cli.types import Value, digest

_MARK = "#[cfg(test)]"
_MODULE = re.compile(r"(pub(\([^)]*\))? )?mod [A-Za-z0-9_]+ *\{")
_BETWEEN = re.compile(r"#|//|[ \t]*$")
_TESTS = re.compile(r"#\[(?:[\w:]+::)?test\b|\bcfg\(.*\btest\b")
_QUOTE = re.compile(r"(?<!['\\])\"")
"""What begins or ends a text; after an odd number of them one is open."""

# The same, of a file as an agent left it: each such module is left out.
_CODE = r"""awk '{ line[NR] = $0 }
!open && $0 == "#[cfg(test)]" { if (!from) from = NR; next }
!open && from && /^(pub(\([^)]*\))? )?mod [A-Za-z0-9_]+ *\{/ { open = 1; next }
open && $0 == "}" { for (i = from; i <= NR; i++) cut[i] = 1; open = from = 0; next }
!open && !/^(#|\/\/|[ \t]*$)/ { from = 0 }
END { for (i = 1; i <= NR; i++) if (!(i in cut)) print line[i] }'"""


class Inside(Value):
    """The tests that a change leaves in a file of code; empty where it takes them away."""

    path: str
    text: str


class Parted(NamedTuple):
    """A file's code and its tests; `end` is the code after them."""

    code: str
    tests: str = ""
    end: str = ""


class Version(NamedTuple):
    """A file of a change: what it was, None where it is new, what the change makes of it, that with the tests that were
    there before, and the tests that the change brings.
    """

    path: str
    old: str | None
    new: str
    bare: str
    tests: str


def parted(text: str) -> Parted | None:
    """A file with its one module of tests told apart; None where it has several, or seems to end inside a text.

    >>> parted("fn a() {}\\n\\n#[cfg(test)]\\nmod tests {\\n    use super::*;\\n}\\n").tests
    '#[cfg(test)]\\nmod tests {\\n    use super::*;\\n}\\n'
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    spans = _spans([line.removesuffix("\n") for line in lines])
    if not spans:
        return Parted(text)
    (start, stop), *others = spans
    code, tests, end = ("".join(some) for some in (lines[:start], lines[start:stop], lines[stop:]))
    return None if others or len(_QUOTE.findall(tests)) % 2 else Parted(code, tests, end)


def version(path: str, old: str | None, new: str) -> Version | None:
    """A file of a change with its tests told apart: `bare` is `new` where the change touches none of them.

    None where it touches tests that cannot be told from the code around them.
    """
    before, after = parted(old or ""), parted(new)
    if before is None or after is None:
        return Version(path, old, new, new, "") if old is not None and _tests(old) == _tests(new) else None
    if _tests(before.code + before.end) != _tests(after.code + after.end):
        return None
    return Version(path, old, new, f"{after.code}{before.tests}{after.end}", after.tests)


def patch(root: Path, versions: Sequence[tuple[str, str | None, str]]) -> str:
    """The diff of files, each given by its path and its text before, None where it is new, and after."""
    if not versions:
        return ""
    with TemporaryDirectory() as folder:
        for path, *texts in versions:
            for side, text in zip("ab", texts, strict=True):
                at = Path(folder, side, path)
                at.parent.mkdir(parents=True, exist_ok=True)
                if text is not None:
                    at.write_text(text, encoding="utf-8", newline="")
        options = ("--no-index", "--no-prefix", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
        done = run(root, "-C", folder, "diff", *options, "a", "b")
    said = done.stdout.decode("utf-8")
    return re.sub(r"(?m)^diff --git b/(.+) b/\1$", r"diff --git a/\1 b/\1", said)


def putting(inside: Sequence[Inside]) -> list[str]:
    """Bash that gives files of code these tests, in place of those they have, in the folder of the repository."""
    lines: list[str] = []
    for one in inside:
        at, end = shlex.quote(one.path), f"EOF_{digest(one.text)}"
        lines += [f"sera_code=$({_CODE} {at}; echo .)", f"{{ printf %s \"${{sera_code%.}}\"; cat <<'{end}'; }} >{at}"]
        lines += [one.text.removesuffix("\n"), end]
    return lines


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where the modules of tests stand, from the line of their mark to that after their last."""
    found: list[tuple[int, int]] = []
    start, open_ = -1, False
    for number, line in enumerate(lines):
        if open_:
            if line == "}":
                found.append((start, number + 1))
                start, open_ = -1, False
        elif line == _MARK:
            start = number if start < 0 else start
        elif start >= 0 and _MODULE.match(line):
            open_ = True
        elif not _BETWEEN.match(line):
            start = -1
    return found


def _tests(text: str) -> list[str]:
    """The lines that belong to tests, wherever they stand: from each that says so to the end of what it is about."""
    found: list[str] = []
    margin: str | None = None
    for line in text.split("\n"):
        if margin is None and _TESTS.search(line):
            margin = line[: len(line) - len(line.lstrip())]
        if margin is not None:
            found.append(line)
            if re.match(rf"{margin}\S.*[;,}}]\s*$|{margin}}}", line):
                margin = None
    return found
