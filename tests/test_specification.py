import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.reading import instance, instances
from sera_cli.evaluate.repositories import checkout
from sera_cli.evaluate.specification import Specification, editable, specification
from sera_cli.git import open_repository
from tests.conftest import commit

pytest.importorskip("swebench")

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "swebench_verified_dev.jsonl"
TESTS = "diff --git a/tests/test_a.py b/tests/test_a.py\n--- a/tests/test_a.py\n+++ b/tests/test_a.py\n"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("something asked the network")

    import swebench  # noqa: F401 - what it does at import is its own

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def made(repo: Path, /, **changed: Any) -> Instance:
    row = {
        "instance_id": "one", "repo": "pallets/flask", "version": "2.3", "problem_statement": "x", "patch": "y",
        "base_commit": open_repository(repo).commit, "test_patch": TESTS, "FAIL_TO_PASS": "[]", "PASS_TO_PASS": "[]",
    }  # fmt: skip
    return instance({**row, **changed})


def specified(repo: Path, /, **changed: Any) -> Specification:
    return specification(made(repo, **changed), open_repository(repo))


def test_what_swebench_knows_is_in_its_own_words_and_requirement_files_are_read_from_the_clone(
    repository: Callable[..., Path]
) -> None:
    repo = repository({"requirements/dev.txt": "-r tests.txt\nmypy\n", "requirements/tests.txt": "pytest==7.3.0\n"})
    assert specified(repo) == Specification(
        repo="pallets/flask", version="2.3", python="3.11", bounds=("docutils<0.22",),
        requirements=("pytest==7.3.0", "mypy"), install="python -m pip install -e .",
        packages=("setuptools==70.0.0", "click==8.1.3", "itsdangerous==2.1.2", "Jinja2==3.1.2", "MarkupSafe==2.1.1",
                  "Werkzeug==2.3.7"),
        test_command="pytest -rA tests/test_a.py", parser="parse_log_pytest")  # fmt: skip


def test_a_row_has_the_word_on_its_own_repository(repository: Callable[..., Path]) -> None:
    repo = repository({"a.txt": "six\n", "b.txt": "attrs\n", "env.yml": "dependencies: [numpy=1.23, pip: [zict]]\n"})
    config = {
        "python": "3.9", "packages": "cython", "reqs_path": ["a.txt", "b.txt"], "env_yml_path": ["env.yml"],
        "pip_packages": ["pytest"], "pre_install": "make deps", "install": "pip install .[test]",
        "eval_commands": ["export A=1", "export LC_ALL=en_US.UTF-8"], "test_cmd": "pytest -q",
        "log_parser": "parse_log_pytest",
    }  # fmt: skip
    found = specified(repo, install_config=config)
    assert (found.python, found.wished) == ("3.9", ("numpy==1.23.*", "cython"))
    assert found.requirements == ("zict", "six", "attrs")
    assert (found.packages, found.pre_install, found.install) == (("pytest",), ("make deps",), "pip install -e .[test]")
    assert (found.before, found.test_command, found.bounds) == (("export A=1",), "pytest -q tests/test_a.py", ())


def test_django_names_its_tests_as_modules_and_has_the_language_of_every_sandbox(
    repository: Callable[..., Path]
) -> None:
    repo = repository({"tests/requirements/py3.txt": "pytz\n"})
    patch = TESTS.replace("test_a.py", "forms/test_a.py")
    found = specified(repo, repo="django/django", version="3.0", test_patch=patch)
    assert found.test_command.endswith("--parallel 1 forms.test_a")
    assert (found.before, found.python, found.parser) == ((), "3.6", "parse_log_django")


def test_requirements_are_those_of_the_base_commit_where_the_other_is_not_in_the_clone(
    repository: Callable[..., Path]
) -> None:
    repo = repository({"requirements/dev.txt": "mypy\n"})
    assert specified(repo, environment_setup_commit="0" * 40).requirements == ("mypy",)


@pytest.mark.parametrize(("changed", "said"), [
    ({"repo": "some/thing"}, r"one: swebench does not say how some/thing 2\.3 is installed; give the row"),
    ({"version": "99"}, r"swebench does not say how pallets/flask 99 is installed"),
    ({"repo": "axios/axios", "version": "0.27"}, "swebench does not say how|in images only"),
    ({}, r"requirements/dev\.txt is not in the repository at"),
    ({"install_config": {"packages": "requirements.txt"}}, r"requirements\.txt is not in the repository"),
])  # fmt: skip
def test_what_has_no_specification_is_one_line(
    repository: Callable[..., Path], changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(Unprepared, match=said):
        specified(repository({"a": "b"}), **changed)


@pytest.mark.parametrize(("install", "linked"), [
    ("python -m pip install .", "python -m pip install -e ."),
    ("python -m pip install -e .[test] --verbose", "python -m pip install -e .[test] --verbose"),
    ("pip install -v --no-build-isolation '.[dev]'", "pip install -v --no-build-isolation -e '.[dev]'"),
    ("python setup.py install", "python -m pip install -e ."),
    ("pip install . && pip install ./sub", "pip install -e . && pip install ./sub"),
    ("make install", "make install"),
])  # fmt: skip
def test_a_repository_is_installed_as_what_stands_in_the_checkout(install: str, linked: str) -> None:
    assert editable(install) == linked


def test_a_commit_that_needs_more_than_the_one_it_is_set_up_from_has_an_environment_of_its_own(
    repository: Callable[..., Path]
) -> None:
    files = {"requirements/dev.txt": "pytest\n", "pyproject.toml": '[project]\ndependencies = ["click"]\n'}
    repo = repository(files)
    first = open_repository(repo).commit
    usual = specified(repo, environment_setup_commit=first)
    (repo / "README").write_text("More.\n")
    commit(repo)
    assert specified(repo, environment_setup_commit=first).digest == usual.digest
    (repo / "pyproject.toml").write_text('[project]\ndependencies = ["click", "blinker"]\n')
    commit(repo)
    assert specified(repo, environment_setup_commit=first).digest != usual.digest


def test_how_tests_are_run_is_no_part_of_what_an_environment_is(repository: Callable[..., Path]) -> None:
    repo = repository({"requirements/dev.txt": "mypy\n"})
    one, other = specified(repo), specified(repo, test_patch=TESTS.replace("test_a", "test_b"))
    assert (one.digest, one.test_command != other.test_command) == (other.digest, True)
    assert specified(repo, version="2.2").digest != one.digest


def test_every_real_instance_has_a_specification_and_nothing_is_asked_of_the_network() -> None:
    repos = DATA.parent.parent.parent / "env" / "repos"
    if not (DATA.exists() and repos.is_dir()):
        pytest.skip("no real instances here, or no clones of their repositories")
    found = [specification(one, checkout(repos, one.repo, one.base_commit)) for one in instances(DATA)]
    assert all(one.test_command and one.parser and one.python for one in found)


def test_no_instance_is_known_by_its_name() -> None:
    """What builds environments and grades goes by repository, version and row; a list of ids would hide what fails."""
    root = Path(__file__).parent.parent
    texts = {path: path.read_text(encoding="utf-8") for place in ("sera_cli", "templates")
             for path in (root / place).rglob("*.*") if path.suffix in (".py", ".md", ".toml")}  # fmt: skip
    assert [path.name for path, text in texts.items() if re.search(r"\b[a-z][\w.-]*__[a-z][\w.-]*-\d+\b", text)] == []


def test_a_time_makes_an_environment_of_its_own_and_no_time_the_one_there_was(repository: Callable[..., Path]) -> None:
    plain = specified(repository({"setup.py": ""}), install_config={"log_parser": "parse_log_pytest"})
    dated = plain.model_copy(update={"until": "2024-01-01T00:00:00Z"})
    assert plain.digest != dated.digest
    assert Specification(repo="a/b").digest == "8b8155865c607533"
