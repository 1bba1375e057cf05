"""Private folders that go away: on leaving, and after a kill that left no time for it, by the next sera that comes by.

A folder is locked while its maker lives; a lock that can be had is the mark of one left behind. Until it is locked, its
name begins with a dot.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic, sleep, time

from sera_cli.harness.sandbox.pipes import GRACE
from sera_cli.harness.sandbox.process import marked

PREFIX = "sera-"
SETTLED = 60.0
EVERY = 600.0
"""Seconds after which a folder that is just being made is one no longer; seconds from one sweep to the next."""


@contextmanager
def private_folder(parent: Path | None = None, label: str = "") -> Iterator[Path]:
    """A new folder of this user's alone, in `parent` or where temporary files go; gone on leaving.

    Its name holds the plain letters of `label`.
    """
    where = Path(tempfile.gettempdir()) if parent is None else parent
    _tidied(where, int(time() // EVERY))
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", label)[:40] + "-" * bool(label)
    folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}{plain}", dir=where)).resolve()
    try:
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = folder.rename(folder.with_name(folder.name[1:]))
            yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """What Python cannot remove, because folders go too deep or a command has closed them, chmod and rm can. A link
    goes, and not what it leads to.
    """
    try:
        folder.unlink() if folder.is_symlink() or folder.is_file() else shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], check=False, capture_output=True)


def leftovers(parent: Path | None = None) -> list[Path]:
    """The folders in `parent`, or where temporary files go, whose maker is dead."""
    where = Path(tempfile.gettempdir()) if parent is None else parent
    return [folder for name in (PREFIX, f".{PREFIX}") for folder in sorted(where.glob(f"{name}*")) if _left(folder)]


def sweep(parent: Path | None = None) -> list[Path]:
    """Removes the leftovers, after what still runs in them, and says which are gone."""
    found = leftovers(parent)
    for folder in found:
        end = monotonic() + GRACE
        while marked(f"HOME={folder}/") and monotonic() < end:
            sleep(0.001)
        remove(folder)
    return [folder for folder in found if not folder.exists()]


@lru_cache(maxsize=64)
def _tidied(parent: Path, _when: int) -> None:
    """Sweeps a folder once in a while: to look through it for every sandbox of a large run would cost too much."""
    sweep(parent)


def _left(folder: Path) -> bool:
    with suppress(OSError), (folder / "lock").open("rb+") as file:  # NFS locks for one alone what can be written
        about = os.fstat(file.fileno())
        made = time() - about.st_mtime > SETTLED or not folder.name.startswith(".")
        if about.st_uid == os.geteuid() and made:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
