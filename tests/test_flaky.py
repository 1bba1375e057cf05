"""Which tests a change fixes and keeps: by hand, by law, and on a real repository with faults of every kind."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.flaky import Tried, judged, tried
from sera_cli.evaluate.instance import Instance
from tests import tiny

pytest.importorskip("swebench")


def test_a_test_that_fails_before_and_passes_after_is_fixed() -> None:
    before = {"a": "FAILED", "b": "PASSED", "c": "ERROR", "d": "XFAIL", "e": "SKIPPED", "f": "PASSED"}
    after = {"a": "PASSED", "b": "PASSED", "c": "FAILED", "d": "PASSED", "e": "PASSED", "new": "PASSED"}
    assert judged([before], [after]) == Tried(fail_to_pass=("a", "new"), pass_to_pass=("b", "d"))


def test_what_differs_from_run_to_run_is_flaky_on_either_side() -> None:
    steady = {"fixed": "FAILED", "kept": "PASSED"}
    before = [steady | {"one": "PASSED"}, steady | {"one": "FAILED"}]
    good = {"fixed": "PASSED", "kept": "PASSED", "one": "PASSED"}
    after = [good | {"two": "PASSED"}, good]
    assert judged(before, after) == Tried(fail_to_pass=("fixed",), pass_to_pass=("kept",), flaky=("one", "two"))


def test_a_change_whose_only_fixed_tests_are_flaky_is_none() -> None:
    found = judged([{"a": "FAILED"}, {"a": "PASSED"}], [{"a": "PASSED"}] * 2)
    assert found == Tried(flaky=("a",), reason="no test fails before it and passes after it", detail="1 flaky")


RUN = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL"]))


@given(st.lists(RUN, min_size=1, max_size=3), st.lists(RUN, min_size=1, max_size=3))
def test_no_test_is_two_things_and_more_runs_make_none_certain(
    before: list[dict[str, str]], after: list[dict[str, str]]
) -> None:
    found = judged(before, after)
    kinds = [*found.fail_to_pass, *found.pass_to_pass, *found.flaky]
    assert len(kinds) == len(set(kinds))
    assert bool(found.reason) == (not found.fail_to_pass)
    once = judged(before[:1], after[:1])
    assert set(found.fail_to_pass) <= set(once.fail_to_pass)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tiny.repository(tmp_path)


def attempt(repo: Path, instance: Instance, **options: object) -> Tried:
    return tried(instance, tiny.Here(repo, repo.parent / "exports"), runs=1, **options)  # type: ignore[arg-type]


def changed(repo: Path, tests: str) -> Instance:
    """The tiny instance, whose tests are these."""
    return tiny.instance(repo, test_patch=tiny.patch(repo, {"tests/test_tally.py": tests}))


def test_the_tiny_instance_is_found_again_by_running_it(repo: Path) -> None:
    instance = tiny.instance(repo)
    logs = repo.parent / "logs"
    found = tried(instance, tiny.Here(repo, repo.parent / "exports"), runs=2, logs=logs)
    assert found == Tried(
        fail_to_pass=tuple(sorted(instance.fail_to_pass)), pass_to_pass=tuple(sorted(instance.pass_to_pass)))
    assert sorted(log.name for log in logs.iterdir()) == ["after-0.log", "after-1.log", "before-0.log", "before-1.log"]


class Counting(tiny.Here):
    """Tells the tests which run of them it is."""

    runs = 0

    def script(self, instance: Instance) -> str:
        self.runs += 1
        return f"export RUN={self.runs}\n{super().script(instance)}"


def test_a_flaky_test_is_left_out(repo: Path) -> None:
    """After the change it passes in the first run, and not in the second."""
    text = f"{tiny.MORE_TESTS}\n\ndef test_by_chance():\n    import os\n    assert os.environ['RUN'] == '1'\n"
    found = tried(changed(repo, text), Counting(repo, repo.parent / "exports"), runs=2)
    assert (len(found.fail_to_pass), found.flaky) == (2, ("tests/test_tally.py::test_by_chance",))


def test_tests_that_cannot_start_hang_or_say_nothing_are_one_reason_each(repo: Path) -> None:
    cannot = attempt(repo, changed(repo, "import os\nos._exit(3)\n"))
    assert (cannot.reason, cannot.detail) == ("the tests do not start", "after the change: nothing was printed")
    hangs = attempt(repo, changed(repo, "while True: pass\n"), seconds=2.0)
    assert (hangs.reason, hangs.detail) == ("the tests hang", "after the change: no end after 2 s")
    wrong = attempt(repo, tiny.instance(repo, patch="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"))
    assert wrong.reason == "the code part does not apply alone"
    same = attempt(repo, changed(repo, tiny.TESTS + '\n'))
    assert same.reason == "no test fails before it and passes after it"


def test_a_hundred_megabytes_of_output_are_no_trouble(repo: Path) -> None:
    text = tiny.MORE_TESTS + "\n\nfor _ in range(100):\n    print('x' * 1023 * 1024)\n"
    assert len(attempt(repo, changed(repo, text)).fail_to_pass) == 2
