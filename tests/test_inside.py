"""Tests that stand in files of Rust, told apart from the code, in a repository made with git in a temporary folder."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli import __main__ as door
from sera_cli.evaluate.replay import inside
from sera_cli.evaluate.replay.inside import Inside, parted, putting
from sera_cli.evaluate.replay.splitting import Parts, split
from sera_cli.evaluate.runners.cargo import Cargo
from sera_cli.evaluate.runners.pytest import Pytest
from sera_cli.git import open_repository
from tests import owned
from tests.backends import needs_bubblewrap
from tests.past import git

OLD = "pub fn sum(a: i32, b: i32) -> i32 {\n    a - b\n}\n"
NEW = OLD.replace("-", "+").replace(" +>", " ->")
TESTS = (
    "#[cfg(test)]\nmod tests {\n    use super::sum;\n\n"
    "    #[test]\n    fn zero() {\n        assert_eq!(sum(0, 0), 0);\n    }\n}\n"
)
MORE = TESTS.replace("}\n}\n", "}\n\n    #[test]\n    fn adds() {\n        assert_eq!(sum(2, 2), 4);\n    }\n}\n")


def parts(
    repo: Path, before: dict[str, str], after: dict[str, str], runner: Cargo | Pytest | None = None
) -> Parts | str:
    """What becomes of a change from some files to others."""
    git(repo, "init", "-q", "-b", "main")
    for files in (before, after):
        for path, text in files.items():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_text(text)
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", "x")
    return split(open_repository(repo), git(repo, "rev-parse", "HEAD^"), git(repo, "rev-parse", "HEAD"),
                 runner or Cargo())


def applied(repo: Path, made: Parts, patch: str) -> str:
    """The file that the repository's first commit, a patch and the tests make."""
    git(repo, "checkout", "-q", "-f", "HEAD^")
    subprocess.run(["git", "apply", "-"], cwd=repo, input=patch, text=True, check=True)
    subprocess.run(["bash", "-c", "\n".join(putting(made.inside))], cwd=repo, check=True)
    return (repo / "src/lib.rs").read_text()


def test_the_fix_has_the_tests_as_they_were_and_what_the_change_made_of_them_is_held_back(tmp_path: Path) -> None:
    made = parts(tmp_path, {"src/lib.rs": f"{OLD}\n{TESTS}"}, {"src/lib.rs": f"{NEW}\n{MORE}"})
    assert isinstance(made, Parts)
    assert (made.tests, made.test_patch, made.inside) == (
        ("src/lib.rs",), "", (Inside(path="src/lib.rs", text=MORE),))
    assert "+    a + b" in made.patch and "adds" not in made.patch
    assert "fn adds" in made.inside_patch and "a + b" not in made.inside_patch
    assert applied(tmp_path, made, made.patch) == f"{NEW}\n{MORE}"


def test_tests_that_an_agent_wrote_in_their_place_give_way(tmp_path: Path) -> None:
    made = parts(tmp_path, {"src/lib.rs": f"{OLD}\n{TESTS}"}, {"src/lib.rs": f"{NEW}\n{MORE}"})
    assert isinstance(made, Parts)
    own = TESTS.replace("zero", "one") + "\npub fn late() {}\n"
    theirs = inside.patch(tmp_path, [("src/lib.rs", f"{OLD}\n{TESTS}", f"{NEW}\n{own}")])
    assert applied(tmp_path, made, theirs) == f"{NEW}\n\npub fn late() {{}}\n{MORE}"


def test_the_first_tests_of_a_file_are_held_back_too(tmp_path: Path) -> None:
    made = parts(tmp_path, {"src/lib.rs": OLD}, {"src/lib.rs": f"{NEW}{TESTS}"})
    assert isinstance(made, Parts)
    assert applied(tmp_path, made, made.patch) == f"{NEW}{TESTS}"


def test_a_new_file_comes_without_its_tests(tmp_path: Path) -> None:
    before = {"src/lib.rs": OLD, "tests/a.rs": "#[test]\nfn a() {}\n"}
    made = parts(tmp_path, before, {
        "src/lib.rs": f"mod more;\n{NEW}", "src/more.rs": f"fn more() {{}}\n{TESTS}",
        "tests/a.rs": "#[test]\nfn b() {}\n"})  # fmt: skip
    assert isinstance(made, Parts)
    assert (made.tests, made.inside) == (("tests/a.rs",), ())
    assert "diff --git a/src/more.rs b/src/more.rs\nnew file mode" in made.patch and "mod tests" not in made.patch


@pytest.mark.parametrize(("old", "new", "expected"), [
    (f"{OLD}{TESTS}", f"{OLD}{MORE}", "changes no code"),
    (f"{OLD}{TESTS}", f"{NEW}{TESTS}", "changes no tests"),
    (f"{OLD}{TESTS}{TESTS}", f"{NEW}{TESTS}{MORE}", "changes tests among its code"),
    (f"{OLD}#[cfg(test)]\nuse std::env;\n{TESTS}", f"{NEW}{MORE}", "changes tests among its code"),
    (f"{OLD}#[test]\nfn a() {{\n  b()\n}}\n", f"{NEW}#[test]\nfn a() {{\n  c()\n}}\n", "changes tests among its code"),
    (OLD, f"{NEW}#[cfg(test)]\nmod tests;\n", "changes tests among its code"),
])  # fmt: skip
def test_what_cannot_be_told_apart_is_left_out(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert parts(tmp_path, {"src/lib.rs": old}, {"src/lib.rs": new}) == expected


def test_code_beside_tests_that_stay_is_code_wherever_they_stand(tmp_path: Path) -> None:
    odd = "mod a {\n    #[cfg(test)]\n    mod tests {\n        #[test]\n        fn b() {}\n    }\n}\n"
    odd += "#[cfg(test)]\nuse x::y;\n"
    before = {"src/lib.rs": f"{OLD}{odd}", "tests/a.rs": ""}
    made = parts(tmp_path, before, {"src/lib.rs": f"{NEW}{odd}", "tests/a.rs": "#[test]\nfn b() {}\n"})
    assert isinstance(made, Parts) and (made.tests, made.inside) == (("tests/a.rs",), ())


def test_a_test_that_holds_code_in_a_text_is_held_back_with_all_that_follows(tmp_path: Path) -> None:
    old = TESTS.replace("        assert", '        let x = r#"\nfn main() {}\n"#;\n        assert')
    new = old.replace("0);", "x.len() * 0);")
    made = parts(tmp_path, {"src/lib.rs": f"{OLD}{old}"}, {"src/lib.rs": f"{NEW}{new}"})
    assert isinstance(made, Parts) and "x.len()" not in made.patch
    assert made.inside == (Inside(path="src/lib.rs", text=new),)


def test_a_module_that_seems_to_end_inside_a_text_is_not_told_apart(tmp_path: Path) -> None:
    old = TESTS.replace("        assert", '        let x = r#"\nfn main() {\n}\n"#;\n        assert')
    assert parted(f"{OLD}{old}") is None
    assert parts(tmp_path, {"src/lib.rs": f"{OLD}{old}"}, {"src/lib.rs": f"{NEW}{old}{TESTS}"}) == (
        "changes tests among its code")
    assert parted(f"{OLD}{TESTS}".replace("zero", "a\\\"b' = '\"'")) is not None


def test_other_runners_leave_such_files_whole(tmp_path: Path) -> None:
    made = parts(
        tmp_path, {"src/lib.rs": f"{OLD}{TESTS}", "tests/test_a.py": ""},
        {"src/lib.rs": f"{NEW}{MORE}", "tests/test_a.py": "def test_a():\n    pass\n"}, Pytest())  # fmt: skip
    assert isinstance(made, Parts) and "adds" in made.patch


LINES = st.sampled_from([
    "#[cfg(test)]", "#[allow(dead_code)]", "mod tests {", "pub mod more {", "    fn a() {", "    }", "}", "", "// x"])


@given(st.lists(LINES, max_size=12), st.booleans())
def test_the_parts_of_a_file_are_the_file(lines: list[str], ended: bool) -> None:
    text = "\n".join(lines) + "\n" * ended
    found = parted(text)
    assert found is None or found.code + found.tests + found.end == text


@pytest.mark.parametrize("seed", range(8))
def test_the_shell_finds_the_same_tests(tmp_path: Path, seed: int) -> None:
    from random import Random

    drawn = Random(seed)
    words = ["#[cfg(test)]", "#[allow(x)]", "mod tests {", "pub(crate) mod more {", "    fn a() {", "}", "", "// x"]
    text = "".join(f"{drawn.choice(words)}\n" for _ in range(40))
    while (found := parted(text)) is None:
        text = text.replace("#[cfg(test)]\n", "", 1)
    (tmp_path / "a.rs").write_text(text)
    script = "\n".join(putting([Inside(path="a.rs", text="// tests\n")]))
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "a.rs").read_text() == f"{found.code}{found.end}// tests\n"


@needs_bubblewrap
@pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not on this machine")
def test_such_a_change_becomes_a_task_that_its_fix_resolves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("swebench")
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    repo = tmp_path / "own"
    repo.mkdir()
    crate = {path: text for path, text in owned.CARGO.base.items() if path.startswith("Cargo")}
    parts(repo, {**crate, "src/lib.rs": f"{OLD}\n{TESTS}"}, {"src/lib.rs": f"{NEW}\n{MORE}"})
    git(repo, "commit", "-q", "--amend", "-m", "Add what is given instead of taking one from the other")
    assert door.run(["bench", "build", str(repo), "--runs", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"] == 1
    row = json.loads((repo / ".sera/bench/replay.jsonl").read_text())
    assert (row["FAIL_TO_PASS"], row["test_patch"]) == ('["src/lib.rs::tests::adds"]', "")
    assert row["PASS_TO_PASS"] == '["src/lib.rs::tests::zero"]'
    grade = ["eval", "--bench", "replay", "--json", "-C", str(repo), "--predictions"]
    for predictions, verdict in (("gold", "resolved"), ("empty", "unresolved")):
        assert door.run([*grade, predictions]) == 0
        assert set(json.loads(capsys.readouterr().out)["instances"].values()) == {verdict}
