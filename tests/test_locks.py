"""Locked packages: what each of three programs wrote down, for the packages that are wanted and what those need."""

from sera_cli.evaluate.runners.locks import locked
from sera_cli.evaluate.runners.pytest import Pytest
from sera_cli.evaluate.runners.runner import Tree

UV = """
[[package]]
name = "own"
version = "1"
source = {editable = "."}
[[package]]
name = "PyTest"
version = "9.0.2"
resolution-markers = ["python_version >= '3.10'", "python_version < '3'"]
dependencies = [{name = "pluggy"}, {name = "tomli", marker = "python_version < '3.11'"}, {name = "missing"}]
[[package]]
name = "pytest"
version = "8.4.2"
resolution-markers = ["python_version < '3.10'"]
[[package]]
name = "pluggy"
version = "1.6.0"
dependencies = [{name = "pytest"}]
[[package]]
name = "tomli"
version = "2.4.0"
[[package]]
name = "sphinx"
version = "9.0"
"""
POETRY = """
[[package]]
name = "a-b"
version = "1.0"
markers = "python_version >= '3.8'"
[package.dependencies]
c = ">=1"
d = {version = "*", markers = "sys_platform == 'win32'"}
[[package]]
name = "c"
version = "2"
[[package]]
name = "d"
version = "3"
"""
PDM = """
[[package]]
name = "a"
version = "1"
dependencies = ["b>=2; python_version < '3.11'"]
[[package]]
name = "b"
version = "2"
"""


def tree(**files: str) -> Tree:
    named = {name.replace("_", "."): text for name, text in files.items()}
    return Tree(frozenset(named), lambda path: named.get(path, ""))


def test_what_is_wanted_comes_with_what_it_needs_at_the_locks_versions() -> None:
    assert locked(tree(uv_lock=UV), ["own", "pytest>=8", "Unknown[extra]>=1"]) == (
        "pluggy==1.6.0",
        "PyTest==9.0.2 ; ((python_version >= '3.10') or (python_version < '3'))",
        "pytest==8.4.2 ; (python_version < '3.10')",
        "tomli==2.4.0 ; (python_version < '3.11')",
        "Unknown[extra]>=1",
    )


def test_the_locks_of_poetry_and_pdm_are_read_too() -> None:
    assert locked(tree(poetry_lock=POETRY), ["a_b"]) == (
        "a-b==1.0 ; (python_version >= '3.8')", "c==2", "d==3 ; (sys_platform == 'win32')")  # fmt: skip
    assert locked(tree(pdm_lock=PDM), ["a"]) == ("a==1", "b==2 ; (python_version < '3.11')")


def test_a_lock_that_cannot_be_read_locks_nothing() -> None:
    assert locked(tree(uv_lock="[[package"), ["a>=1"]) == ("a>=1",)


def test_a_repository_with_a_lock_is_tested_with_what_is_in_it() -> None:
    project = '[project]\nname = "own"\ndependencies = ["tomli"]\n[dependency-groups]\ntest = ["pluggy"]\n'
    config = Pytest().config(tree(pyproject_toml=project, uv_lock=UV))
    assert [line.partition(" ")[0] for line in config.pip_packages] == [
        "pluggy==1.6.0", "PyTest==9.0.2", "pytest==8.4.2", "tomli==2.4.0"]  # fmt: skip
