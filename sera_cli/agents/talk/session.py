"""Conversations on disk: a JSONL file each, a line for each thing that happened, in `.sera/chat/` of the project.

A line is on disk before the next thing happens. What a crash left of a line is passed over. Files are the user's alone:
their patches hold what the agent was not shown.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from sera_cli import presence
from sera_cli.errors import ConfigError, DataError
from sera_cli.types import Message, Usage, Value

ENDING = ".jsonl"
LOCK = "lock"


class Turn(Value):
    """What was said, the marks of the files before and after it, and how many messages there were before it."""

    said: str
    before: str
    after: str = ""
    messages: int = 0


class Kept(Value):
    """A conversation as its file tells it. `begun` is the mark from which changes are counted."""

    path: Path
    model: str = ""
    place: str = "copy"
    commit: str = ""
    name: str = ""
    begun: str = ""
    messages: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    used: dict[str, Usage] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.name or self.path.stem

    @property
    def about(self) -> str:
        """What it was about: the first thing that was said."""
        return " ".join(self.turns[0].said.split())[:60] if self.turns else ""


class Session:
    """The open file of a conversation; nothing is written before the first thing is said."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, kind: str, **told: Any) -> None:
        """Raises DataError when the disk takes no more."""
        row = json.dumps({"kind": kind, **told}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        row = b"\n" * self._torn() + row
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, row)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            text = f"cannot be written ({error.strerror}); the conversation is kept there"
            raise DataError(text, self.path) from error

    def _torn(self) -> bool:
        """Whether a crash left a line without its end."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"


@contextmanager
def attended(folder: Path) -> Iterator[None]:
    """Keeps the conversations in a folder from being removed while somebody talks, however many do."""
    with ExitStack() as stack:
        try:
            stack.enter_context(presence.attended(folder / LOCK))
        except OSError as error:
            raise DataError(f"cannot be written ({error.strerror}); conversations are kept there", folder) from error
        yield


def fresh(folder: Path, now: datetime) -> Session:
    """A conversation that begins `now`."""
    name = now.strftime("%Y%m%d-%H%M%S")
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return Session(next(place for one in names if not (place := folder / f"{one}{ENDING}").exists()))


def kept(folder: Path) -> list[Kept]:
    """All conversations in which something was said, the latest first; files that cannot be read are left out."""
    found = (_told(path) for path in sorted(folder.glob(f"*{ENDING}"), key=lambda path: path.stat().st_mtime_ns))
    return [one for one in found if one.turns][::-1]


def find(folder: Path, name: str) -> Kept:
    """The conversation of that name or number, or the `last`. Raises ConfigError when there is none."""
    there = kept(folder)
    if not there:
        raise ConfigError(f"no conversation is kept in {folder}; begin one with: sera chat")
    if name == "last":
        return there[0]
    if name.isdigit() and 1 <= int(name) <= len(there):
        return there[int(name) - 1]
    for one in there:
        if name in (one.name, one.path.stem):
            return one
    raise ConfigError(f"no conversation is called {name!r}; there are {', '.join(one.title for one in there[:5])}")


def _told(path: Path) -> Kept:
    """A conversation; one without turns where somebody wrote into its file what is none."""
    try:
        return _read(path)
    except (KeyError, TypeError, ValueError):
        return Kept(path=path)


def _read(path: Path) -> Kept:
    """What the lines of a file come to, one after the other."""
    state: dict[str, Any] = {}
    messages: list[Message] = []
    turns: list[Turn] = []
    used: dict[str, Usage] = {}
    for row in _rows(path):
        match row:
            case {"kind": "begin"}:
                state |= {key: row[key] for key in ("model", "place", "commit", "begun") if key in row}
            case {"kind": "model" | "named"}:
                state |= {key: row[key] for key in ("model", "name") if key in row}
            case {"kind": "settled"} if turns:
                state["begun"] = row["begun"]
                turns[-1] = turns[-1].model_copy(update={"after": row["after"]})
            case {"kind": "turn"}:
                turns.append(Turn(said=row["said"], before=row["before"], messages=len(messages)))
            case {"kind": "messages"}:
                messages += row["messages"]
            case {"kind": "used"}:
                used[row["model"]] = used.get(row["model"], Usage()) + Usage(**row["usage"])
            case {"kind": "ended"} if turns:
                turns[-1] = turns[-1].model_copy(update={"after": row["after"]})
            case {"kind": "undone"} if turns:
                del messages[turns.pop().messages :]
    return Kept(path=path, messages=tuple(messages), turns=tuple(turns), used=used, **state)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
