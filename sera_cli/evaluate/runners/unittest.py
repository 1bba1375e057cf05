"""Tests that unittest runs, in repositories where nothing speaks of pytest."""

from collections.abc import Sequence

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners import packaging
from sera_cli.evaluate.runners.pytest import is_test
from sera_cli.evaluate.runners.runner import Tree, words

COMMAND = "python -m unittest -v -b"
"""What a test prints is held back, so that its name and how it ended stand on one line."""

# A test with a docstring has its name on a line of its own, and how it ended after the docstring.
NAMED = (
    """awk '/^[A-Za-z_0-9]+ \\([A-Za-z_0-9.]+\\)$/{if (n!="") print n; n=$0; next} """
    """n!="" {if (/ \\.\\.\\. /) sub(/^.* \\.\\.\\. /, n " ... "); else print n; n=""} {print} """
    """END {if (n!="") print n}'"""
)


class Unittest:
    name = "unittest"
    language = "python"
    parser = "parse_log_django"
    inside = False

    def suits(self, tree: Tree) -> bool:
        return any("TestCase" in tree.text(path) for path in sorted(filter(is_test, tree.files)))

    def is_test(self, path: str) -> bool:
        return is_test(path)

    def config(self, tree: Tree) -> InstallConfig:
        return packaging.config(tree, COMMAND, self.parser)

    def command(self, _tree: Tree, tests: Sequence[str]) -> str:
        return f"{COMMAND} {words(tests)} 2>&1 | {NAMED}"
