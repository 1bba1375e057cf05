"""A tool started once for an agent, without its settings touched where it can hear them otherwise."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sera_cli.agents.connect.wiring import KEY, File, Wiring, overrides, snippet
from sera_cli.agents.connect.writing import undo, write
from sera_cli.errors import ConfigError

GRACE = 10.0
"""Seconds that a tool has to end by itself where it must."""


@contextmanager
def told(found: Wiring, key: str, note: Path, environ: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The words and the environment that start the tool. Settings that must be written are taken back on leaving."""
    words, given = list(found.bare), {name: value for name, value in environ.items() if name not in found.unset}
    given |= {name: value.replace(f"${KEY}", key) for name, value in found.environment.items()}
    given |= {KEY: key} if key else {}
    with ExitStack() as stack:
        for file in found.file:
            match file.handed:
                case "content":
                    given[file.by] = json.dumps(file.settings)
                case "overrides":
                    words += [word for setting in overrides(file) for word in (file.by, setting)]
                case "flag":
                    words += [file.by, str(stack.enter_context(_apart(file)))]
                case "written":
                    stack.enter_context(_for_now(found, note, environ))
        yield words, given


def attended(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the tool in this terminal until it ends, and returns its exit code. Ctrl-C is the tool's business alone."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(words, env=dict(environ))
    try:
        code = process.wait()
        return code if code >= 0 else 128 - code
    finally:
        signal.signal(signal.SIGINT, before)
        _ended(process)


def _ended(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _apart(file: File) -> Iterator[Path]:
    with TemporaryDirectory(prefix="sera-") as folder:
        path = Path(folder) / file.names[-1].lstrip(".")
        path.write_text(snippet(file), encoding="utf-8")
        yield path


@contextmanager
def _for_now(found: Wiring, note: Path, environ: Mapping[str, str]) -> Iterator[None]:
    if note.exists():
        raise ConfigError(f"the settings of {found.title} are written already; take them back first, with --undo")
    write(found, note, environ)
    try:
        yield
    finally:
        undo(note)
