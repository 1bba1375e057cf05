"""Which instances can be trusted, and that what is known of them is not tried again."""

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sera_cli.errors import Cancelled, SandboxError
from sera_cli.evaluate import validate
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.validate import validated
from sera_cli.harness.sandbox import Sandbox
from tests import tiny

pytest.importorskip("swebench")


class Counted(tiny.Here):
    """Counts its sandboxes; says `error` when one is asked for."""

    sandboxes = 0
    error: Exception | None = None
    environment = "one"

    def prepare(self, instance: Instance) -> str:
        return self.environment

    def sandbox(self, instance: Instance) -> Sandbox:
        self.sandboxes += 1
        if self.error:
            raise self.error
        return super().sandbox(instance)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.repository(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def place(repo: Path, tmp_path: Path) -> Counted:
    return Counted(repo, tmp_path / "bases")


def test_an_instance_is_trusted_after_its_fix_resolves_it_and_nothing_does_not(
    repo: Path, place: Counted, tmp_path: Path
) -> None:
    found = validated(tiny.instance(repo), place, logs=tmp_path / "logs")
    assert (found.valid, found.reason, found.environment, found.failed) == (True, "", "one", False)
    assert place.sandboxes == 2
    logs = {file.name: file.read_text() for file in (tmp_path / "logs").glob("*.log")}
    assert sorted(logs) == ["tiny__tally-1.empty.log", "tiny__tally-1.gold.log"]
    assert "FAILED tests/test_tally.py::test_mean_of_nothing" in logs["tiny__tally-1.empty.log"]


def test_what_is_known_is_not_tried_again(repo: Path, place: Counted, tmp_path: Path) -> None:
    first = validated(tiny.instance(repo), place, logs=tmp_path)
    assert validated(tiny.instance(repo), place, logs=tmp_path) == first
    assert place.sandboxes == 2
    assert (validate.folder() / f"{first.id}.json").exists()


def test_an_instance_is_tried_once_however_many_ask(repo: Path, place: Counted, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(lambda _: validated(one, place, logs=tmp_path), range(3))]
    assert [one.valid for one in found] == [True, True, True]
    assert place.sandboxes == 2


def test_who_waits_for_another_can_be_stopped(repo: Path, place: Counted, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    found = validated(one, place, logs=tmp_path)
    with (validate.folder() / f"{found.id}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Cancelled, match="while another process tries an instance"):
            validated(one, place, logs=tmp_path, cancelled=lambda: True)


@pytest.mark.parametrize(
    "changed",
    [
        {"test_patch": "x"}, {"patch": "x"}, {"PASS_TO_PASS": "[]"}, {"base_commit": "0" * 40},
        {"eval_type": "fail_only"},
    ],
)  # fmt: skip
def test_whatever_decides_the_outcome_is_in_its_id(repo: Path, place: Counted, changed: dict[str, str]) -> None:
    both = (tiny.instance(repo), tiny.instance(repo, **changed))
    assert len({validate._id(one, place, "parse_log_pytest", "one") for one in both}) == 2


def test_another_statement_needs_no_other_validation(repo: Path, place: Counted) -> None:
    ids = {validate._id(tiny.instance(repo, problem_statement=text), place, "p", "e") for text in ("one", "two")}
    assert len(ids) == 1


def test_another_environment_needs_another_validation(repo: Path, place: Counted, tmp_path: Path) -> None:
    first = validated(tiny.instance(repo), place, logs=tmp_path)
    place.environment = "two"
    assert validated(tiny.instance(repo), place, logs=tmp_path).id != first.id
    assert place.sandboxes == 4


def test_more_time_for_the_tests_needs_another_validation(repo: Path, place: Counted, tmp_path: Path) -> None:
    """A fix whose tests take long is no broken one, and one that was tried with more time may end too late."""
    one = tiny.instance(repo)
    first = validated(one, place, logs=tmp_path, seconds=60.0)
    assert validated(one, place, logs=tmp_path, seconds=61.0).id != first.id
    assert place.sandboxes == 4


def test_a_fix_that_does_not_resolve_says_which_tests_fail(repo: Path, place: Counted, tmp_path: Path) -> None:
    half = tiny.instance(repo, patch=tiny.patch(repo, {"tally.py": tiny.HALF}))
    found = validated(half, place, logs=tmp_path)
    name = "tests/test_tally.py::test_mean_of_nothing"
    assert (found.valid, found.reason) == (False, f"its own fix does not resolve it: 1 test fails: {name}")


def test_an_instance_that_is_resolved_already_proves_nothing(repo: Path, place: Counted, tmp_path: Path) -> None:
    easy = tiny.instance(repo, FAIL_TO_PASS='["tests/test_tally.py::test_total"]', PASS_TO_PASS="[]")
    assert validated(easy, place, logs=tmp_path).reason == "it is resolved without any patch"
    none = tiny.instance(repo, FAIL_TO_PASS="[]")
    assert validated(none, place, logs=tmp_path).reason == "it names no test that fails before the fix"


def test_a_sandbox_that_breaks_leaves_it_unknown(repo: Path, place: Counted, tmp_path: Path) -> None:
    place.error = SandboxError("the engine said no")
    with pytest.raises(SandboxError, match="tiny__tally-1 could not be validated: the engine said no"):
        validated(tiny.instance(repo), place, logs=tmp_path)
    place.error = None
    assert validated(tiny.instance(repo), place, logs=tmp_path).valid


def test_what_has_no_environment_or_no_parser_is_not_trusted_and_not_remembered(
    repo: Path, place: Counted, tmp_path: Path
) -> None:
    found = validated(tiny.instance(repo, install_config=None), place, logs=tmp_path)
    assert (found.valid, found.reason.startswith("tiny__tally-1: no log parser is named")) == (False, True)
    place.error = Unprepared("there is no Python 2.7")
    assert validated(tiny.instance(repo), place, logs=tmp_path).reason.endswith("there is no Python 2.7")
    place.error = None
    assert validated(tiny.instance(repo), place, logs=tmp_path).valid


def test_what_was_not_valid_is_tried_again_when_that_is_asked_for(repo: Path, place: Counted, tmp_path: Path) -> None:
    half = tiny.instance(repo, patch=tiny.patch(repo, {"tally.py": tiny.HALF}))
    tried = [validated(half, place, logs=tmp_path, again=again).attempt for again in (False, False, True)]
    assert tried == [1, 1, 2]


def test_a_cache_that_cannot_be_written_is_named(repo: Path, place: Counted, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    found = validated(tiny.instance(repo), place, logs=tmp_path, cache=tmp_path / "cache")
    assert (found.valid, "cannot be written (" in found.reason) == (False, True)


def test_a_torn_record_is_as_good_as_none(repo: Path, place: Counted, tmp_path: Path) -> None:
    found = validated(tiny.instance(repo), place, logs=tmp_path)
    (validate.folder() / f"{found.id}.json").write_text('{"id": "')
    assert validated(tiny.instance(repo), place, logs=tmp_path).valid
