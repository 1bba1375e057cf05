"""The one place that prints. Logs and progress go to stderr; stdout carries what a pipe wants: a table or one JSON.

What comes from a repository is data here: no markup is read in it, and control characters never reach a terminal.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import inf
from textwrap import fill
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

EVERY = 10.0
"""Seconds between two lines about the same work where no terminal shows a bar."""

RECENT = 32
"""Advances of a work that tell its pace; what a resumed run finds done passes out of sight after so many."""

SOON = 2.0
"""Seconds of a work before anything is said of what is left of it."""

ROOMY, NARROW = 100, 70
"""Columns of a terminal below which no bar stands beside its counts, and not how long a work has taken: the room is for
what comes of it.
"""

WIDE = 10_000
"""Columns of a table in a pipe: rows are never folded there."""

_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


@cache
def err() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


@cache
def out() -> "Console":
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(highlight=False, markup=False, emoji=False, width=width)


def say(text: str, *, style: str | None = None, prose: bool = False) -> None:
    """A line for the person who watches. A terminal breaks prose between words; what may be copied, a path in prose
    too, stays one line.
    """
    err().print(_broken(text, err()) if prose else clean(text), style=style, soft_wrap=True)


def show(value: object, *, prose: bool = False) -> None:
    """What was asked for, for people: a line, which is broken as `say` breaks it, a table."""
    if isinstance(value, str):
        out().print(_broken(value, out()) if prose else clean(value), soft_wrap=True)
    else:
        out().print(value)


def _broken(text: str, where: "Console") -> str:
    """A terminal's lines end between words."""
    lines = clean(text).split("\n")
    if where.is_terminal:
        lines = [fill(line, where.width, break_long_words=False, break_on_hyphens=False) for line in lines]
    return "\n".join(lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()) -> object:
    """A table for `show`; numbers, and the columns named so, stand to the right. In a pipe a row is one line."""
    from rich.table import Column, Table

    folded = (  # cut off, a name could not be copied
        Column(name, overflow="fold", justify="right" if name in right else "left") for name in columns)
    grid = Table(*folded, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*(clean(str(cell)) for cell in row))
        for column, cell in zip(grid.columns, row, strict=True):
            column.justify = "right" if isinstance(cell, int | float) else column.justify
    return grid


def paint(spans: Iterable[tuple[str, str]]) -> None:
    """Text on stdout, each stretch in a style of its own, which may be empty; a pipe gets the text alone."""
    from rich.text import Text

    out().print(Text.assemble(*((clean(text), style) for style, text in spans)), soft_wrap=True)


def colours() -> bool:
    """Whether what is painted shows its colours."""
    return bool(out().color_system) and not out().no_color


def document(value: object) -> None:
    """Exactly one JSON document on stdout. A lone surrogate (a path that is not UTF-8) stays a JSON escape."""
    text = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    out().print(text, soft_wrap=True)


def exactly(text: str) -> None:
    """Text for another program, byte for byte; a terminal gets it clean."""
    if sys.stdout.isatty():
        show(text)
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # nobody reads on; what is still buffered must not complain when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def urgent(text: str) -> None:
    """A line from inside a signal handler, where a buffered stream may be in the middle of a write. Bars that are drawn
    anew cover as many rows as they have, the last of them that of the cursor: so many are left below the line.
    """
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    below = "\n" * max([1, *(each.rows() for each in _DRAWN)])
    os.write(2, f"{cursor}\n{text}{below}".encode())


def clean(text: str) -> str:
    """Text that is safe to print: no escape sequences, no lone surrogates."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()


class Pace:
    """How fast a work goes on, by its latest advances."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self._began = inf

    def rest(self, done: int, total: int | None, now: float) -> float | None:
        """The seconds to go; None when it is done, and while nobody can say."""
        self._began = min(self._began, now)
        if not self._marks or done > self._marks[-1][1]:
            self._marks.append((now, done))
        since, before = self._marks[0]
        if total is None or not before < done < total or now - self._began < SOON:
            return None
        return (now - since) / (done - before) * (total - done)

    def left(self, done: int, total: int | None, now: float) -> str:
        """The same in words, as in `0:01:30 left`, or none."""
        rest = self.rest(done, total, now)
        return "" if rest is None else f"{timedelta(seconds=round(rest))} left"


@dataclass(frozen=True)
class Left:
    """The time to go, which grows less while it is shown; nothing once it should have been over."""

    until: float

    def __str__(self) -> str:
        rest = round(self.until - monotonic())
        return f"{timedelta(seconds=rest)} left" if rest > 0 else ""


class Board:
    """What is under way, by name. Threads may call it."""

    def __init__(self, bars: "Progress | None") -> None:
        self._bars = bars
        self._turn = Lock()
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}
        self._said: dict[str, tuple[float, str]] = {}
        self._owed: dict[str, str] = {}
        self._open: set[str] = set()

    def __call__(self, name: str, done: int, total: int | None = None, note: str = "") -> None:
        """`done` of `total` (None: nobody knows yet) of the work called `name`."""
        with self._turn:
            now = monotonic()
            pace = self._paces.setdefault(name, Pace())
            if self._bars is not None:
                until = Left(now + (pace.rest(done, total, now) or 0.0))
                self._bar(self._bars, name, completed=done, total=total, left=until, note=clean(note))
                return
            left = pace.left(done, total, now)
            count = f"{name} {done}" + ("" if total is None else f"/{total}") + (f", {left}" if left else "")
            self._line(name, count + (f"  {note}" if note else ""), now, last=done == total and name not in self._open)

    def rows(self) -> int:
        """Bars on the screen. Takes no lock: a signal handler asks."""
        return len(self._tasks)

    @contextmanager
    def whole(self, name: str) -> Iterator[None]:
        """The work called `name` ends with this, and not as soon as `done` is `total`: more may come of it."""
        self._open.add(name)
        try:
            yield
        finally:
            self._open.discard(name)
            self._settle(name)

    def close(self) -> None:
        """Says where plain lines had not said it yet how far each work came."""
        for name in [*self._owed]:
            self._settle(name)

    def _settle(self, name: str) -> None:
        with self._turn:
            if text := self._owed.pop(name, ""):
                self._line(name, text, monotonic(), last=True)

    def _bar(self, bars: "Progress", name: str, **shown: Any) -> None:
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(clean(name), total=shown["total"], left="", note="")
        bars.update(self._tasks[name], **shown)

    def _line(self, name: str, text: str, now: float, *, last: bool) -> None:
        said, before = self._said.get(name, (-inf, ""))
        if not last and now - said < EVERY:
            self._owed[name] = text
            return
        self._owed.pop(name, None)
        self._said[name] = (now, text)
        if text != before:
            say(text)


_DRAWN: list[Board] = []
"""The board whose bars are on the screen, if one's are."""


@contextmanager
def board() -> Iterator[Board]:
    """Progress on stderr, with the time it will take: bars in a terminal, elsewhere a plain line every few seconds."""
    if not err().is_terminal or err().is_dumb_terminal:
        lines = Board(None)
        try:
            yield lines
        finally:
            lines.close()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    width = err().width
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"), *([BarColumn(bar_width=12)] if width >= ROOMY else ()), MofNCompleteColumn(),
        *([TimeElapsedColumn()] if width >= NARROW else ()), TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}", style="dim", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(*columns, console=err(), expand=True) as bars:
        shown = Board(bars)
        _DRAWN.append(shown)
        try:
            yield shown
        finally:
            _DRAWN.remove(shown)
