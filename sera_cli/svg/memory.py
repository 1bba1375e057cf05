"""Remembers what files hold: one that was read once is not read again, at whatever commit it is met.

The memory is one SQLite file, for its owner's eyes alone: it tells names, heads and first lines of documentation of the
code that was read, and of tests digests of their words, but keeps no page in which a secret was found. Beside pages it
has notes of whole repositories. Whatever is wrong with it, files are read anew.
"""

import hmac
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import sera_cli
from sera_cli.redact.known import known, machine_key
from sera_cli.svg.languages import LANGUAGES
from sera_cli.svg.pages import Page, heard

MOST = 500_000_000
"""Bytes of pages beyond which those go that were not asked for the longest."""

LARGEST = 100_000_000
"""Bytes of a note beyond which it is not worth its room."""

PATIENCE = 5
"""Seconds to wait for another process that writes; longer ones are not worth it."""

DAY = 86_400
_ASKED = 500
"""Pages asked for in one statement."""

_TABLE = "CREATE TABLE IF NOT EXISTS pages (name BLOB PRIMARY KEY, used INTEGER, seal BLOB, page BLOB)"
_OLDEST = """DELETE FROM pages WHERE name IN
    (SELECT name FROM pages ORDER BY used LIMIT (SELECT count(*) / 4 + 1 FROM pages))"""
_ASK = "SELECT CAST(name AS BLOB), CAST(seal AS BLOB), CAST(page AS BLOB), used < ? FROM pages WHERE name IN"
_BROKEN = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""What SQLite says of a file that it does not understand; not of one that others hold, or of a full disk."""

Given = TypeVar("Given")
Row = tuple[bytes, bytes, bytes]
"""A page by its name, with its seal before it."""


class Key(NamedTuple):
    """What decides what a page says, beside the reader: the file's path and blob, and what the repository declares."""

    path: str
    blob: str
    declared: str


def recall(place: Path, keys: Collection[Key]) -> dict[Key, Page]:
    """The pages that the memory at `place` has of these, as this reader made them, and only whole ones."""
    names = {_name(key): key for key in keys}
    return {names[name]: heard(told) for name, told in _whole(place, names)}


def remember(place: Path, pages: Mapping[Key, bytes]) -> None:
    """Adds pages, as bytes, to the memory."""
    _write(place, ((_name(key), told) for key, told in pages.items()))


def noted(place: Path, about: Sequence[str]) -> bytes:
    """What this reader noted of something else than a page; nothing where that is not whole."""
    return next((told for _, told in _whole(place, [_name(about)])), b"")


def note(place: Path, about: Sequence[str], told: bytes) -> None:
    """Notes it, unless it is more than a database should hold in one place."""
    if len(told) < LARGEST:
        _write(place, [(_name(about), told)])


def _whole(place: Path, names: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Those of the rows that this machine wrote, and that hold nothing that is known to be secret now."""
    secrets = [value.encode("utf-8", "surrogatepass") for value in known()]
    key = machine_key()
    for name, seal, told in _within(place, lambda base: list(_found(base, names)), default=list[Row]()):
        if seal == _seal(key, name, told) and not (secrets and any(secret in told for secret in secrets)):
            yield name, told


def _write(place: Path, named: Iterable[tuple[bytes, bytes]]) -> None:
    key = machine_key()
    rows = ((name, _seal(key, name, told), told) for name, told in named)
    _within(place, lambda base: _add(base, rows), default=None)


def _found(base: sqlite3.Connection, names: Collection[bytes]) -> Iterator[Row]:
    """The rows of these names, with a note that they were asked for today."""
    waiting, now = iter(names), int(time.time())
    while some := list(islice(waiting, _ASKED)):
        marks = f"({','.join('?' * len(some))})"
        rows = base.execute(f"{_ASK} {marks}", (now - DAY, *some)).fetchall()
        if any(old for *_, old in rows):
            base.execute(f"UPDATE pages SET used = ? WHERE used < ? AND name IN {marks}", (now, now - DAY, *some))
        yield from ((name, seal or b"", told or b"") for name, seal, told, _ in rows)


def _add(base: sqlite3.Connection, rows: Iterable[Row]) -> None:
    now = int(time.time())
    base.executemany(f"INSERT OR REPLACE INTO pages VALUES (?, {now}, ?, ?)", rows)
    while _size(base) > MOST:
        base.execute(_OLDEST)


def _size(base: sqlite3.Connection) -> int:
    """Bytes in use; what was removed leaves room in the file for what comes."""
    asked = ("page_count", "freelist_count", "page_size")
    count, free, each = (base.execute(f"PRAGMA {what}").fetchone()[0] for what in asked)
    return int((count - free) * each)


def _within(place: Path, work: Callable[[sqlite3.Connection], Given], *, default: Given) -> Given:
    """What `work` gives, done as one change; the default where the file cannot be had. A file that is none goes."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        place.chmod(0o600)
        with closing(sqlite3.connect(place, timeout=PATIENCE)) as base, base:
            base.execute(_TABLE)
            return work(base)
    except OSError:
        return default
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _BROKEN:
            place.unlink(missing_ok=True)
        return default


def _name(about: Sequence[str]) -> bytes:
    return sha256("\0".join((_reader(), *about)).encode("utf-8", "surrogatepass")).digest()[:16]


def _seal(key: bytes, name: bytes, told: bytes) -> bytes:
    """What only who has the key can put on a page: one from another machine, or that was changed, lacks it."""
    return hmac.digest(key, name + told, "sha256")[:16]


@cache
def _reader() -> str:
    """All that decides how a file is read: this program, Python's own parser, and the grammars."""
    here = Path(sera_cli.__file__).parent
    sources = sorted(path for room in ("svg", "redact") for path in (here / room).rglob("*.py"))
    said = sha256(b"\0".join(path.read_bytes() for path in [here / "types.py", *sources])).hexdigest()
    grammars = sorted({language.grammar.replace("_", "-") for language in LANGUAGES} | {"tree-sitter"})
    return " ".join([said, sys.version, *map(_version, grammars)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
