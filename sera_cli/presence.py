"""Who is at work with what is kept in a folder: as long as anybody is, whoever would clear it away is told.

Everyone there shares a lock of the system's on one file, and whoever would clear needs it alone. It ends with the
process, however that ends; programs that it has started do not hold it. It holds between machines that share the disk.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO
from weakref import finalize


@contextmanager
def attended(lock: Path) -> Iterator[None]:
    """Somebody is at work for as long as this is open; waits while it is being cleared away. Raises OSError."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:  # a shared lock has to be able to read on NFS, and one alone to write
        _lock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def deserted(lock: Path) -> Iterator[bool]:
    """Whether nobody is at work; who begins to has to wait until this is left. Raises OSError."""
    with lock.open("a+") as file:
        try:
            _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


class Uses:
    """What somebody works with for as long as this is kept: one lock of each folder."""

    def __init__(self) -> None:
        self._open = ExitStack()
        finalize(self, self._open.close)

    @contextmanager
    def begun(self, lock: Path) -> Iterator[None]:
        """Somebody is at work from here on, unless what is tried in this fails. Raises OSError."""
        with ExitStack() as stack:
            stack.enter_context(attended(lock))
            yield
            self._open.enter_context(stack.pop_all())


def _lock(file: IO[str], kind: int) -> None:
    """Not every disk has locks: the error then names the file, which the system's own does not."""
    try:
        fcntl.flock(file, kind)
    except OSError as error:
        raise OSError(error.errno, error.strerror, file.name) from error
