"""Tests that pytest runs, which is what a Python repository has unless it says otherwise."""

import re
from collections.abc import Sequence

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners import packaging
from sera_cli.evaluate.runners.runner import Tree, words

COMMAND = "python -m pytest -rA --color=no --maxfail=0 --continue-on-collection-errors -p no:cacheprovider"
"""One file that cannot be imported takes nothing from the others, whatever the repository's own options are."""


class Pytest:
    name = "pytest"
    language = "python"
    parser = "parse_log_pytest"
    inside = False

    def suits(self, tree: Tree) -> bool:
        """Where there are tests by its conventions and some file says its name."""
        if not any(map(self.is_test, tree.files)):
            return False
        told = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "Pipfile", "noxfile.py", "Makefile")
        lists = (path for path in tree.files if path.endswith(".txt") and "requirements" in path)
        by_name = any(re.search(r"(?:^|/)(?:conftest\.py|pytest\.ini)$", path) for path in tree.files)
        return by_name or any("pytest" in tree.text(path) for path in (*told, *sorted(lists))) or self._imported(tree)

    def is_test(self, path: str) -> bool:
        return is_test(path)

    def config(self, tree: Tree) -> InstallConfig:
        return packaging.config(tree, COMMAND, self.parser, ("pytest",))

    def command(self, _tree: Tree, tests: Sequence[str]) -> str:
        return f"{COMMAND} {words(tests)}"

    def _imported(self, tree: Tree) -> bool:
        """Whether a test file says its name, or is made of what only pytest runs: functions outside of classes."""
        return any(re.search(r"(?m)^(import pytest|from pytest|def test_|async def test_)", tree.text(path))
                   for path in sorted(filter(self.is_test, tree.files)))


def is_test(path: str) -> bool:
    """What pytest and unittest look for, and Django's tests.py."""
    return re.search(r"(?:^|/)(?:test_[^/]*|[^/]*_test|tests)\.py$", path) is not None
