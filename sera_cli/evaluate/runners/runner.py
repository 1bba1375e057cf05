"""What a test runner is to the rest: five questions that pytest, unittest, Django, jest, go and cargo each answer."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from sera_cli.evaluate.instance import InstallConfig


class Tree(NamedTuple):
    """The files of a repository at a commit: their paths, and the text of one, empty where it is not there."""

    files: frozenset[str]
    text: Callable[[str], str]

    def nearest(self, name: str, path: str) -> str | None:
        """The folder at or above `path` that holds a file called `name`; "" is the root. None where there is none."""
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if (f"{folder}/{name}" if folder else name) in self.files:
                return folder
        return None


class Runner(Protocol):
    """How the tests of one kind are recognised, installed, run and read."""

    name: str
    language: str
    """python, javascript, go or rust."""
    parser: str
    """The log parser of the swebench package that reads what `command` prints."""
    inside: bool
    """Whether tests may stand inside files of code too."""

    def suits(self, tree: Tree) -> bool:
        """Whether the repository's tests are of this kind."""
        ...

    def is_test(self, path: str) -> bool:
        """Whether a file by this path holds tests, by convention; fixtures and helpers do not."""
        ...

    def config(self, tree: Tree) -> InstallConfig:
        """What a repository says of its environment. `test_cmd` runs the test files that are added to it (python), or
        is what runs all tests.
        """
        ...

    def command(self, tree: Tree, tests: Sequence[str], /) -> str:
        """The bash command, run in the repository's root, that runs these test files and prints what `parser` reads.

        `tree` is the repository before or after the test files come.
        """
        ...


def tree(checkout: Path) -> Tree:
    """The files of a folder, without .git."""
    found = (path.relative_to(checkout) for path in checkout.rglob("*") if path.is_file())
    files = frozenset(path.as_posix() for path in found if path.parts[0] != ".git")

    def text(path: str) -> str:
        return (checkout / path).read_text(encoding="utf-8", errors="replace") if path in files else ""

    return Tree(files, text)


def words(paths: Sequence[str]) -> str:
    """Paths as words of a shell's line."""
    return " ".join(map(shlex.quote, paths))
