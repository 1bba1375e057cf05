"""The checkouts that sandboxes stand on: each is made when it is first needed, and a few are kept that nobody uses."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from weakref import finalize

from sera_cli.errors import DataError, SandboxError
from sera_cli.harness.sandbox import Result, Sandbox
from sera_cli.harness.sandbox.private import private_folder, remove

KEPT = 6
"""How many are kept for whoever may want them next: validation, rollouts and grading of one follow one another."""


class Bases:
    """They lie in a private folder in `parent`, which goes when this does. For many threads."""

    def __init__(self, parent: Path) -> None:
        self._parent, self._lock, self._open = parent, Lock(), ExitStack()
        self._folder: Path | None = None
        self._users: dict[str, int] = {}
        self._making: dict[str, Lock] = {}
        finalize(self, self._open.close)

    @contextmanager
    def held(self, name: str, make: Callable[[Path], None]) -> Iterator[Path]:
        """The checkout called `name`, which `make` makes at the path it is given; there as long as this is open."""
        with self._lock:
            place = self._root() / name
            self._users[name] = self._users.pop(name, 0) + 1
            making = self._making.setdefault(name, Lock())
        try:
            with making:
                if not place.exists():
                    part = place.with_name(f".{name}")
                    remove(part)
                    make(part)
                    part.rename(place)
            yield place
        finally:
            with self._lock:
                self._users[name] = self._users.pop(name) - 1
                self._spare()

    def _root(self) -> Path:
        if self._folder is None:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = self._open.enter_context(private_folder(self._parent))
        return self._folder

    def _spare(self) -> None:
        """Removes those that were used least recently, of those that nobody uses."""
        idle = [name for name, users in self._users.items() if not users]
        for name in idle[:-KEPT]:
            del self._users[name], self._making[name]
            remove(self._root() / name)


class Standing:
    """A Sandbox on a checkout that is held for as long as it is open."""

    isolates = True

    def __init__(self, held: Callable[[], AbstractContextManager[Path]], begin: Callable[[Path], Sandbox]) -> None:
        self._held, self._begin, self._open = held, begin, ExitStack()
        self._inside: Sandbox | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                base = stack.enter_context(self._held())
            except DataError as error:
                raise SandboxError(str(error)) from error
            self._inside = stack.enter_context(self._begin(base))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, command: str, timeout: float) -> Result:
        return self._entered().run(command, timeout)

    def read(self, path: str) -> str:
        return self._entered().read(path)

    def write(self, path: str, text: str) -> None:
        self._entered().write(path, text)

    def diff(self) -> str:
        return self._entered().diff()

    def _entered(self) -> Sandbox:
        assert self._inside is not None, "enter it before it is used"
        return self._inside
