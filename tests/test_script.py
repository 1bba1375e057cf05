"""The bash that restores the tests of the benchmark, run on real repositories."""

import subprocess
from pathlib import Path

import pytest

from sera_cli.evaluate.script import END, START, applying, restoring, script
from sera_cli.export import export
from sera_cli.git import open_repository
from tests import tiny

TEST = "tests/test_tally.py"
MEDDLING = {
    "nothing": "true",
    "the file is deleted": f"rm {TEST}",
    "the file is changed": f"echo 'def test_total(): pass' >{TEST}",
    "the file is renamed": f"mv {TEST} tests/test_other.py",
    "a folder is in its place": f"rm {TEST}; mkdir {TEST}; touch {TEST}/__init__.py",
    "a link is in its place": f"rm {TEST}; ln -s ../tally.py {TEST}",
    "a link to nowhere is in its place": f"rm {TEST}; ln -s /nowhere/at/all {TEST}",
    "a link is above it": "mv tests elsewhere; ln -s elsewhere tests",
    "a file is above it": "rm -r tests; echo 'tests' >tests",
    "its folder is gone": "rm -r tests",
    "it is in the index otherwise": f"echo 'pass' >{TEST}; git add -A",
    "it may not be read": f"chmod 000 {TEST}",
    "git is told to run a program": "printf '#!/bin/sh\\nrm -r tests\\n' >.git/hooks/post-checkout; "
                                    "chmod +x .git/hooks/post-checkout",
}  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    repo = tiny.repository(tmp_path)
    export(open_repository(repo, "HEAD~1"), tmp_path / "base")
    (tmp_path / "base" / ".git" / "hooks").mkdir()
    return tmp_path / "base"


def bash(folder: Path, text: str) -> str:
    """What it prints, errors too."""
    done = subprocess.run(["bash", "-c", text], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


@pytest.mark.parametrize("meddling", MEDDLING.values(), ids=MEDDLING)
def test_whatever_was_done_to_a_test_file_it_is_the_benchmarks_again(base: Path, meddling: str) -> None:
    patch = tiny.patch(base, {TEST: tiny.MORE_TESTS})
    bash(base, meddling)
    said = bash(base, "\n".join([*restoring(patch), *applying(patch)]))
    assert (base / TEST).read_text() == tiny.MORE_TESTS, said
    assert not (base / TEST).is_symlink()
    assert not (base / "tests").is_symlink()


@pytest.mark.parametrize(
    "meddling",
    ["true", "mkdir -p tests/new; echo x >tests/new/test_new.py", "mkdir -p tests/new/test_new.py/x",
     "mkdir tests/new; ln -s ../test_tally.py tests/new/test_new.py", "ln -s .. tests/new", "echo >tests/new"],
)  # fmt: skip
def test_a_file_that_the_test_patch_creates_is_not_there_before(base: Path, meddling: str) -> None:
    patch = tiny.patch(base, {"tests/new/test_new.py": "def test_new(): pass\n"})
    bash(base, meddling)
    bash(base, "\n".join(restoring(patch)))
    assert not (base / "tests/new/test_new.py").exists()
    bash(base, "\n".join(applying(patch)))
    assert (base / "tests/new/test_new.py").read_text() == "def test_new(): pass\n"
    assert (base / TEST).read_text() == tiny.TESTS


def test_a_test_patch_that_deletes_or_renames_a_file_finds_it_as_it_was(base: Path) -> None:
    patch = bash(base, f"git mv {TEST} tests/test_renamed.py; git diff --cached -M HEAD; git reset -q --hard")
    assert "rename to tests/test_renamed.py" in patch
    bash(base, f"echo >{TEST}; echo >tests/test_renamed.py")
    bash(base, "\n".join([*restoring(patch), *applying(patch)]))
    assert [path.name for path in sorted((base / "tests").glob("*.py"))] == ["test_renamed.py"]
    assert (base / "tests/test_renamed.py").read_text() == tiny.TESTS


def test_names_of_files_are_taken_literally(base: Path) -> None:
    name = "tests/$(touch x) 'a' [b]*.py"
    patch = tiny.patch(base, {name: "one\n"})
    bash(base, "\n".join([*restoring(patch), *applying(patch)]))
    assert (base / name).read_text() == "one\n"
    assert not (base / "x").exists()


def test_a_test_patch_may_hold_anything_but_its_own_digest(base: Path) -> None:
    text = "EOF\nEOF_0123456789ab\n$HOME `date`\n\\\n'\n"
    patch = tiny.patch(base, {"tests/text": text})
    bash(base, "\n".join(applying(patch)))
    assert (base / "tests/text").read_text() == text


def test_the_tests_run_between_the_markers(base: Path, tmp_path: Path) -> None:
    one = tiny.instance(tiny.repository(tmp_path / "again"))
    said = bash(base, script(one, "pwd; echo $WORD; (exit 3)", before=["export WORD=ready", "cd tests"]))
    assert said.partition(START)[2] == f"\n{base}\nready\n\n{END}\n"


def test_a_rows_own_script_gets_the_one_commit_that_there_is(base: Path, tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path / "again")
    commit = tiny.row(repo)["base_commit"]
    lines = [f"git checkout {commit} {TEST} 2>/dev/null", f"cat {TEST}", "cat <<'END'", " git show", "END"]
    one = tiny.instance(repo, eval_script="\n".join(["#!/bin/bash", *lines]))
    (base / TEST).write_text("changed\n")
    assert bash(base, script(one, "echo never")) == f"{tiny.TESTS} git show\n"


def test_a_rows_own_script_shows_no_patch_before_the_tests(base: Path, tmp_path: Path) -> None:
    """It might look like a log; and a single commit is shown with all of its files."""
    repo = tiny.repository(tmp_path / "again")
    shows = ["git status", "git show", f"git -c core.fileMode=false diff {tiny.row(repo)['base_commit']}"]
    one = tiny.instance(repo, eval_script="\n".join([*shows, "echo run"]))
    (base / "tally.py").write_text(START)
    assert bash(base, script(one, "echo never")) == "run\n"


def test_a_patch_of_nothing_needs_no_bash() -> None:
    assert restoring("") + applying("\n") == []
