"""Rows of any format made into plain chat rows of ours, each looked at, and those that cannot be read named."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from sera_cli import store
from sera_cli.data import files, formats
from sera_cli.data.chat import Chat
from sera_cli.data.formats import messages
from sera_cli.data.writers import line
from sera_cli.errors import ConfigError, DataError
from sera_cli.types import Value
from sera_cli.wording import counted

Format = Literal["auto", "messages", "ai2", "axolotl"]

HELDOUT, TWICE, BAD = "held out", "said twice", "bad"
NAMED = 10
"""Bad rows that are named one by one."""


class Bad(Value):
    """A row that cannot be read: where it stands, and what is wrong with it."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class Taken(Value):
    """How many rows were written, how many of them were in which format, and how many were left out and why.

    `bad` are the first rows that cannot be read.
    """

    rows: int
    formats: dict[str, int]
    dropped: dict[str, int]
    bad: tuple[Bad, ...] = ()


class Row(NamedTuple):
    """A conversation and the format it is in. Of a row that cannot be read what is wrong; of one held out neither."""

    chat: Chat | None
    format: str = ""
    bad: Bad | None = None


def take(paths: Iterable[Path], format: str, out: Path, *, skip_bad: bool = False) -> Taken:
    """Writes the conversations of these files to `out`, each once, in their order, as rows that `draw` reads.

    `format` says what all rows are in; with "auto" each is looked at. The file appears whole or not at all: a row that
    cannot be read ends it, after all are looked at, unless it may be skipped, and then nothing is written. Raises
    ConfigError for another format and where `out` is there, DataError for what cannot be read or written.
    """
    if format not in get_args(Format):
        raise ConfigError(f"--format is one of {', '.join(get_args(Format))}; it is {format!r}")
    if out.suffix != ".jsonl":
        raise ConfigError(f"{out}: rows are written as lines of JSON; name a .jsonl file with --out")
    if out.exists():
        raise ConfigError(f"{out} is there already; remove it, or name another file with --out")
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is no folder; make it, or name another file with --out")
    form: formats.Read | None = next((known for known in get_args(formats.Read) if known == format), None)
    kinds, dropped, bad = Counter[str](), Counter[str](), list[Bad]()
    seen: set[str] = set()

    def lines() -> Iterator[bytes]:
        for path in paths:
            for row in _rows(path, form, out):
                if row.chat is None:
                    dropped[BAD if row.bad else HELDOUT] += 1
                    bad.extend([row.bad] if row.bad and len(bad) < NAMED else [])
                elif row.chat.id in seen:
                    dropped[TWICE] += 1
                else:
                    seen.add(row.chat.id)
                    kinds[row.format] += 1
                    yield line(messages.write(row.chat))
        if bad and not skip_bad:
            raise BadRows(taken())
        if not seen:
            raise DataError("no rows to write: the files hold none that can be read")

    def taken() -> Taken:
        return Taken(rows=len(seen), formats=dict(sorted(kinds.items())), dropped=dict(sorted(dropped.items())),
                     bad=tuple(bad))  # fmt: skip

    store.replace(out, lines())
    return taken()


class BadRows(DataError):
    """Rows that cannot be read; `taken` names them."""

    def __init__(self, taken: Taken) -> None:
        rows = counted(taken.dropped[BAD], "row")
        super().__init__(f"{rows} cannot be read, so nothing was written; mend them, or leave them out with --skip-bad")
        self.taken = taken

    def beside(self) -> dict[str, Any]:
        return {"rows": [row.model_dump() for row in self.taken.bad]}


def _rows(path: Path, form: formats.Read | None, out: Path) -> Iterator[Row]:
    with files.parted(out) as folder:
        spoken = files.spoken(path)
        for found in files.found(files.unpacked(path, folder / "rows.jsonl")):
            try:
                row = files.parsed(found.text)
                kind = form or formats.kind(row)
                if row.get("heldout"):
                    yield Row(None)
                    continue
                chat = formats.read(row, form=kind, spoken=spoken)
            except ValueError as error:
                yield Row(None, bad=Bad(file=str(path), line=found.line, what=str(error)))
                continue
            yield Row(chat if chat.source else chat.model_copy(update={"source": path.name}), kind)
