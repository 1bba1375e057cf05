"""Which environment a repository of one's own gets, by what its owner allows."""

import sys
from pathlib import Path

import pytest

from sera_cli.evaluate import own, pythons
from sera_cli.evaluate.own import Allowed
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.runners.go import Go
from sera_cli.evaluate.runners.pytest import Pytest
from sera_cli.evaluate.runners.runner import Tree

HERE = f"3.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("language", "allowed", "name"),
    [
        ("python", Allowed(), "local"),
        ("python", Allowed(network=True), "venv"),
        ("python", Allowed(network=True, venv=Path(sys.prefix)), "local"),
        ("go", Allowed(network=True), "fetched"),
    ],
)
def test_nothing_is_fetched_unless_the_network_is_allowed(
    language: str, allowed: Allowed, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path))
    assert own.place(tmp_path, language, allowed, tmp_path / "scratch").name == name


def test_a_setup_command_stands_for_what_would_be_installed() -> None:
    tree = Tree(frozenset({"setup.py", "requirements.txt"}), lambda _: "")
    config = own.config(Pytest(), tree, Allowed(setup="make dev", network=True))
    assert (config.install, config.packages, config.reqs_path, config.pip_packages) == ("make dev", "", (), ())
    assert own.config(Pytest(), tree, Allowed(setup="make dev")).install == "python -m pip install -e ."
    needing = Tree(frozenset({"go.mod"}), lambda _: "require example.com/b v1.0.0\n")
    assert own.config(Go(), needing, Allowed(setup="make")).install == "(cd . && go mod download)"


@pytest.mark.parametrize(("files", "network", "until"), [
    ({"setup.py"}, True, "2024-01-01T00:00:00Z"), ({"setup.py"}, False, ""), ({"setup.py", "uv.lock"}, True, ""),
])  # fmt: skip
def test_without_a_lock_packages_are_those_of_the_month_of_the_commit(
    files: set[str], network: bool, until: str
) -> None:
    tree = Tree(frozenset(files), lambda _: "")
    assert own.config(Pytest(), tree, Allowed(network=network), "2023-12-31T23:00:00Z").until == until
    assert own.config(Pytest(), tree, Allowed(network=network)).until == ""


def test_a_python_that_is_here_is_chosen_among_those_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def only(version: str, **_: object) -> str:
        if version != "3.9":
            raise Unprepared("not here")
        return "there"

    monkeypatch.setattr(pythons, "python", only)
    bounded = Tree(frozenset({"setup.cfg"}), lambda path: "python_requires = >=3.8\n" if path == "setup.cfg" else "")
    assert own.config(Pytest(), bounded, Allowed()).python == "3.9"
    pinned = Tree(frozenset({".python-version"}), lambda path: "3.5" if path == ".python-version" else "")
    assert own.config(Pytest(), pinned, Allowed()).python == "3.5"
