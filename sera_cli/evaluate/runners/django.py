"""Tests that Django's own runner runs: `tests/runtests.py`, as in Django itself, or the `manage.py` of a project."""

from collections.abc import Sequence
from posixpath import dirname, relpath
from shlex import quote

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners import packaging
from sera_cli.evaluate.runners.pytest import Pytest, is_test
from sera_cli.evaluate.runners.runner import Tree, words
from sera_cli.evaluate.runners.unittest import NAMED

SUITE = "tests/runtests.py"
SETTINGS = "tests/test_sqlite.py"
"""Settings of a database that needs no server; where they are not there, the suite chooses."""

NEEDS = "tests/requirements/py3.txt"
OPTIONS = "--verbosity 2 --parallel 1"


class Django:
    """A suite of its own is run by it whatever else is there, a project's tests only where nothing speaks of pytest."""

    name = "django"
    language = "python"
    parser = "parse_log_django"
    inside = False

    def suits(self, tree: Tree) -> bool:
        if _has_suite(tree):
            return True
        tests = sorted(filter(is_test, tree.files))
        of_project = any(_project(tree, path) is not None and "TestCase" in tree.text(path) for path in tests)
        return of_project and not Pytest().suits(tree)

    def is_test(self, path: str) -> bool:
        return is_test(path)

    def config(self, tree: Tree) -> InstallConfig:
        found = packaging.config(tree, f"python {SUITE if _has_suite(tree) else 'manage.py test'}", self.parser)
        if NEEDS not in tree.files:
            return found
        return found.model_copy(update={"packages": "requirements.txt", "reqs_path": (*found.reqs_path, NEEDS)})

    def command(self, tree: Tree, tests: Sequence[str]) -> str:
        """Test files are given as modules, seen from the folder of the suite or of the project.

        Nothing is buffered: what is said of the database would stand in the midst of a name.
        """
        if _has_suite(tree):
            settings = "--settings=test_sqlite " if SETTINGS in tree.files else ""
            return f"python -u {SUITE} {OPTIONS} {settings}{_modules(tests, dirname(SUITE))} 2>&1 | {NAMED}"
        homes = {path: _project(tree, path) or "" for path in tests}
        return "; ".join(
            f"(cd {quote(home or '.')} && python -u manage.py test {OPTIONS} --noinput "
            f"{_modules([path for path in tests if homes[path] == home], home)} 2>&1 | {NAMED})"
            for home in sorted({*homes.values()})
        )


def _has_suite(tree: Tree) -> bool:
    text = tree.text(SUITE)
    return "django" in text and "--verbosity" in text


def _project(tree: Tree, path: str) -> str | None:
    """The folder of the `manage.py` that a file belongs to."""
    home = tree.nearest("manage.py", path)
    named = "manage.py" if not home else f"{home}/manage.py"
    return home if home is not None and "django" in tree.text(named) else None


def _modules(tests: Sequence[str], home: str) -> str:
    return words([relpath(path, home or ".").removesuffix(".py").replace("/", ".") for path in tests])
