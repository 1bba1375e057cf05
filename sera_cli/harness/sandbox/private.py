"""Private folders that go away: on leaving, and after a kill that left no time for it, by the next sera that comes by.

A folder is locked while its maker lives; a lock that can be had is the mark of one left behind.
"""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

PREFIX = "sera-"
SETTLED = 60.0
"""Seconds after which a folder without a held lock is not just being made."""


@contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder of this user's alone, in `parent` or where temporary files go; gone on leaving."""
    where = Path(tempfile.gettempdir()) if parent is None else parent
    _sweep(where)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where)).resolve()
    try:
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """By rm, which no depth of folders stops; a folder that a command has closed is opened first."""
    for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], check=False, capture_output=True)
        if not folder.exists():
            return


def _sweep(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/lock"):
        with suppress(OSError), lock.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_uid == os.geteuid() and time() - about.st_mtime > SETTLED:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(lock.parent)
