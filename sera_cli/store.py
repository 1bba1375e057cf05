"""Run folders and the JSONL files in them: the one place that writes stage files, and the one engine that grows them.

A file's first line is a header with its schema and kind; every other line is one Record. A line without its newline
was torn by a crash: it is cut off, and its work is owed again.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from pydantic import ValidationError

from sera_cli.errors import DataError, SeraError
from sera_cli.types import Record

SCHEMA = 1
Item = TypeVar("Item", bound=Record)
Made = TypeVar("Made", bound=Record)


def header(kind: type[Record], about: dict[str, Any] | None = None) -> bytes:
    row: dict[str, Any] = {"sera": SCHEMA, "kind": kind.__name__}
    return json.dumps(row | ({"about": about} if about else {}), ensure_ascii=False).encode() + b"\n"


def line(record: Record) -> bytes:
    return record.model_dump_json().encode("utf-8", "surrogatepass") + b"\n"


def read(path: Path, kind: type[Made]) -> dict[str, Made]:
    """All records by id; the last of an id wins. An absent file holds none, a torn last line is ignored.

    Raises DataError, with path and line, for a whole line that is not a `kind`.
    """
    found: dict[str, Made] = {}
    for number, row in _lines(path, kind):
        try:
            record = kind.model_validate_json(row)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "line"
            raise DataError(
                f"not a {kind.__name__} ({where}: {first['msg']}); remove this line to have its work done again",
                path, number,
            ) from error
        found[record.id] = record
    return found


def about(path: Path, kind: type[Record]) -> dict[str, Any]:
    """What the writer noted in the file's header."""
    with _opening(path):
        first = path.read_bytes().partition(b"\n")[0]
    note = _header(first, path, kind).get("about", {})
    return note if isinstance(note, dict) else {}


def write(path: Path, kind: type[Made], records: Iterable[Made], note: dict[str, Any] | None = None) -> None:
    """Writes a whole file at once: it appears complete or not at all."""
    atomically(path, b"".join([header(kind, note), *map(line, records)]))


def atomically(path: Path, content: bytes) -> None:
    """Replaces `path` by `content` in one step, through a temporary file beside it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _opening(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def grow(
    path: Path, kind: type[Made], items: Iterable[Item], work: Callable[[Item, int], Made], pool: Executor,
    *, retry_failed: bool = False, ahead: int = 64,
) -> Iterator[tuple[Item, Made]]:
    """Yields `(item, record)` for every item, in the order of `items`, whatever the order of completion.

    What the file holds is yielded as it is; what it lacks is made by `work(item, attempt)` in the pool and is on disk
    before it is yielded. At most `ahead` items are taken before the oldest is yielded, so chained calls stream.
    """
    known = read(path, kind)
    append = _appender(path, kind)

    def make(item: Item, attempt: int) -> Made:
        record = work(item, attempt)
        append(record)
        return record

    waiting: list[tuple[Item, Future[Made] | Made]] = []
    seen: dict[str, Future[Made] | Made] = {}
    try:
        for item in items:
            old = known.get(item.id)
            if item.id in seen:
                made = seen[item.id]
            elif old is not None and not (retry_failed and old.failed):
                made = old
            else:
                made = pool.submit(make, item, old.attempt + 1 if old else 1)
            seen[item.id] = made
            waiting.append((item, made))
            while waiting and (len(waiting) >= ahead or _ready(waiting[0][1])):
                head, made = waiting.pop(0)
                yield head, made.result() if isinstance(made, Future) else made
        while waiting:
            head, made = waiting.pop(0)
            yield head, made.result() if isinstance(made, Future) else made
    finally:
        for _, made in waiting:
            if isinstance(made, Future):
                made.cancel()


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Holds a run folder for this process. Raises SeraError when another one holds it."""
    with _opening(folder / "lock"):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SeraError(f"another sera is working in {folder}; wait for it, or name another run with --run") from None
        yield


def _ready(made: object) -> bool:
    return not isinstance(made, Future) or made.done()


def _appender(path: Path, kind: type[Made]) -> Callable[[Made], None]:
    """Opens for appending once: cuts a torn tail, or writes the header of a new file."""
    with _opening(path):
        whole = path.read_bytes() if path.exists() else b""
        keep = whole.rfind(b"\n") + 1
        if keep < len(whole):
            os.truncate(path, keep)
        if keep == 0:
            atomically(path, header(kind))
    turn = Lock()

    def append(record: Made) -> None:
        with turn, _opening(path), path.open("ab") as file:
            start = file.tell()
            try:
                file.write(line(record))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, start)
                raise

    return append


def _lines(path: Path, kind: type[Record]) -> Iterator[tuple[int, bytes]]:
    if not path.exists():
        return
    with _opening(path):
        whole = path.read_bytes()
    rows = whole[: whole.rfind(b"\n") + 1].split(b"\n")[:-1]
    if rows:
        _header(rows[0], path, kind)
    yield from ((number, row) for number, row in enumerate(rows[1:], 2))


def _header(row: bytes, path: Path, kind: type[Record]) -> dict[str, Any]:
    try:
        found = json.loads(row)
        schema, name = found["sera"], found["kind"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"does not begin with the header of a {kind.__name__} file; was it made by sera?", path, 1) from error
    if schema != SCHEMA:
        raise DataError(f"schema {schema}; this sera reads schema {SCHEMA}: use the version that wrote it", path, 1)
    if name != kind.__name__:
        raise DataError(f"holds {name} records, not {kind.__name__}", path, 1)
    return dict(found)


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.strerror or error}; what was written before is kept", path) from error
