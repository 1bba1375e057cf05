"""Runs one process to its end: bounded in time and in kept output, and killed with everything it started."""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from sera_cli.errors import SandboxError

POLL = 0.05
GRACE = 1.0
"""Seconds: how often to look whether a silent process has ended, and how long what it left may take to end."""


class Finished(NamedTuple):
    """`output` is stdout and stderr as they came, at most the limit; `cut` says that there was more."""

    output: bytes
    code: int
    timed_out: bool
    cut: bool


def finish(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float, limit: int, stdin: bytes = b"",
    mark: str = "",
) -> Finished:
    """Runs `argv` in a process group of its own and waits at most `timeout` seconds; keeps `limit` bytes of output.

    Whatever the process leaves behind is killed: its group, and any process that has `mark` in its environment (a
    daemon may have left the group). Raises SandboxError when it cannot be started.
    """
    with tempfile.TemporaryFile() as source:  # not a pipe: a process that does not read would fill it
        source.write(stdin)
        source.seek(0)
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=source if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"cannot start {argv[0]}: {error.strerror}; see `sera doctor`") from error
    kept = _Kept(process, limit)
    try:
        timed_out = kept.until(monotonic() + timeout)
    finally:
        _kill(process.pid, mark)
        code = process.wait()
        kept.rest()
    return Finished(bytes(kept.bytes), code, timed_out, kept.cut)


class _Kept:
    """The first bytes of a process's output; the rest is read and thrown away, so that it never blocks."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int) -> None:
        assert process.stdout is not None
        self.process, self.pipe, self.limit = process, process.stdout, limit
        self.bytes = bytearray()
        self.cut = False
        self.poll = select.poll()
        self.poll.register(self.pipe, select.POLLIN)

    def until(self, end: float) -> bool:
        """Reads until the process has ended; True when time ran out first."""
        while self.process.poll() is None:
            left = end - monotonic()
            if left <= 0:
                return True
            if not self._take(min(POLL, left)):
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(left)
        return False

    def rest(self) -> None:
        end = monotonic() + GRACE
        while monotonic() < end and self._take(POLL):
            pass
        self.pipe.close()

    def _take(self, wait: float) -> bool:
        """Reads what comes within `wait` seconds; False at the end of the output."""
        if not self.poll.poll(wait * 1000):
            return True
        chunk = os.read(self.pipe.fileno(), 65536)
        room = self.limit - len(self.bytes)
        self.bytes += chunk[:room]
        self.cut = self.cut or len(chunk) > room
        return bool(chunk)


def _kill(group: int, mark: str) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    end = monotonic() + GRACE
    while mark and monotonic() < end and (strays := [pid for pid in _living() if mark.encode() in _environment(pid)]):
        for pid in strays:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _living() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []


def _environment(pid: int) -> bytes:
    """Empty for a process that is gone, a zombie, or another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
