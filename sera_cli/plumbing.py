"""Runs git on a repository that nobody vouches for.

Its config can name programs as hooks, filters and transports: every git run here is told to start none of them and to
fetch nothing, and what the user named never stands where an option may.
"""

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sera_cli.errors import DataError, SeraError

LACKING = "some of its objects cannot be read; if it is a partial clone, clone it whole"

_INERT = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "safe.directory=*")


def answer(root: Path, *arguments: str, given: Iterable[str] = ()) -> bytes:
    """What a git that starts nothing prints, with the lines `given` on its input. Raises DataError where it fails.

    It reads the repository's config like any git: ask plumbing, which the config cannot tell to run a program.
    """
    with listed(given) as lines:
        return checked(root, *arguments, stdin=lines)


def listed(ids: Iterable[str]) -> IO[bytes]:
    """The ids in a file, one a line: a pipe would fill up while git waits for us to read."""
    file = TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(b"".join(one.encode() + b"\n" for one in ids))
    file.seek(0)
    return file


def line(root: Path, *arguments: str) -> str:
    """The one line that git prints. Raises DataError where it fails."""
    return os.fsdecode(checked(root, *arguments).removesuffix(b"\n"))


def checked(
    root: Path, *arguments: str, extra: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None,
) -> bytes:
    """What git prints; `extra` is set beside the environment. Raises DataError, with git's reason, where it fails."""
    done = run(root, *arguments, extra=extra, stdin=stdin, stdout=stdout)
    if done.returncode:
        if b"promisor remote" in done.stderr:
            raise DataError(LACKING, root)
        verb = next(word for word in arguments if not word.startswith("-") and "=" not in word)
        raise DataError(f"git {verb} failed: {reason(done.stderr)}", root)
    return done.stdout or b""


def run(
    root: Path, *arguments: str, extra: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Git run to its end, whatever that is."""
    with start(root, *arguments, extra=extra, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE) as process:
        output, complaint = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, output, complaint)


def start(
    root: Path, *arguments: str, extra: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None, stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """A git at work in `root`. Raises SeraError where there is none."""
    inert = [part for setting in _INERT for part in ("-c", setting)]
    try:
        return subprocess.Popen(
            ["git", "--no-pager", *inert, "-C", str(root), *arguments], env=_environment() | dict(extra or {}),
            stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE, stderr=stderr, umask=0o022,
        )
    except FileNotFoundError:
        raise SeraError("git is not installed; install it (Debian: apt-get install git)") from None


def _environment() -> dict[str, str]:
    """The user's environment without GIT_*: no prompt, no lock, no replaced object, no transport to fetch with."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none",
    }


def reason(complaint: bytes) -> str:
    """The last line of what git complained of."""
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it gives no reason"
