"""A program in a terminal of its own, by tmux: typed at, and looked at."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from shlex import join
from time import monotonic, sleep

import pytest

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


class Terminal:
    """`socket` is that of a tmux server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def screen(self, *options: str) -> str:
        """All that was shown, what scrolled away too; `-e` keeps colours."""
        return self.tmux("capture-pane", "-p", "-S", "-", *options).rstrip()

    def type(self, text: str, *keys: str) -> None:
        self.tmux("send-keys", "-l", "--", text)
        if keys:
            self.tmux("send-keys", *keys)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def until(self, text: str, times: int = 1) -> str:
        """The screen, once it shows a text so often."""
        end = monotonic() + PATIENCE
        while (shown := self.screen()).count(text) < times:
            assert monotonic() < end, f"{text!r} is not on the screen {times} times:\n{shown}"
            sleep(0.05)
        return shown

    def ready(self, text: str = "", times: int = 1) -> str:
        """The same, once a line can be typed, too."""
        end = monotonic() + PATIENCE
        while (shown := self.until(text, times)).rpartition("\n")[2] != ">":
            assert monotonic() < end, f"nothing can be typed:\n{shown}"
            sleep(0.05)
        return shown


@contextmanager
def terminal(
    folder: Path, command: Sequence[str], environ: Mapping[str, str], *, columns: int = 80, rows: int = 50
) -> Iterator[Terminal]:
    """Runs a command in the repository root, and after it a shell's `done N` with its exit code. Skips without tmux."""
    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    made = Terminal(folder / f"tmux-{token_hex(4)}")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SERA_HOME", "PYTHONPATH") if name in os.environ}
    said = join(["env", "-i", *(f"{name}={value}" for name, value in (kept | dict(environ)).items()), *command])
    size = ("-x", str(columns), "-y", str(rows))
    made.tmux("new-session", "-d", *size, "-c", str(ROOT), f"{said}; echo done $?; exec sleep 1000")
    try:
        yield made
    finally:
        made.tmux("kill-server")
