"""Where an agent works: in a private copy of a commit, or in the checkout itself. Either can be put back as it was."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from sera_cli.agents.talk.here import Here
from sera_cli.agents.talk.snapshots import Snapshots
from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, Sandbox
from sera_cli.redact import restore

PATCH = "/tmp/sera.patch"


class Place(Protocol):
    """A context manager. `sandbox` is where tools work; another one after each `go` and `settle`.

    A mark names a state of the files, for as long as the conversation is kept; `begun` is that from which changes are
    counted.
    """

    kind: Literal["copy", "here"]

    @property
    def sandbox(self) -> Sandbox: ...
    @property
    def begun(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def mark(self) -> str:
        """The files as they are now."""
        ...

    def go(self, wanted: str, since: str) -> None:
        """Makes what changed between the two marks as it was at `wanted`. Raises SandboxError or DataError."""
        ...

    def diff(self) -> str:
        """What was changed since the beginning, or since it was last settled, as a patch that applies."""
        ...

    def settle(self, commit: str) -> None:
        """What was changed until now is in this commit: changes are counted from here on."""
        ...


Opened = Callable[[str], AbstractContextManager[Sandbox]]
"""Opens a sandbox over a commit."""


class Copied:
    """A sandbox over a commit; a mark is the commit and the patch on top of it, so it outlives the sandbox.

    Going back begins a new sandbox: what git ignores and what commands left in /tmp are gone with the old one.
    """

    kind: Literal["copy", "here"] = "copy"

    def __init__(self, opened: Opened, commit: str) -> None:
        self._opened, self._commit = opened, commit
        self._stack = ExitStack()

    @property
    def sandbox(self) -> Sandbox:
        return self._sandbox

    @property
    def begun(self) -> str:
        return f"{self._commit}\n"

    def __enter__(self) -> Self:
        self._sandbox = self._stack.enter_context(self._opened(self._commit))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def mark(self) -> str:
        return f"{self._commit}\n{self.diff()}"

    def go(self, wanted: str, since: str) -> None:  # noqa: ARG002 - nobody else changes a copy
        commit, _, patch = wanted.partition("\n")
        self._begin(commit)
        if patch:
            self._apply(patch)

    def diff(self) -> str:
        return restore(self._sandbox.diff())

    def settle(self, commit: str) -> None:
        self._begin(commit)

    def _begin(self, commit: str) -> None:
        self._stack.close()
        self._commit = commit
        self._sandbox = self._stack.enter_context(self._opened(commit))

    def _apply(self, patch: str) -> None:
        self._sandbox.write(PATCH, patch)
        command = f"git -C {ROOT} apply --whitespace=nowarn {PATCH}; s=$?; rm -f {PATCH}; (exit $s)"
        done = self._sandbox.run(command, 120)
        if done.code:
            raise SandboxError(f"the changes cannot be put back: {done.output.strip()[:300]}")


class Itself:
    """The checkout at `root`. A mark is a snapshot in `folder`; changes are counted since `begun`, or from now on."""

    kind: Literal["copy", "here"] = "here"

    def __init__(
        self, root: Path, folder: Path, name: str, begun: str = "", *, hidden: Collection[str] = ()
    ) -> None:
        self._root = root
        self._snapshots = Snapshots(root, folder, name)
        self._begun = begun or self._snapshots.take()
        self._before = self._begun
        self._kept: dict[str, str] = {}
        self._here = Here(root, changes=self.diff, touching=self._touching, hidden=hidden)

    @property
    def sandbox(self) -> Sandbox:
        return self._here

    @property
    def begun(self) -> str:
        return self._begun

    def __enter__(self) -> Self:
        self._here.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._here.__exit__(kind, error, trace)

    def mark(self) -> str:
        self._before = self._snapshots.take()
        return self._before

    def go(self, wanted: str, since: str) -> None:
        self._snapshots.restore(self._kept.get(wanted, wanted), self._kept.get(since, since))

    def diff(self) -> str:
        return self._snapshots.diff(self._kept.get(self._begun, self._begun), self._snapshots.take())

    def settle(self, commit: str) -> None:  # noqa: ARG002 - the checkout is there already
        self._begun = self._snapshots.take()

    def _touching(self, path: str) -> None:
        """A file that git ignores is in no snapshot: it is added to the latest, before it is changed."""
        self._kept[self._before] = self._snapshots.keep(path, self._kept.get(self._before, self._before))
