"""What a statement may not tell: names, lines and paths that only the fix has. And what it must: names that tests use.

It knows words, and no meaning: prose that describes the fix without naming anything new in it passes.
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from sera_cli import patch as patches
from sera_cli.errors import DataError
from sera_cli.evaluate.replay.splitting import Parts
from sera_cli.git import Checkout
from sera_cli.plumbing import listed, reason, run

_WORD = re.compile(r"[^\W\d]\w{2,}")
_QUOTED = re.compile(r"\"([^\"\\\n]{12,200})\"|'([^'\\\n]{12,200})'|`([^`\\\n]{12,200})`")
_COMMENT = re.compile(r"^\s*(#|//|/?\*|\"\"\"|''').*$|\s(#|//)\s.*$")
_IMPORT = re.compile(r"\b(import|require|use|include|from)\b")
_SYNTAX = re.compile(r"[=(){}\[\];<>]")
SHORTEST = 12
"""Characters of a line of code, without its spaces, from which on it tells something."""


class Fresh(NamedTuple):
    """What a fix brings that the repository does not have: words and lines of code, and paths of new files.

    `wanted` is what of it the tests use too, and nobody can meet them who does not know: files that they import, names,
    texts. The files are `imported`.
    """

    words: frozenset[str]
    lines: frozenset[str]
    paths: frozenset[str]
    wanted: tuple[str, ...]
    imported: frozenset[str]


def fresh(checkout: Checkout, base: str, parts: Parts) -> Fresh:
    """What a fix has and the tree at `base` has not, nor what users were told of it."""
    patch, test_patch = parts.patch, parts.held
    added, tested = _added(patch), "\n".join(_added(test_patch))
    public = _added(parts.news)
    known = {word for line in _kept(patch) for word in _WORD.findall(line)}
    new = {word for line in added for word in _WORD.findall(line)} - known
    words = new - _there(checkout, base, new, word=True)
    code = [_COMMENT.sub("", line) for line in added]
    names = [word for word in sorted(words) if _is_used(word, tested) and any(_is_used(word, line) for line in code)]
    texts = _said(added, _added(test_patch))
    missing = set(texts) - _there(checkout, base, texts, word=False)
    files = {file.new for file in patches.read(patch).files if not file.old}
    imported = frozenset(path for path in files if _is_imported(path, _added(test_patch)))
    lines = {_bare(line) for line in code} - {_bare(line) for line in [*_kept(patch), *_added(test_patch), *public]}
    return Fresh(
        frozenset(words - {word for line in public for word in _WORD.findall(line)}),
        frozenset(line for line in lines if len(line) >= SHORTEST and _SYNTAX.search(line)),
        frozenset(files - imported), (*sorted(imported), *names, *(text for text in texts if text in missing)),
        imported,
    )


def leaks(statement: str, found: Fresh) -> tuple[str, ...]:
    """What of the fix a statement tells that nobody could know who has not seen it: empty where it tells nothing.

    A word counts that is written as a name is, for a plain word may stand in any text. What the tests use counts not.
    """
    wanted = {word for one in found.wanted for word in _WORD.findall(one)}
    words = {word for word in found.words - wanted if _is_told(word, statement)}
    bare = _bare(statement)
    lines = {line for line in found.lines if line in bare and not any(one in line for one in found.wanted)}
    return tuple(sorted({*words, *lines, *(path for path in found.paths if path in statement)}))


def untold(statement: str, found: Fresh) -> tuple[str, ...]:
    """What the tests use that the repository does not have and the statement does not name."""
    return tuple(one for one in found.wanted if not re.search(rf"(?<!\w){re.escape(one)}(?!\w)", statement))


def _there(checkout: Checkout, base: str, texts: Iterable[str], *, word: bool) -> set[str]:
    """Those of the texts that stand in some file of the tree; as whole words where `word`."""
    wanted = sorted(set(texts))
    if not wanted:
        return set()
    options = ("--only-matching", "-h", "-I", "-F", "--no-color", "--no-textconv", *(["-w"] if word else []))
    with listed(wanted) as given:
        done = run(checkout.root, "grep", *options, "-f", "/dev/stdin", base, stdin=given)
    if done.returncode > 1:
        raise DataError(f"git grep failed: {reason(done.stderr)}", checkout.root)
    return set(done.stdout.decode("utf-8", "replace").split("\n"))


def _added(patch: str) -> list[str]:
    return [line[1:] for file in patches.read(patch).files for line in file.lines if line.startswith("+")]


def _kept(patch: str) -> list[str]:
    """The lines that the tree had: those taken away, and those shown round them."""
    return [line[1:] for line in patch.split("\n") if line.startswith((" ", "-")) and not line.startswith("---")]


def _said(added: Iterable[str], tests: Iterable[str]) -> list[str]:
    """The messages that a fix and its tests share, whole or as far as one of them quotes the other."""
    fix, tested = "\n".join(added), re.sub(r"\\([^\w\s])", r"\1", "\n".join(tests))
    return sorted({text for text in _texts(fix) if text in tested} | {text for text in _texts(tested) if text in fix})


def _texts(code: str) -> list[str]:
    """What stands in quotes and has a space: a message."""
    return [text for groups in _QUOTED.findall(code) for text in groups if " " in text.strip()]


def _is_used(word: str, code: str) -> bool:
    """Whether it stands where a name of code does: defined, called, taken from something, given by keyword, a key."""
    name = re.escape(word)
    return bool(re.search(
        rf"(?<=[.@]){name}\b|\b{name}\s*[(=:]|[\"'`]{name}[\"'`]|"
        rf"\b(import|class|def|func|fn|function|type|struct|const)\b[^\n]*\b{name}\b", code))


def _is_imported(path: str, lines: Iterable[str]) -> bool:
    """Whether tests import a file: a line about importing has its name, or that of its folder, where it stands for it.

    >>> _is_imported("shop/stats.py", ["from shop.stats import mean"])
    True
    """
    pure = PurePosixPath(path)
    name = pure.parent.name if pure.stem in ("__init__", "index", "mod") else pure.stem
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") if name else None
    return any(_IMPORT.search(line) and word.search(line) for line in lines) if word else False


def _is_told(word: str, statement: str) -> bool:
    """Whether a statement names it: it looks like a name, or stands there as code does."""
    if "_" in word.strip("_") or re.search(r"[a-z][A-Z]", word):
        return bool(re.search(rf"\b{re.escape(word)}\b", statement))
    code = "\n".join(re.findall(r"`([^`\n]+)`", statement))
    return bool(re.search(rf"\b{re.escape(word)}\b", code) or re.search(rf"\b{re.escape(word)}\(", statement))


def _bare(text: str) -> str:
    return "".join(text.split())
