"""Rows of a file as they stand in it, one at a time: JSON lines, a JSON list, or a parquet file."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from pydantic import ValidationError

from sera_cli import store
from sera_cli.config import home
from sera_cli.errors import DataError, ModelError
from sera_cli.harness.wire.family import Wire
from sera_cli.types import Sample

PIECE = 1 << 20
"""Bytes of a JSON list, and rows of a parquet file over 8192, that are looked at in one go."""

HEADER = re.compile(rb'\{"sera": ?\d+, ?"kind": ?"(\w+)"')
"""How the first line of a stage file of ours begins."""

MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{}"]', re.DOTALL)
"""A whole string, a bracket, or the quote of a string whose end is not in sight yet."""

Json = dict[str, Any]


class Found(NamedTuple):
    """A row: the line it begins on, where it lies in its file in bytes, and its JSON."""

    line: int
    start: int
    text: bytes


def found(path: Path) -> Iterator[Found]:
    """The rows of a JSONL file, or of a `.json` that holds a list, without blank lines and the header of a stage file.

    Raises DataError for a file that cannot be read, and for one of our own that does not hold samples.
    """
    with reading(path), path.open("rb") as file:
        rows = _listed(file, path) if path.suffix == ".json" and file.read(PIECE).lstrip()[:1] == b"[" else _lines(file)
        file.seek(0)
        for row in rows:
            if row.line > 1 or not _is_header(row.text, path):
                yield row


def records(path: Path) -> str:
    """The kind of record that a stage file of ours holds; empty for any other file."""
    with reading(path), path.open("rb") as file:
        ours = HEADER.match(file.readline(PIECE))
    return ours[1].decode() if ours else ""


def spoken(path: Path) -> Wire:
    """How the text of a samples file of ours is written, which its header says; of another file, how most is."""
    if path.suffix == ".parquet":
        return Wire()
    with reading(path), path.open("rb") as file:
        ours = _is_header(file.readline(PIECE), path)
    return written(store.about(path, Sample), path) if ours else Wire()


def written(note: Mapping[str, Any], path: Path) -> Wire:
    """How the samples of a file are written, by the note in its header; one that does not say is Qwen3's.

    Raises DataError for what is unknown.
    """
    try:
        return Wire.model_validate(note.get("wire") or {})
    except ValidationError as error:
        text = "its samples are written in a way that this sera does not know; use the one that made them"
        raise DataError(text, path, 1) from error


def parsed(text: bytes) -> Json:
    """The row that stands in a text. Raises ValueError for one that is not a JSON object."""
    try:
        row = json.loads(text.decode("utf-8-sig").strip())
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(row, dict):
        raise ValueError(f"a row is a JSON object with messages, and this is a {type(row).__name__}")
    return row


def unpacked(path: Path, copy: Path) -> Path:
    """The file itself; of a parquet file a copy as JSON lines, made a few rows at a time, one line to a row."""
    if path.suffix != ".parquet":
        return path
    write(_of_parquet(path), copy)
    return copy


def write(rows: Iterator[Json], path: Path) -> None:
    """Rows as JSON lines, one at a time. What is no JSON, such as a date, becomes its text."""
    with path.open("wb") as file:
        file.writelines(json.dumps(row, default=str).encode() + b"\n" for row in rows)


def without_nulls(value: Any) -> Any:
    """A value of Arrow's without the fields it lacks: there every row has all the fields that any row has."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


@contextmanager
def parted(path: Path) -> Iterator[Path]:
    """A hidden folder beside it for as long as it takes. A link tells `sera clean` of it, should this be killed."""
    with TemporaryDirectory(
        prefix=f".{path.name}.{os.getpid()}.", suffix=".part", dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        link = home("data") / "parts" / Path(folder).name
        with suppress(OSError):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(folder).absolute())
        try:
            yield Path(folder)
        finally:
            with suppress(OSError):
                link.unlink()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Names the file in whatever the operating system complains of."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"cannot be read ({why}); name a .jsonl, .json or .parquet file", path) from error


def _lines(file: IO[bytes]) -> Iterator[Found]:
    start = 0
    for number, line in enumerate(file, 1):
        if line.strip():
            yield Found(number, start, line)
        start += len(line)


def _listed(file: IO[bytes], path: Path) -> Iterator[Found]:
    """The elements of a JSON list, found by their brackets; no more than one of them is held."""
    ahead, base, at, line, counted, depth, begun, end = b"", 0, 0, 1, 0, 0, 0, 0
    while True:
        mark = MARK.search(ahead, at)
        if mark is None or mark[0] == b'"':
            more = file.read(max(PIECE, len(ahead)))
            if not more:
                break
            gone = begun if depth > 1 else end
            line += ahead.count(b"\n", counted, gone)
            ahead, base, at = ahead[gone:] + more, base + gone, (mark.start() if mark else len(ahead)) - gone
            begun, end, counted = begun - gone, end - gone, 0
            continue
        at = mark.end()
        if mark[0] in b"[{":
            depth += 1
            begun = mark.start() if depth == 2 else begun
            between = ahead[end:begun].strip() if depth == 2 else b","
            if between not in (b"[", b",") or (depth == 1 and end):
                break
        elif mark[0] in b"]}":
            depth -= 1
            if depth == 1:
                line, counted, end = line + ahead.count(b"\n", counted, begun), begun, at
                yield Found(line, base + begun, ahead[begun:end])
            elif depth == 0:
                break
    rest = ahead[end:].strip()
    if depth or rest not in (b"]", b"[]"):
        where = line + ahead.count(b"\n", counted, end)
        raise DataError("not a list of rows from here on; is it half a file, or are these not objects?", path, where)


def _of_parquet(path: Path) -> Iterator[Json]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ModelError("parquet files are read with pyarrow; run: pip install 'sera[train]'") from error
    try:
        with reading(path), path.open("rb") as opened, ParquetFile(opened, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=PIECE // 8192):
                yield from map(without_nulls, batch.to_pylist())
    except ArrowException as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"not a parquet file that can be read ({why})", path) from error


def _is_header(line: bytes, path: Path) -> bool:
    """Whether a first line is the header of a file of ours. Raises DataError when it is not one of samples."""
    ours = HEADER.match(line)
    if ours and ours[1] != b"Sample":
        text = f"holds {ours[1].decode()} records, not samples; name the samples file of a run, or export them"
        raise DataError(text, path, 1)
    return bool(ours)
