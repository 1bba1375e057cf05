"""What is asked of the swebench package, and that it is the package that answers."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.script import END, START
from tests import tiny

pytest.importorskip("swebench")

TESTS = "tests/test_tally.py::"
ALL = (*tiny.FAIL_TO_PASS, *tiny.PASS_TO_PASS)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.repository(tmp_path_factory.mktemp("tiny"))


def log(folder: Path, *lines: str, start: str = START, end: str = END) -> Path:
    path = folder / "log"
    path.write_text("\n".join(["cloning", start, *lines, end, "bye", ""]))
    return path


def passed(*names: str) -> list[str]:
    return [f"PASSED {TESTS}{name}" for name in names]


def test_the_markers_are_the_packages() -> None:
    from swebench.harness.constants import END_TEST_OUTPUT, START_TEST_OUTPUT

    assert (START, END) == (START_TEST_OUTPUT, END_TEST_OUTPUT)


def test_a_patch_is_applied_by_gits_own_command_first() -> None:
    assert swebench.apply_commands()[0] == "git apply --verbose"
    assert all(command.startswith(("git apply ", "patch ")) for command in swebench.apply_commands())


def test_a_log_in_which_all_pass_resolves(repo: Path, tmp_path: Path) -> None:
    judged = swebench.judged(tiny.instance(repo), log(tmp_path, *passed(*ALL)))
    assert judged == swebench.Judged(ran=True, resolved=True)


def test_tests_that_fail_or_are_not_mentioned_are_named_in_order(repo: Path, tmp_path: Path) -> None:
    file = log(tmp_path, *passed(*ALL[1:4]), f"FAILED {TESTS}{ALL[0]} - AssertionError")
    judged = swebench.judged(tiny.instance(repo), file)
    assert judged == swebench.Judged(ran=True, resolved=False, failing=(TESTS + ALL[0], TESTS + ALL[4]))


def test_a_log_without_its_end_is_no_run(repo: Path, tmp_path: Path) -> None:
    file = log(tmp_path, *passed(*ALL), end="killed")
    assert swebench.judged(tiny.instance(repo), file) == swebench.Judged(ran=False, resolved=False)


def test_a_repository_that_the_package_knows_is_read_by_its_own_parser(repo: Path) -> None:
    known = {"install_config": None, "repo": "django/django", "version": "3.2"}
    assert swebench.knows(tiny.instance(repo, **known))
    assert swebench.parser(tiny.instance(repo, **known)) == "parse_log_django"
    newer = tiny.instance(repo, **known | {"version": "99"})
    assert (swebench.knows(newer), swebench.parser(newer)) == (False, "parse_log_django")


def test_the_word_of_a_row_comes_before_the_packages(repo: Path) -> None:
    one = tiny.instance(repo, repo="django/django", version="3.2")
    assert (swebench.knows(one), swebench.parser(one)) == (False, "parse_log_pytest")
    two = tiny.instance(repo, install_config=None, log_parser="parse_log_gotest")
    assert swebench.parser(two) == "parse_log_gotest"


def test_a_parser_that_there_is_not_is_refused_with_the_nearest(repo: Path) -> None:
    with pytest.raises(DataError, match=r"'parse_log_pytst' is none of swebench's; .* to parse_log_pytest for"):
        swebench.parser(tiny.instance(repo, install_config={"log_parser": "parse_log_pytst"}))
    with pytest.raises(DataError, match="no log parser is named"):
        swebench.parser(tiny.instance(repo, install_config=None))


def test_a_row_may_say_that_silence_is_success(repo: Path, tmp_path: Path) -> None:
    quiet = log(tmp_path, f"FAILED {TESTS}something_else - Error")
    assert not swebench.judged(tiny.instance(repo), quiet).resolved
    assert swebench.judged(tiny.instance(repo, eval_type="fail_only"), quiet).resolved
    assert not swebench.judged(tiny.instance(repo), quiet).resolved


def test_what_skips_has_failed_nobody_as_for_the_package(repo: Path, tmp_path: Path) -> None:
    skipped = [f"SKIPPED {TESTS}{name}" for name in ALL]
    assert swebench.judged(tiny.instance(repo), log(tmp_path, *skipped)).resolved


def test_nothing_is_asked_of_the_network(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a socket is opened")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    known = tiny.instance(repo, install_config=None, repo="pydata/xarray", version="2022.03")
    assert swebench.judged(known, log(tmp_path, *passed(*ALL))).resolved


def test_the_package_is_imported_when_something_is_graded() -> None:
    """It brings in docker, requests and datasets."""
    modules = ("grade", "validate", "predictions", "script", "swebench")
    lines = [f"import sera_cli.evaluate.{name}" for name in modules]
    code = "\n".join([*lines, "import sys", "assert not {'swebench', 'docker', 'requests'} & set(sys.modules)"])
    subprocess.run([sys.executable, "-c", code], check=True)
