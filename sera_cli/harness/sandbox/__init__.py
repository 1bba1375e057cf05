"""The Sandbox seam: where a model's commands run. A context manager, single use, no reset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from sera_cli.errors import ConfigError, SandboxError
from sera_cli.knobs import Env
from sera_cli.types import Value

ROOT = "/testbed"
"""Where the repository is, as commands inside see it."""


class Result(Value):
    """Output of a command (stdout and stderr as they came, undecodable bytes replaced) and its exit status.

    `note` says in a sentence what befell it, or the shell, beyond what it printed.
    """

    output: str
    code: int
    timed_out: bool = False
    note: str = ""


class Sandbox(Protocol):
    isolates: bool
    """Whether it keeps commands from the network and from the user's files."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, command: str, timeout: float) -> Result:
        """Runs a bash command in the sandbox's one shell: folder, variables, functions, background jobs carry over.

        What takes more than `timeout` seconds is killed with all that runs beside it. Raises SandboxError, Cancelled.
        """
        ...

    def read(self, path: str) -> str:
        """The text of a file inside. Raises FileNotFoundError, IsADirectoryError, or SandboxError if it is not text."""
        ...

    def write(self, path: str, text: str) -> None:
        """Writes a file inside, creating its folders. Raises SandboxError."""
        ...

    def diff(self) -> str:
        """Everything that changed since the start, new files included, as one unified diff (may be empty).

        What runs in the background ends; the shell comes back with its folder and exported variables.
        """
        ...


class Bounds(Value):
    """What all processes of one sandbox together may take: bytes of memory, bytes written to disk, how many."""

    memory: int = 4 << 30
    disk: int = 4 << 30
    processes: int = 512


class Shown(NamedTuple):
    """A folder of this machine that commands may read; `inside` is where they find it, empty: at its own path."""

    real: Path
    inside: str = ""


@dataclass(frozen=True)
class Terms:
    """What the sandboxes of a run have in common.

    `label` is in the name of all that is made for them; `cancelled` is asked several times a second while a command
    runs. `hidden` is the user's own repository, which no command may see wherever it lies. `env` says what docker's
    environment is made of, `log` where that is written, `tell` who hears about it. Commands are looked for in the
    folders `path` first, as they are called inside, and know `variables` beside what every sandbox sets.
    """

    bounds: Bounds = field(default_factory=Bounds)
    label: str = ""
    cancelled: Callable[[], bool] = lambda: False
    hidden: Path | None = None
    env: Env = field(default_factory=Env)
    log: Path | None = None
    tell: Callable[[str], None] = lambda _: None
    shown: tuple[Shown, ...] = ()
    path: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


PLAIN = Terms()


class Maker(Protocol):
    """Makes a sandbox from an exported checkout and, optionally, the folder where its private files may lie.

    A context manager: what the sandboxes share goes away with it.
    """

    @property
    def name(self) -> str: ...
    @property
    def isolates(self) -> bool: ...
    def __call__(self, base: Path, scratch: Path | None = None) -> Sandbox: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose(name: str = "auto", terms: Terms = PLAIN) -> Maker:
    """The sandbox called `name`: bubblewrap, docker, folder, or auto, which is bubblewrap where it works, else folder.

    Raises SandboxError when bubblewrap or docker is asked for and does not work here, ConfigError for another name.
    """
    from sera_cli.harness.sandbox import bubblewrap, folder
    from sera_cli.harness.sandbox.copy import Copies

    match name:
        case "folder":
            return Copies("folder", folder.FolderSandbox, terms)
        case "auto":
            return choose("folder" if bubblewrap.probe() else "bubblewrap", terms)
        case "bubblewrap":
            if problem := bubblewrap.probe():
                raise SandboxError(f"bubblewrap does not work here: {problem}; --sandbox folder does without")
            return Copies("bubblewrap", bubblewrap.BubblewrapSandbox, terms)
        case "docker" if terms.shown:
            raise SandboxError("a container shows no folder of this machine; --sandbox bubblewrap does")
        case "docker":
            from sera_cli.harness.sandbox.docker import Containers

            return Containers(terms)
        case _:
            raise ConfigError(f"no sandbox is called {name}; say auto, bubblewrap, docker or folder")
