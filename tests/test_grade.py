"""Grading patches on the tiny instance, in real sandboxes; on a real one where its data and repository are at hand."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sera_cli.errors import SandboxError, SandboxGone
from sera_cli.evaluate.grade import Grade, grade, named
from sera_cli.evaluate.grade import tested as ran
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Place, Unprepared
from sera_cli.harness.sandbox import Result, Sandbox
from sera_cli.harness.sandbox.disk import FULL
from sera_cli.redact import ours, redact
from tests import tiny

pytest.importorskip("swebench")

needs_patch = pytest.mark.skipif(shutil.which("patch") is None, reason="needs GNU patch")
LOOP = 3.0
"""Seconds for patches that never end."""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.repository(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def here(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> tiny.Here:
    return tiny.Here(repo, tmp_path_factory.mktemp("bases"))


@pytest.fixture(autouse=True)
def known_to_the_package() -> Iterator[None]:
    """The tiny repository in the package's own maps, for its own maker of TestSpecs."""
    from swebench.harness.constants import MAP_REPO_TO_EXT, MAP_REPO_VERSION_TO_SPECS
    from swebench.harness.log_parsers import MAP_REPO_TO_PARSER
    from swebench.harness.log_parsers.python import parse_log_pytest

    maps = (MAP_REPO_TO_EXT, MAP_REPO_VERSION_TO_SPECS, MAP_REPO_TO_PARSER)
    told = {"python": "3.11", "packages": "", "test_cmd": tiny.COMMAND}
    for one, value in zip(maps, ("py", {"1": told}, parse_log_pytest), strict=True):
        one[tiny.REPO] = value
    yield
    for one in maps:
        del one[tiny.REPO]


def by_the_package(one: Instance, log: Path) -> bool:
    """Whether the package's own functions, on its own TestSpec, call the run in this log resolved."""
    from swebench.harness.grading import get_eval_report
    from swebench.harness.test_spec.test_spec import make_test_spec

    prediction = {"instance_id": one.instance_id, "model_name_or_path": "x", "model_patch": "x"}
    report = get_eval_report(make_test_spec(one.row), prediction, str(log), include_tests_status=True)
    return bool(report[one.instance_id]["resolved"])


def graded(one: Instance, place: Place, patch: str, logs: Path, seconds: float = 60.0) -> Grade:
    return grade(one, patch, place, logs=logs, id="0123", seconds=seconds)


def test_the_fix_resolves_it(repo: Path, here: tiny.Here, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    got = graded(one, here, one.patch, tmp_path)
    assert (got.verdict, got.applied, got.failing, got.reason) == ("resolved", True, (), "")
    assert (got.id, got.instance_id, got.log) == ("0123", tiny.ID, "tiny__tally-1.0123.log")
    assert by_the_package(one, tmp_path / got.log)


REASONS = {
    "syntax error": "5 tests fail: ",
    "wrong fix": "1 test fails: tests/test_tally.py::test_mean_of_nothing",
    "breaks another test": "1 test fails: tests/test_tally.py::test_largest",
    "half of the fix": "1 test fails: tests/test_tally.py::test_mean_of_nothing",
    "deletes the test file": "2 tests fail: ",
    "edits the test": "2 tests fail: ",
    "does not apply": "the patch does not apply: patch failed: tally.py:1",
    "no diff": "the patch does not apply: ",
    "prints the end marker": "2 tests fail: ",
    "leaves in the middle": "5 tests fail: ",
    "kills the shell": "the tests did not run to their end",
    "never ends": "the tests did not end in 3 s",
}


@needs_patch
@pytest.mark.parametrize("name", tiny.BROKEN)
def test_a_broken_patch_is_unresolved_by_us_as_by_the_package(
    repo: Path, here: tiny.Here, tmp_path: Path, name: str
) -> None:
    one, patch = tiny.instance(repo), tiny.patch(repo, tiny.BROKEN[name])
    got = graded(one, here, patch, tmp_path, LOOP if name == "never ends" else 60.0)
    assert got.verdict == "unresolved"
    assert got.reason.startswith(REASONS[name])
    assert got.applied is not (name in ("does not apply", "no diff"))
    assert got.timed_out is (name == "never ends")
    assert not by_the_package(one, tmp_path / got.log)


def test_a_fix_that_prints_forty_megabytes_resolves_it_in_a_log_of_sixteen(
    repo: Path, here: tiny.Here, tmp_path: Path
) -> None:
    noisy = "import sys\nfor _ in range(40):\n    sys.stdout.write(('some words ' * 300 + '\\n') * 303)\n" + tiny.FIXED
    got = graded(tiny.instance(repo), here, tiny.patch(repo, {"tally.py": noisy}), tmp_path)
    assert got.verdict == "resolved"
    assert (tmp_path / got.log).stat().st_size <= (16 << 20) + 100


def test_the_tree_as_it_is_is_unresolved_by_us_as_by_the_package(repo: Path, here: tiny.Here, tmp_path: Path) -> None:
    one, log = tiny.instance(repo), tmp_path / "log"
    outcome = ran(one, "", here, log)
    assert (outcome.verdict, outcome.failing) == ("unresolved", one.fail_to_pass)
    assert not by_the_package(one, log)


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        (("a",), "1 test fails: a"),
        (("a", "b"), "2 tests fail: a, b"),
        (("a" * 61, "b", "c", "d"), f"4 tests fail: {'a' * 59}…, b and 2 more"),
    ],
)  # fmt: skip
def test_a_few_of_the_tests_that_fail_are_named(tests: tuple[str, ...], says: str) -> None:
    assert named(tests) == says


def test_no_patch_is_unresolved_without_a_run(repo: Path, here: tiny.Here, tmp_path: Path) -> None:
    got = graded(tiny.instance(repo), here, " \n", tmp_path)
    assert (got.verdict, got.reason, got.applied, got.log) == ("unresolved", "no patch", False, "")
    assert list(tmp_path.iterdir()) == []


def test_a_patch_that_meddles_with_the_tests_is_graded_with_the_benchmarks(
    repo: Path, here: tiny.Here, tmp_path: Path
) -> None:
    """The fix is right, and the tests of the model's own are not looked at."""
    changes = {"tally.py": tiny.FIXED, "tests/test_tally.py": None, "tests/test_mine.py": "assert False\n"}
    own = tiny.patch(repo, changes)
    assert graded(tiny.instance(repo), here, own, tmp_path).verdict == "resolved"


@needs_patch
def test_a_patch_whose_surroundings_git_does_not_find_is_applied_as_the_package_does(
    repo: Path, here: tiny.Here, tmp_path: Path
) -> None:
    one = tiny.instance(repo)
    loose = one.patch.replace(" def largest(numbers):", " def smallest(numbers):")
    assert loose != one.patch
    assert graded(one, here, loose, tmp_path).verdict == "resolved"


def test_a_patch_is_graded_with_the_secrets_that_were_taken_out_of_it(tmp_path: Path) -> None:
    """Also by a process that did not take them out: it finds them in the file that the patch changes."""
    repo = tiny.repository(tmp_path / "own")
    key = 'KEY = "AKIAQ7ZTW2M5N8XKLR4P"\n'
    held = {**tiny.BASE, "tally.py": key + tiny.TALLY}
    tiny._write(repo, held)
    for command in (["add", "-A"], ["commit", "-q", "-m", "Have a key"]):
        tiny._git(repo, *command)
    change = {"tally.py": tiny.FIXED + key, "lost.txt": "KEPT\n"}
    one = tiny.instance(repo, base_commit=tiny._git(repo, "rev-parse", "HEAD"), test_patch=tiny.patch(
        repo, {"tests/test_tally.py": tiny.MORE_TESTS}, held))  # fmt: skip
    redacted = redact(tiny.patch(repo, change, held))
    assert "AKIA" not in redacted and redacted.count("[redacted:aws:") == 2
    ours.cache_clear()
    got = graded(one, tiny.Here(repo, tmp_path / "bases"), redacted, tmp_path)
    assert (got.verdict, got.reason) == ("resolved", "")


def test_a_line_that_the_log_parser_cannot_take_ends_no_evaluation(
    repo: Path, here: tiny.Here, tmp_path: Path
) -> None:
    parser = tiny.row(repo)["install_config"] | {"log_parser": "parse_log_seaborn"}
    one = tiny.instance(repo, install_config=parser)
    got = graded(one, here, tiny.patch(repo, {"tally.py": f"print('FAILED')\n{tiny.FIXED}"}), tmp_path)
    assert (got.verdict, got.reason) == ("unresolved", "the tests printed a line that ends swebench's log parser")


@needs_patch
def test_a_patch_may_not_reach_into_git(repo: Path, here: tiny.Here, tmp_path: Path) -> None:
    hook = "--- /dev/null\n+++ b/{}/hooks/post-checkout\n@@ -0,0 +1 @@\n+rm -r tests\n"
    link = "diff --git a/way b/way\nnew file mode 120000\n--- /dev/null\n+++ b/way\n@@ -0,0 +1 @@\n+.git\n"
    end = "\\ No newline at end of file\n"
    for way in (hook.format(".git"), link + end + hook.format("way")):
        got = graded(tiny.instance(repo), here, tiny.instance(repo).patch + way, tmp_path)
        assert (got.verdict, got.applied) == ("unresolved", False)
        assert "it changes the repository's .git" in (tmp_path / got.log).read_text()


def test_where_nothing_passes_the_reason_has_what_the_tests_said_at_last(
    repo: Path, here: tiny.Here, tmp_path: Path
) -> None:
    got = graded(tiny.instance(repo), here, tiny.patch(repo, {"tally.py": "import abacus\n"}), tmp_path)
    assert got.reason.startswith("5 tests fail: tests/test_tally.py::test_total_of_what_was_taken_away, ")
    assert got.reason.endswith("and 3 more; the last thing they say: ERROR tests/test_tally.py - ModuleNotFoundError")


def test_later_commits_cannot_be_reached(repo: Path, here: tiny.Here) -> None:
    with here.sandbox(tiny.instance(repo)) as box:
        assert box.run("cd /testbed && git rev-list --all | wc -l && git tag | wc -l", 20).output == "1\n0\n"
        assert box.run("cd /testbed && git cat-file -t v2 && git log -1 HEAD~1", 20).code != 0
        fixed = "git hash-object --stdin <<'END' | git cat-file --batch-check\n" + tiny.FIXED + "END"
        assert box.run(f"cd /testbed && {fixed}", 20).output.endswith("missing\n")


class Broken(tiny.Here):
    """A place where no sandbox can be had."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def sandbox(self, instance: Instance) -> Sandbox:
        raise self._error


def test_a_sandbox_that_breaks_is_nobodys_failure(repo: Path, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    got = graded(one, Broken(SandboxError("the engine said no")), one.patch, tmp_path)
    assert (got.verdict, got.reason, got.failed) == ("infra", "the engine said no", True)


class Crowded(tiny.Here):
    """Another process fills the disk while tests run."""

    def sandbox(self, instance: Instance) -> Sandbox:
        inside = super().sandbox(instance)
        run = inside.run

        def struck(command: str, timeout: float) -> Result:
            if "tests.sh" not in command:
                return run(command, timeout)
            return Result(output="", code=137, note=f"The command was killed: {FULL}.")

        inside.run = struck  # type: ignore[method-assign]
        return inside


def test_a_disk_that_is_full_is_nobodys_failure(repo: Path, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    got = graded(one, Crowded(repo, tmp_path / "bases"), one.patch, tmp_path)
    assert (got.verdict, got.reason) == ("infra", "the tests were ended: this machine's disk is nearly full; make room")


def test_an_instance_without_an_environment_is_unvalidated(repo: Path, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    got = graded(one, Broken(Unprepared("there is no Python 2.7")), one.patch, tmp_path)
    assert (got.verdict, got.reason, got.failed) == ("unvalidated", "there is no Python 2.7", False)


def test_an_engine_that_is_gone_ends_the_run(repo: Path, tmp_path: Path) -> None:
    one = tiny.instance(repo)
    with pytest.raises(SandboxGone, match="the engine is down"):
        graded(one, Broken(SandboxGone("the engine is down")), one.patch, tmp_path)


def test_a_grade_comes_back_from_disk_as_it_was(repo: Path, here: tiny.Here, tmp_path: Path) -> None:
    got = graded(tiny.instance(repo), here, "no diff", tmp_path)
    assert Grade.model_validate_json(got.model_dump_json()) == got
