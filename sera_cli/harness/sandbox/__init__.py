"""The Sandbox seam: where a model's commands run. A context manager, single use, no reset."""

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from sera_cli.errors import ConfigError, SandboxError
from sera_cli.types import Value

if TYPE_CHECKING:
    from sera_cli.harness.sandbox.bubblewrap import BubblewrapSandbox
    from sera_cli.harness.sandbox.folder import FolderSandbox

ROOT = "/testbed"
"""Where the repository is, as commands inside see it."""


class Result(Value):
    """Output of a command (stdout and stderr as they came, undecodable bytes replaced) and its exit status."""

    output: str
    code: int
    timed_out: bool = False


class Sandbox(Protocol):
    isolates: bool
    """Whether it keeps commands from the network and from the user's files."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, command: str, timeout: float) -> Result:
        """Runs a bash command; the working folder and exported variables carry over to the next one."""
        ...

    def read(self, path: str) -> str:
        """The text of a file inside. Raises FileNotFoundError, IsADirectoryError, or SandboxError if it is not text."""
        ...

    def write(self, path: str, text: str) -> None:
        """Writes a file inside, creating its folders. Raises SandboxError."""
        ...

    def diff(self) -> str:
        """Everything that changed since the start, new files included, as one unified diff (may be empty)."""
        ...


def choose(name: str = "auto") -> "type[BubblewrapSandbox] | type[FolderSandbox]":
    """The sandbox called `name`: bubblewrap, folder, or auto, which is bubblewrap where it works and folder elsewhere.

    It is made from an exported checkout and, optionally, the folder where its private copy may lie. Raises SandboxError
    when bubblewrap is asked for and does not work here, ConfigError for another name.
    """
    from sera_cli.harness.sandbox import bubblewrap, folder

    match name:
        case "folder":
            return folder.FolderSandbox
        case "auto":
            return folder.FolderSandbox if bubblewrap.probe() else bubblewrap.BubblewrapSandbox
        case "bubblewrap":
            if problem := bubblewrap.probe():
                raise SandboxError(f"bubblewrap does not work here: {problem}; --sandbox folder does without")
            return bubblewrap.BubblewrapSandbox
        case _:
            raise ConfigError(f"no sandbox is called {name}; say auto, bubblewrap or folder")
