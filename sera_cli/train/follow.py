"""What a training says of itself while it runs: read off metrics.jsonl, whoever writes it, in whatever process."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import NamedTuple

from sera_cli.train.metrics import Row, Tell, words

EVERY = 0.5
"""Seconds between two looks at the file."""


class Mark(NamedTuple):
    """How far a file was read: which file it was, up to which byte, and how many steps it said there will be."""

    file: int = 0
    read: int = 0
    steps: int = 0


def follow(
    path: Path, tell: Tell, alive: Callable[[], bool], *, wait: Callable[[float], object] = sleep
) -> None:
    """Tells the latest step whenever there is a new one, for as long as whoever writes the file is `alive`."""
    mark, going = Mark(), True
    while going:
        going = alive()
        mark = look(path, tell, mark)
        if going:
            wait(EVERY)


@contextmanager
def following(path: Path, tell: Tell) -> Iterator[None]:
    """Tells of a training that goes on inside the `with`, in this process or in one that it waits for."""
    over = Event()
    watcher = Thread(
        target=follow, args=(path, tell, lambda: not over.is_set()), kwargs={"wait": over.wait}, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def look(path: Path, tell: Tell, mark: Mark) -> Mark:
    """Tells the last of the steps written behind the mark, if there is one; returns the mark behind them.

    A file that was put in place anew, as on resume, is read from its beginning; a torn line waits for its rest.
    """
    latest = None
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if mark.file != about.st_ino or mark.read > about.st_size:
                mark = Mark(about.st_ino)
            file.seek(mark.read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                row = _row(line)
                mark = Mark(mark.file, mark.read + len(line), row.get("steps", mark.steps))
                latest = row if "tokens_per_second" in row else latest
    except FileNotFoundError:
        return mark
    if latest:
        tell(latest["step"], mark.steps, words(latest))
    return mark


def _row(line: bytes) -> Row:
    """A line that is none of ours, as after the machine lost its power, tells nothing."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
