"""One run of an instance's tests: what it tells, and the line that says why it tells nothing."""

import shlex
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.evaluate.output import last
from sera_cli.evaluate.script import END, START
from sera_cli.evaluate.trial import Broken, trial
from tests import tiny

pytest.importorskip("swebench")


def test_the_tests_are_run_without_the_change_and_with_it(tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path)
    instance, place, log = tiny.instance(repo), tiny.Here(repo, tmp_path / "exports"), tmp_path / "logs" / "one.log"
    before = trial(instance, place, log, gold=False, seconds=60)
    after = trial(instance, place, log, gold=True, seconds=60)
    assert {name.rpartition(":")[2] for name, status in before.items() if status == "FAILED"} == {*tiny.FAIL_TO_PASS}
    assert set(after.values()) == {"PASSED"}
    assert "PASSED tests/test_tally.py::test_mean_of_nothing" in log.read_text()


def test_a_test_patch_that_does_not_apply_is_told_by_its_last_line(tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path)
    instance = tiny.instance(repo, test_patch="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", eval_script="exit 1")
    with pytest.raises(Broken, match="the tests cannot be run") as error:
        trial(instance, tiny.Here(repo, tmp_path / "exports"), tmp_path / "log", gold=False, seconds=60)
    assert error.value.reason == "the tests cannot be run"


def test_a_line_that_the_log_parser_cannot_take_is_told(tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path)
    config = tiny.row(repo)["install_config"] | {"log_parser": "parse_log_django"}
    noisy = f"#!/bin/bash\necho '{START}'\necho FAIL:\necho '{END}'\n"
    instance = tiny.instance(repo, install_config=config, eval_script=noisy)
    with pytest.raises(Broken, match=r"the tests' output cannot be read: .* ends swebench's log parser"):
        trial(instance, tiny.Here(repo, tmp_path / "exports"), tmp_path / "log", gold=False, seconds=60)


@pytest.mark.parametrize(("said", "named"), [
    (["go: example.com/a@v1.0.0: module lookup disabled by GOPROXY=off", "FAIL"],
     "go: example.com/a@v1.0.0: module lookup disabled by GOPROXY=off"),
    (["error: no matching package named `a` found", "As a reminder, you're using offline mode (--offline)"],
     "error: no matching package named `a` found"),
])  # fmt: skip
def test_what_would_have_to_be_fetched_is_named_with_what_to_do(tmp_path: Path, said: list[str], named: str) -> None:
    repo = tiny.repository(tmp_path)
    lines = "\n".join(f"echo {shlex.quote(line)}" for line in (START, *said, END))
    with pytest.raises(Broken) as error:
        instance = tiny.instance(repo, eval_script=f"#!/bin/bash\n{lines}\n")
        trial(instance, tiny.Here(repo, tmp_path / "exports"), tmp_path / "log", gold=True, seconds=60)
    assert error.value.reason == "what it depends on is not on this machine"
    assert error.value.detail == f"{named}; fetch it once, or say --network"


def test_an_instance_has_to_name_its_log_parser(tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path)
    with pytest.raises(DataError, match="log parser"):
        unread = tiny.instance(repo, install_config=None)
        trial(unread, tiny.Here(repo, tmp_path), tmp_path / "log", gold=False, seconds=9)


def test_the_last_line_is_one_that_says_something() -> None:
    assert last("+ set -x\n  no module named x  \n>>>>> End Test Output\n\n") == "no module named x"
    assert last("") == "nothing was printed"
