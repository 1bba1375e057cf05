"""JSONL files of Records: the one place that writes stage files, and the one engine that grows them.

A file's first line is a header with its schema and kind; every other line is one Record. A line without its newline
was torn by a crash: it is cut off, and its work is owed again.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from sera_cli.errors import DataError
from sera_cli.types import Record

SCHEMA = 1
TAIL = 1 << 20
"""Bytes of a file's end that are looked at in one go."""

Item = TypeVar("Item", bound=Record)
Made = TypeVar("Made", bound=Record)


class Place(NamedTuple):
    """Where in its file a record lies, in bytes, and what is known of it without reading it again."""

    start: int
    length: int
    attempt: int
    failed: bool


def read(path: Path, kind: type[Made]) -> dict[str, Made]:
    """All records by id; the last of an id wins. An absent file holds none, a torn last line is ignored.

    Raises DataError, with path and line, for a whole line that is not a `kind`.
    """
    return {record.id: record for _, record in _places(path, kind)}


def scan(path: Path, kind: type[Made]) -> Iterator[Made]:
    """Every record as it was written, one at a time, those that a later attempt replaced among them."""
    return (record for _, record in _places(path, kind))


def about(path: Path, kind: type[Record]) -> dict[str, Any]:
    """What the writer noted in the file's header; nothing of an empty file."""
    with _writing(path), path.open("rb") as file:
        first = file.readline()
        note = _header(first, path, kind).get("about", {}) if first else {}
    return note if isinstance(note, dict) else {}


def index(path: Path, kind: type[Made], seen: Callable[[Made], object] | None = None) -> dict[str, Place]:
    """Where the last record of each id lies. `seen` is shown every record on the way, one at a time."""
    places: dict[str, Place] = {}
    for place, record in _places(path, kind):
        places[record.id] = place
        if seen is not None:
            seen(record)
    return places


def at(path: Path, kind: type[Made], place: Place) -> Made:
    """The record that lies there."""
    with _writing(path), path.open("rb") as file:
        file.seek(place.start)
        return _parse(file.read(place.length), kind, path, None)


def ordered(path: Path, kind: type[Made], ids: Iterable[str]) -> Iterator[Made]:
    """The last record of each of these ids that the file holds, in their order, one at a time."""
    places = index(path, kind)
    return (at(path, kind, places[id_]) for id_ in ids if id_ in places)


def write(path: Path, kind: type[Made], records: Iterable[Made], note: dict[str, Any] | None = None) -> None:
    """Writes a whole file at once: it appears complete or not at all. The records are taken one by one."""
    replace(path, chain([header(kind, note)], map(line, records)))


def atomically(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step, through a temporary file beside it."""
    replace(path, [content])


def replace(path: Path, content: Iterable[bytes]) -> None:
    """The same of content that comes piece by piece; whatever is raised on the way leaves what was there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _writing(path):
        try:
            with part.open("wb") as file:
                file.writelines(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def header(kind: type[Record], about: dict[str, Any] | None = None) -> bytes:
    row: dict[str, Any] = {"sera": SCHEMA, "kind": kind.__name__}
    return json.dumps(row | ({"about": about} if about else {}), ensure_ascii=False).encode() + b"\n"


def line(record: Record) -> bytes:
    return record.model_dump_json().encode() + b"\n"


class Kept(Generic[Made]):
    """A file of records that threads may share: what it holds is given as it is, what it lacks is made and is on disk
    before it is given. Two threads that ask for the same item at once are for the caller to keep apart.

    `places`, what `index` says of the file, spares reading it all, and is kept up to date.
    """

    def __init__(self, path: Path, kind: type[Made], places: dict[str, Place] | None = None) -> None:
        self.places = index(path, kind) if places is None else places
        self._path, self._kind, self._append = path, kind, _appender(path, kind)

    def place(
        self, item: Item, work: Callable[[Item, int], Made], *, retry_failed: bool = False,
        fits: Callable[[Item, Made], bool] | None = None,
    ) -> Place:  # fmt: skip
        """Where the item's record lies. Made by `work(item, attempt)` where there is none, or none that will do."""
        old = self.places.get(item.id)
        if old is not None and not (retry_failed and old.failed) and (fits is None or fits(item, self.at(old))):
            return old
        self.places[item.id] = made = self._append(work(item, old.attempt + 1 if old else 1))
        return made

    def at(self, place: Place) -> Made:
        """The record that lies there."""
        return at(self._path, self._kind, place)


def grow(
    path: Path,
    kind: type[Made],
    items: Iterable[Item],
    work: Callable[[Item, int], Made],
    pool: Executor,
    *,
    retry_failed: bool = False,
    ahead: int = 64,
    queued: int = 64,
    fits: Callable[[Item, Made], bool] | None = None,
    places: dict[str, Place] | None = None,
) -> Iterator[tuple[Item, Made]]:
    """Yields `(item, record)` for every item, in the order of `items`, whatever the order of completion.

    What the file holds is yielded as it is, unless it no longer `fits` its item; what it lacks is made by
    `work(item, attempt)` in the pool and is on disk before it is yielded. At most `ahead` items are taken before the
    oldest is yielded, so that chained calls stream; a record that waits for its turn waits on disk. At most `queued`
    are in the pool at once, so that calls that share it take turns. An item whose id came before is passed over.
    `places`, what `index` says of the file, spares reading it all, and is kept up to date.
    """
    kept = Kept(path, kind, places)
    waiting: deque[tuple[Item, Future[Place]]] = deque()
    busy: set[Future[Place]] = set()
    seen: set[str] = set()

    def make(item: Item) -> Place:
        return kept.place(item, work, retry_failed=retry_failed, fits=fits)

    def oldest() -> tuple[Item, Made]:
        item, made = waiting.popleft()
        return item, kept.at(made.result())

    try:
        for item in items:
            if item.id in seen:
                continue
            seen.add(item.id)
            waiting.append((item, pool.submit(make, item)))
            busy.add(waiting[-1][1])
            while waiting and (len(waiting) >= ahead or waiting[0][1].done()):
                yield oldest()
            if len(busy) >= queued:
                busy = wait(busy, return_when=FIRST_COMPLETED).not_done
        while waiting:
            yield oldest()
    finally:
        for _, made in waiting:
            made.cancel()


def _appender(path: Path, kind: type[Made]) -> Callable[[Made], Place]:
    """Cuts a torn tail, or writes the header of a new file; then appends whole lines, one thread at a time."""
    with _writing(path):
        if path.exists():
            _cut_torn_tail(path)
        if not path.exists() or path.stat().st_size == 0:
            atomically(path, header(kind))
    turn = Lock()

    def append(record: Made) -> Place:
        row = line(record)
        rest = memoryview(row)
        with turn, _writing(path), path.open("ab", buffering=0) as file:  # a buffer would write on when it is closed
            start = file.tell()
            try:
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, start)
                raise
        return Place(start, len(row), record.attempt, record.failed)

    return append


def _cut_torn_tail(path: Path) -> None:
    with path.open("rb") as file:
        keep = end = file.seek(0, os.SEEK_END)
        while keep:
            start = max(0, keep - TAIL)
            file.seek(start)
            found = file.read(keep - start).rfind(b"\n")
            keep = start + found + 1 if found >= 0 else start
            if found >= 0:
                break
    if keep < end:
        os.truncate(path, keep)


def _places(path: Path, kind: type[Made]) -> Iterator[tuple[Place, Made]]:
    if not path.exists():
        return
    with _writing(path), path.open("rb") as file:
        start = 0
        for number, row in enumerate(file, 1):
            if not row.endswith(b"\n"):
                return
            if number == 1:
                _header(row, path, kind)
            else:
                record = _parse(row, kind, path, number)
                yield Place(start, len(row), record.attempt, record.failed), record
            start += len(row)


def _parse(row: bytes, kind: type[Made], path: Path, number: int | None) -> Made:
    try:
        return kind.model_validate_json(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "line"
        text = f"not a {kind.__name__} ({where}: {first['msg']}); remove this line to have its work done again"
        raise DataError(text, path, number) from error


def _header(row: bytes, path: Path, kind: type[Record]) -> dict[str, Any]:
    try:
        found = json.loads(row)
        schema, name = found["sera"], found["kind"]
    except (ValueError, TypeError, KeyError) as error:
        text = f"does not begin with the header of a {kind.__name__} file; was it made by sera?"
        raise DataError(text, path, 1) from error
    if schema != SCHEMA:
        raise DataError(f"schema {schema}; this sera reads schema {SCHEMA}: use the version that wrote it", path, 1)
    if name != kind.__name__:
        raise DataError(f"holds {name} records, not {kind.__name__}", path, 1)
    return dict(found)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Names the file in whatever the operating system complains of: no space, no permission, not there."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.strerror or error}; what was written before is kept", path) from error
