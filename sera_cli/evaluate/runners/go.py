"""Tests that `go test` runs, package by package."""

import re
from collections.abc import Sequence
from posixpath import dirname, relpath
from shlex import quote

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners.runner import Tree

COMMAND = "go test -v -count=1"
"""Without what earlier runs left in a cache."""


class Go:
    name = "go"
    language = "go"
    parser = "parse_log_gotest"
    inside = False

    def suits(self, tree: Tree) -> bool:
        return any(tree.nearest("go.mod", path) is not None for path in tree.files if self.is_test(path))

    def is_test(self, path: str) -> bool:
        return path.endswith("_test.go") and "/testdata/" not in f"/{path}"

    def config(self, tree: Tree) -> InstallConfig:
        modules = sorted({dirname(path) for path in tree.files if path.rpartition("/")[2] == "go.mod"})
        needing = [one for one in modules if "require" in tree.text(_in(one, "go.mod"))]
        fetched = [one for one in needing if not _has_vendored(tree, one)]
        fetch = " && ".join(f"(cd {quote(module or '.')} && go mod download)" for module in fetched)
        return InstallConfig(language="go", install=fetch, test_cmd=f"{COMMAND} ./...", log_parser=self.parser)

    def command(self, tree: Tree, tests: Sequence[str]) -> str:
        """The package stands before a test's name, or tests of the same name in two packages would be one."""
        return "; ".join(_tested(tree, folder) for folder in sorted({dirname(path) for path in tests}))


def _tested(tree: Tree, folder: str) -> str:
    module = tree.nearest("go.mod", f"{folder}/x" if folder else "x") or "."
    package = quote(f"./{relpath(folder or '.', module)}")
    name = re.sub(r"([#&\\])", r"\\\1", folder or "main")
    named = quote(rf"s#^( *--- (PASS|FAIL|SKIP): )#\1{name}.#")
    vendored = "-mod=vendor " if _has_vendored(tree, module) else ""
    return f"(cd {quote(module)} && {COMMAND} {vendored}{package} 2>&1 | sed -E {named})"


def _has_vendored(tree: Tree, module: str) -> bool:
    """Whether the repository holds what a module depends on: `go mod vendor`."""
    return _in(module, "vendor/modules.txt") in tree.files


def _in(module: str, path: str) -> str:
    return path if module in ("", ".") else f"{module}/{path}"
