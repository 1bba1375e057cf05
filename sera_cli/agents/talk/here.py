"""The user's own checkout as a Sandbox: commands run in it as the user, with the tools that are installed.

It is no prison: what is asked of the user before each command is the wall (see approval.py). Covered: files are read
and written inside the checkout alone, nobody gains privileges by sudo and its like, the shell knows nothing of the
environment but what NAMES lists, and what a command leaves running ends with the conversation.
"""

import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, Result
from sera_cli.harness.sandbox.answers import OUTPUT, TEXT, decoded, ended
from sera_cli.harness.sandbox.pipes import Pipes
from sera_cli.harness.sandbox.places import INSIDE, Walls
from sera_cli.harness.sandbox.private import private_folder
from sera_cli.harness.sandbox.process import marked
from sera_cli.harness.sandbox.session import Session, driver
from sera_cli.redact import redact

NAMES = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV",
    "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYENV_ROOT", "NVM_DIR", "JAVA_HOME", "GOPATH", "GOROOT", "GOFLAGS",
    "CARGO_HOME", "RUSTUP_HOME", "GEM_HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME",
)  # fmt: skip
"""The variables that tools are found by; all others stay out of the agent's shell."""

QUIET = {"TERM": "dumb", "PAGER": "cat", "GIT_PAGER": "cat", "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0"}
MARK = "SERA_CHAT"
OWNERS = frozenset({".git", ".sera"})
"""Folders that are not for agents, however they are spelled: some disks take no notice of case."""


class Here:
    """A Sandbox over `root` itself. A model knows it by the path it was trained on."""

    isolates = False

    def __init__(
        self, root: Path, *, changes: Callable[[], str] = str, touching: Callable[[str], None] = lambda _: None,
        hidden: Collection[str] = (), environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`changes` tells what `diff` is to tell; `touching` hears of each file, by its path in `root`, before a write.
        The `hidden` ones are neither shown nor written.
        """
        self.root = root.resolve()
        self._environ, self._changes, self._touching, self._hidden = environ, changes, touching, hidden
        self._session = Session(self._begun)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._open.enter_context(private_folder(label="chat"))
        self._open.callback(self._session.end)
        (self._folder / "testbed").symlink_to(self.root)
        plain = re.fullmatch(r"/[\w/.-]+", str(self.root), re.ASCII)
        self._inside = str(self.root) if plain else f"{self._folder}/testbed/."
        self._walls = Walls(folder=self._folder, names=INSIDE | {"testbed": self._inside})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, command: str, timeout: float) -> Result:
        """Its output is cut at 1 MiB, its stdin is empty."""
        answer = self._session.run(self._walls.inward(command), timeout, OUTPUT)
        return Result(
            output=redact(self._outward(decoded(answer.output))), code=answer.code, timed_out=answer.end == "late",
            note=" ".join(ended(answer)),
        )

    def read(self, path: str) -> str:
        place = self.place(path)
        if not place.exists():
            raise FileNotFoundError(path)
        if place.is_dir():
            raise IsADirectoryError(path)
        try:
            raw = place.read_bytes() if place.is_file() and place.stat().st_size <= TEXT else b"\0"
            return _text(raw, path)
        except OSError as error:
            raise SandboxError(f"{path} cannot be read: {error.strerror}") from error

    def write(self, path: str, text: str) -> None:
        place = self.place(path)
        self._touching(str(place.relative_to(self.root)))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode("utf-8", "replace"))
        except OSError as error:
            raise SandboxError(f"cannot write {path}: {error.strerror}") from error

    def diff(self) -> str:
        return redact(self._changes())

    def place(self, path: str) -> Path:
        """Where the file is that a model calls `path`. Raises SandboxError for one outside the checkout.

        Links are followed first. What git runs and what sera goes by are no files of the repository either.
        """
        own = path.removeprefix(ROOT).lstrip("/") if path == ROOT or path.startswith(f"{ROOT}/") else path
        found = Path(os.path.realpath(self.root / own))
        if not found.is_relative_to(self.root):
            raise SandboxError(f"{path} is outside the repository; only files in {ROOT} can be seen and edited")
        for owner in OWNERS.intersection(part.lower() for part in found.relative_to(self.root).parts):
            raise SandboxError(f"{path} is in a {owner} folder, which is not for agents")
        if str(found.relative_to(self.root)) in self._hidden:
            raise SandboxError(f"{path} is hidden from agents by .seraignore")
        return found

    def environment(self) -> dict[str, str]:
        """All that a command knows: of the user's own environment what finds tools, and nothing that looks secret."""
        known = {name: self._environ[name] for name in NAMES if self._environ.get(name)}
        return {name: value for name, value in known.items() if redact(value) == value} | QUIET | {
            MARK: str(self._folder)}

    def _begun(self) -> Pipes:
        shell = driver(self._inside, f"{self._folder}/shell")
        tame = [setpriv, "--no-new-privs", "--"] if (setpriv := shutil.which("setpriv")) else []
        return Pipes([*tame, *shell], cwd=self.root, env=self.environment(),
                     strays=lambda: marked(f"{MARK}={self._folder}"))

    def _outward(self, text: str) -> str:
        for path in (f"{self._folder}/testbed/.", f"{self._folder}/testbed", str(self.root)):
            text = re.sub(rf"{re.escape(path)}(?![\w-]|\.\w)", ROOT, text)
        return text


def _text(raw: bytes, path: str) -> str:
    try:
        if b"\0" in raw:
            raise SandboxError(f"{path} cannot be read: it is binary, larger than 16 MiB, or not a file")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SandboxError(f"{path} is not UTF-8 text; use bash to look at it and to change it") from error
