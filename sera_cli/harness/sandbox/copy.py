"""A private copy of an exported checkout, in which commands run: what the sandboxes of this machine share.

What they differ in is a value, Walls. Reading, writing and diffing are commands inside too, so a link or a hostile file
in the copy reaches no further than a command does.

Bounded by rlimits, for each process: memory, size of a file, core dumps; the number of processes if sera is not root.
Bounded by sera: time, kept output. Not bounded: memory, disk and processor share of all processes together; those take
cgroups or a container.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import Result, changes
from sera_cli.harness.sandbox.places import Walls, lay_out
from sera_cli.harness.sandbox.private import private_folder
from sera_cli.harness.sandbox.process import Finished, finish
from sera_cli.redact import redact

OUTPUT = 1 << 20
TEXT = 1 << 24
SECONDS = 120.0
"""Most bytes kept of a command's output; most bytes of a file or a diff; seconds for reading, writing, diffing."""

LIMITS = "ulimit -c 0; ulimit -v 8388608; ulimit -f 2097152; ulimit -u 4096"
"""KiB of core dumps, of memory per process, of each file; processes of the user."""

# All on one line, so that bash counts the lines of the command alone. What carries over is the exported variables and
# the folder; eval keeps an `exit` or a syntax error in the command from skipping the trap that saves them.
COMMAND = (
    "{{ {limits}; if [ -r {state}/shell ]; then unset $(compgen -e); . {state}/shell; fi; }} 2>/dev/null; "
    "trap 'code=$?; {{ export -p; printf \"cd -- %q\\n\" \"$PWD\"; }} >{state}/shell; exit $code' EXIT; "
    'eval "$(<{command}/text)"'
)
READ = '[ ! -d "$1" ] || exit 21; [ -e "$1" ] || exit 22; [ -f "$1" ] || exit 23; exec cat -- "$1"'
WRITE = 'mkdir -p -- "${1%/*}/" && cat >"$1"'


class PrivateCopy:
    """A Sandbox. `base`, a single-commit checkout, is copied into `scratch` on entering, and gone on leaving."""

    isolates: bool = False

    def __init__(self, base: Path, scratch: Path | None, walls: Callable[[Path, Path], Walls]) -> None:
        self._base, self._scratch, self._build = base.resolve(), scratch, walls
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(private_folder(self._scratch))
            self._walls = self._build(folder, self._base)
            lay_out(self._walls)
            changes.prepare(self._base, folder / "git")
            if not self._walls.mounted:
                _clone(self._base, folder / "testbed")
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, command: str, timeout: float) -> Result:
        """Its output is cut at 1 MiB, its stdin is empty, and what it leaves in the background ends with it."""
        text, names = self._walls.inward(command), self._walls.names
        try:
            (self._walls.folder / "command" / "text").write_bytes(text.encode("utf-8", "replace"))
        except OSError as error:
            raise SandboxError(f"cannot hand over a command: {error.strerror}") from error
        script = COMMAND.format(limits=LIMITS, state=shlex.quote(names["state"]), command=shlex.quote(names["command"]))
        done = self._inside(script, timeout=timeout, limit=OUTPUT)
        return Result(output=redact(self._walls.outward(_text(done.output))), code=done.code, timed_out=done.timed_out)

    def read(self, path: str) -> str:
        done = self._inside(READ, path)
        match done.code:
            case 0 if not done.cut and b"\0" not in done.output:
                pass
            case 21:
                raise IsADirectoryError(path)
            case 22:
                raise FileNotFoundError(path)
            case _:
                raise SandboxError(f"{path} cannot be read: it is binary, larger than 16 MiB, or not a file")
        try:
            return self._walls.outward(done.output.decode("utf-8"), contents=True)
        except UnicodeDecodeError as error:
            raise SandboxError(f"{path} is not UTF-8 text; use bash to look at it and to change it") from error

    def write(self, path: str, text: str) -> None:
        """The paths in `text` stay as they are."""
        done = self._inside(WRITE, path, stdin=text.encode("utf-8", "replace"))
        if done.code:
            reason = _text(done.output).strip().rpartition(": ")[2] or "no answer in time"
            raise SandboxError(f"cannot write {path}: {reason}")

    def diff(self) -> str:
        """Ignored files, Python's caches and binary files are left out; what is not UTF-8 is replaced."""
        done = self._inside(changes.DIFF, git=True)
        if done.code or done.cut:
            raise SandboxError("cannot tell what changed: git failed, or the diff is larger than 16 MiB")
        return redact(changes.without_binary(self._walls.outward(_text(done.output), contents=True)))

    def _inside(
        self, script: str, path: str = "", *, stdin: bytes = b"", timeout: float = SECONDS, limit: int = TEXT,
        git: bool = False,
    ) -> Finished:
        walls = self._walls
        start = [*walls.prefix, *(walls.git if git else ()), *walls.end, "bash", "--noprofile", "--norc", "-c"]
        script = f"cd {shlex.quote(walls.names['testbed'])} 2>/dev/null; {script}"
        where = [walls.inward(path).replace("\0", "?").encode("utf-8", "replace").decode()] if path else []
        return finish(
            [*start, script, "bash", *where], cwd=walls.folder,
            env=walls.environment() | (changes.environment(walls.names) if git else {}),
            timeout=timeout, limit=limit, stdin=stdin, mark=walls.mark,
        )


def trial(build: Callable[[Path, Path], Walls]) -> str:
    """Tries such walls on empty folders: an empty text where Python and git run inside, else one line on why not."""
    with private_folder() as folder:
        (base := folder / "base").joinpath(".git", "objects").mkdir(parents=True)
        try:
            walls = build(folder, base)
            lay_out(walls)
            done = finish(
                [*walls.prefix, *walls.git, *walls.end, "bash", "-c", "python -V && python3 -V && git --version"],
                cwd=folder, env=walls.environment(), timeout=20, limit=OUTPUT,
            )
        except SandboxError as error:
            return str(error)
    if done.code == 0:
        return ""
    lines = _text(done.output).split("\n")
    return "no answer in 20 s" if done.timed_out else next(filter(None, reversed(lines)), "it ended without a word")


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def _clone(base: Path, copy: Path) -> None:
    """Copies files with modes and times but not owners, which git would distrust."""
    command = ["cp", "-dR", "--preserve=mode,timestamps,links", "--reflink=auto", "--", f"{base}/.", str(copy)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        free = shutil.disk_usage(copy).free >> 20
        raise SandboxError(f"cannot copy the checkout to {copy} ({free} MiB free there): {done.stderr.strip()[:200]}")
