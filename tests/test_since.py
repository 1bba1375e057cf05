"""`sera mine --since-commit` and `--since-agent`, as a person or a program asks them."""

import json
import subprocess
from pathlib import Path

import pytest

from sera_cli.agents import registry
from sera_cli.cli.since import ROWS
from sera_cli.config import home
from sera_cli.git import open_repository
from sera_cli.types import AgentCard
from tests.test_mine import ADD, commit, many
from tests.test_mine_verb import Captured, lines, mine

SUB = ADD.replace("add", "sub").replace("a + b", "a - b")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    commit(tmp_path / "shop", {"src/a.py": ADD + SUB, "b.py": ADD})
    subprocess.run(["git", "-C", tmp_path / "shop", "tag", "v1"], check=True)
    return commit(tmp_path / "shop", {"src/a.py": f"\n{ADD.replace('a + b', 'b + a')}", "src/c.py": SUB})


def test_what_changed_is_told_as_a_table_and_a_sentence(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--since-commit", "v1") == 0
    said = capsys.readouterr()
    rows = [row.split() for row in said.out.splitlines()]
    assert rows[1:4] == [
        ["changed", "src/a.py", "2", "add"], ["gone", "src/a.py", "5", "sub"], ["new", "src/c.py", "1", "sub"]]
    assert ": 1 new, 1 changed, 1 gone, 1 the same." in " ".join((said.out + said.err).split())
    assert not (shop / ".sera").exists()


def test_json_names_both_commits_and_every_function(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--since-commit", "v1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["since"], found["commit"]) == (open_repository(shop, "v1").commit, open_repository(shop).commit)
    assert [found[key] for key in ("new", "changed", "gone", "same")] == [1, 1, 1, 1]
    assert [(row["change"], row["path"], row["line"]) for row in found["functions"]] == [
        ("changed", "src/a.py", 2), ("gone", "src/a.py", 5), ("new", "src/c.py", 1)]


def test_a_change_a_line_of_one_folder_up_to_another_commit(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--since-commit", "v1", "--jsonl", "--focus", "src/c.py") == 0
    assert [(row["change"], row["name"]) for row in lines(capsys)] == [("new", "sub")]
    assert mine(f"{shop}@v1", "--since-commit", "HEAD", "--jsonl", "--focus", "src") == 0
    assert [(row["change"], row["path"]) for row in lines(capsys)] == [
        ("changed", "src/a.py"), ("new", "src/a.py"), ("gone", "src/c.py")]


def test_of_many_changes_the_table_shows_some_and_counts_the_rest(shop: Path, capsys: Captured) -> None:
    commit(shop, {"d.py": many(ROWS)})
    assert mine(shop, "--since-commit", "v1") == 0
    said = capsys.readouterr()
    assert sum(row.startswith(("new", "changed", "gone")) for row in said.out.splitlines()) == ROWS
    assert "Not shown: 1 changed, 1 gone, 1 new; --jsonl" in " ".join((said.out + said.err).split())


def test_an_agent_stands_for_the_commit_it_was_made_from(shop: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "adapter.bin").write_bytes(b"weights")
    card = AgentCard(
        name="shop", version=1, created="2026-11-20", base="b", method="lora", repository="shop", alpha=1,
        commit=open_repository(shop, "v1").commit, samples=1, data_digest="d", recipe="r", teacher="t", context=9,
    )  # fmt: skip
    registry.register(home("data"), card, tmp_path / "weights")
    assert mine(shop, "--since-agent", "shop", "--jsonl") == 0
    assert [row["change"] for row in lines(capsys)] == ["changed", "gone", "new"]
    assert mine(shop, "--since-agent", "ship") == 2
    assert capsys.readouterr().err.startswith("error: no agent is called 'ship';")


def test_what_cannot_be_compared_is_said_in_one_line(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--since-commit", "v9") == 2
    assert capsys.readouterr().err == f"error: {shop} has no commit 'v9' to compare with; fetch it first\n"
    assert mine(shop, "--since-commit", "") == 2
    assert capsys.readouterr().err == f"error: {shop} has no commit '' to compare with; fetch it first\n"
    assert mine(shop, "--since-commit", "v1", "--since-agent", "shop") == 2
    assert capsys.readouterr().err == "error: say --since-commit or --since-agent, not both\n"
    assert mine(shop, "--since-commit", "v1", "--all") == 2
    assert capsys.readouterr().err == (
        "error: --all and --graph tell of one commit: leave out --since-commit and --since-agent\n")


def test_before_there_was_code_everything_is_new(tmp_path: Path, capsys: Captured) -> None:
    shop = commit(tmp_path / "shop", {"README.md": "A shop.\n"})
    commit(shop, {"a.py": ADD})
    assert mine(shop, "--since-commit", "HEAD~1", "--jsonl") == 0
    assert [(row["change"], row["name"]) for row in lines(capsys)] == [("new", "add")]
    assert mine(f"{shop}@HEAD~1", "--since-commit", "HEAD", "--jsonl") == 0
    assert [(row["change"], row["name"]) for row in lines(capsys)] == [("gone", "add")]
    assert mine(f"{shop}@HEAD~1", "--since-commit", "HEAD~1") == 1
    assert "no code that can be mined at commits" in capsys.readouterr().err


def test_of_a_file_that_cannot_be_read_nothing_is_said_but_that(shop: Path, capsys: Captured) -> None:
    commit(shop, {"b.py": "def add(a, b:\n", "always.py": "def f(:\n", "src/c.py": ADD})
    commit(shop, {"src/c.py": SUB + ADD})
    assert mine(shop, "--since-commit", "v1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    broken = "not the Python of this interpreter, line 1"
    assert found["not_read"] == {"always.py": broken, "b.py": broken}
    assert {row["path"] for row in found["functions"]} == {"src/a.py", "src/c.py"}
    assert mine(shop, "--since-commit", "HEAD~1") == 0
    said = capsys.readouterr()
    assert "1 new, 0 changed, 0 gone, 2 the same." in " ".join((said.out + said.err).split())
    assert "Not compared" not in said.out + said.err
    assert mine(shop, "--since-commit", "v1") == 0
    said = capsys.readouterr()
    told = " ".join((said.out + said.err).split())
    assert f"Not compared, because a version of them cannot be read: always.py ({broken}), b.py ({broken})." in told


def test_a_dry_run_remembers_nothing(shop: Path) -> None:
    pages = home("cache") / "pages.sqlite"
    assert mine(shop, "--since-commit", "v1", "--dry-run") == 0
    assert not pages.exists()
    assert mine(shop, "--since-commit", "v1") == 0
    assert pages.exists()


def test_a_focus_that_neither_commit_has_is_refused(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--since-commit", "v1", "--focus", "srv") == 2
    assert capsys.readouterr().err.startswith("error: no code lies in 'srv'; name folders or files")
