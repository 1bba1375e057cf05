"""A bound on what sandboxes write to disk, and a floor of free disk for the machine: looked after twice a second.

There is no quota on most filesystems, so what is over its bound is noticed and its commands are killed; what they can
write in half a second is how far they get. What nobody can see, such as a file that is removed while open, counts for
nothing until the floor does: on a disk that stays nearly full the commands of all are killed.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from sera_cli.errors import SandboxGone

FLOOR = 1 << 30
PART = 20
"""Bytes that stay free; on a small disk, a twentieth of it."""

FULL = "this machine's disk is nearly full"
"""Why commands are ended below the floor, whoever it was that took the disk."""

STEP = 1 << 26
"""Bytes by which the free disk shrinks before anybody looks who took them."""

INODE = 1 << 12
PER_INODE = 1 << 14
"""Bytes that a file counts for at least; bytes of a disk for which it usually has one inode."""

UNSEEN = (FileNotFoundError, NotADirectoryError, PermissionError)
"""What is gone meanwhile, or closed to this user."""

EVERY = 0.5
SHARE = 20
"""Seconds between two looks; how many times as long as a look took the next one waits."""


def free(folder: Path) -> int:
    """Bytes that this user may still write there, fewer when the files that may still be made would not hold them."""
    about = os.statvfs(folder)
    left = about.f_bavail * about.f_frsize
    return min(left, about.f_favail * PER_INODE) if about.f_files else left


class Looked(Protocol):
    def look(self) -> None: ...


class Written:
    """What one sandbox has written; `strike` ends its commands, from another thread."""

    def __init__(
        self, folder: Path, bound: int, strike: Callable[[], None], *, had: int = 0,
        floor: int = FLOOR, free: Callable[[Path], int] = free,
    ) -> None:
        self._folder, self._bound, self._strike, self._room = folder, bound, strike, free
        self._floor = floor
        self._had, self._most, self._reason, self._struck = had, bound, "", False
        self._free, self._next, self._low = free(folder), 0.0, 0

    def why(self) -> str:
        """Why its commands were ended since this was last asked; empty when they were not."""
        reason, self._reason = self._reason, ""
        return reason

    def look(self) -> None:
        """Measures when the disk says that there may be something to find, and strikes.

        What is over its bound may grow by an eighth before the next strike, so that a command can still tidy up.
        """
        now, left = time.monotonic(), self._room(self._folder)
        if now < self._next or (self._free - left < STEP and left >= self._floor):
            self._free, self._low = max(self._free, left), self._low if left < self._floor else 0
            return
        self._free, taken = left, size(self._folder) - self._had
        self._low = self._low + 1 if left < self._floor else 0
        self._next = now + SHARE * (time.monotonic() - now)
        if self._struck:  # what was written between the last look and the strike
            self._most, self._struck = max(self._most, taken + self._bound // 8), False
        if taken > self._most:
            self._reason = f"more than {self._bound / 2**30:.3g} GiB were written to disk; remove what is not needed"
            self._most = taken + self._bound // 8
        elif left < self._floor and (taken > STEP or self._low > 1):
            self._reason = FULL
        else:
            return
        self._struck = True
        self._strike()


class Watch:
    """Looks after any number of sandboxes with one thread, which is there while one of them is."""

    def __init__(self, bound: int, *, floor: int | None = None) -> None:
        self._bound, self._floor = bound, floor
        self._all: set[Looked] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, folder: Path, strike: Callable[[], None], *, had: int = 0) -> Iterator[Written]:
        """Watches a folder, of which `had` bytes are nobody's doing. SandboxGone when the disk is full already."""
        floor = lowest(folder) if self._floor is None else self._floor
        if free(folder) < floor:
            where = f"less than {floor >> 20} MiB are free at {folder.parent}"
            raise SandboxGone(f"{where}; make room, then run the command again")
        one = Written(folder, self._bound, strike, had=had, floor=floor)
        with self.after(one):
            yield one

    @contextmanager
    def after(self, one: Looked) -> Iterator[None]:
        """Has something looked after by the thread."""
        with self._lock:
            self._all.add(one)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="disk", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._all.discard(one)

    def _look(self) -> None:
        while True:
            with self._lock:
                watched = list(self._all)
                if not watched:
                    self._thread = None
                    return
            for one in watched:
                with suppress(OSError):
                    one.look()
            time.sleep(EVERY)


def lowest(folder: Path) -> int:
    """Bytes that have to stay free on the disk of a folder."""
    about = os.statvfs(folder)
    return min(FLOOR, about.f_blocks * about.f_frsize // PART)


def size(folder: Path) -> int:
    """Bytes on disk of all below a folder; a link counts as itself, and what cannot be looked into as nothing."""
    total, waiting = 0, [str(folder)]
    try:
        while waiting:
            with suppress(*UNSEEN), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    with suppress(*UNSEEN):
                        total += max(INODE, entry.stat(follow_symlinks=False).st_blocks * 512)
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
    except OSError:  # folders that go deeper than a path may be long
        done = subprocess.run(["du", "-s", "-B1", "--", str(folder)], capture_output=True, check=False)
        return int(done.stdout.split()[0]) if done.stdout else total
    return total
