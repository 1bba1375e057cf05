"""`sera bench build` on small repositories with a past, their tests run for real with the Python of these tests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli import store
from sera_cli.agents.registry import register
from sera_cli.cli.evaluation.building import Built
from sera_cli.config import home
from sera_cli.evaluate.reading import instances as read
from sera_cli.evaluate.replay.build import Trial
from sera_cli.evaluate.script import END as END_MARK
from sera_cli.evaluate.script import START as START_MARK
from sera_cli.types import AgentCard
from tests.chat_server import Body, Server, completion, serving
from tests.past import git
from tests.test_registry import CARD
from tests.test_replay import FIX, GOLD, OLD, START, TEST, TITLE, commit

Captured = pytest.CaptureFixture[str]


CHANGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("Say in a comment what the mean of many values is, for those who read it", {
        "shop/stats.py": f"# of many\n{OLD}", "tests/test_stats.py": f"{TEST}# noticed\n"}),
    ("Only code", {"shop/stats.py": OLD}),
    (TITLE, FIX),
)  # fmt: skip
"""One whose tests do not notice it, one without tests, one that becomes a task."""


def past(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one", START)
    for text, files in CHANGES:
        commit(folder, text, files)
    return folder


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return past(tmp_path / "shop")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose benchmark was built, as run `r`; not to be written to."""
    os.environ["SERA_HOME"] = str(tmp_path_factory.mktemp("home"))
    folder = past(tmp_path_factory.mktemp("built") / "shop")
    assert build(folder, *HERE, "--runs", 2, "--run", "r", "-j", 2) == 0
    return folder


@pytest.fixture
def again(built: Path, tmp_path: Path) -> Path:
    """The same, to go on with."""
    return Path(shutil.copytree(built, tmp_path / "shop"))


@pytest.fixture
def writer() -> Iterator[Server]:
    """A teacher that tells of the fix at first, and not when it is asked again."""

    def answer(body: Body) -> Any:
        told = "Write _checked_values." if len(body["messages"]) == 1 else "Let mean take a `default`."
        return completion({"content": f"<output>{told}</output>"})

    with serving(answer) as server:
        yield server


def build(*arguments: object) -> int:
    return door.run(["bench", "build", *map(str, arguments)])


HERE = ("--venv", sys.prefix)
"""The environment of these tests: it has pytest."""


def found(capsys: Captured) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def trials(repo: Path) -> dict[str, Trial]:
    (file,) = (repo / ".sera" / "bench").glob("*/tried.jsonl")
    return store.read(file, Trial)


def test_a_change_becomes_a_task_in_the_schema_of_swebench(built: Path) -> None:
    (row,) = rows(built / ".sera" / "bench" / "replay.jsonl")
    fix, base = git(built, "rev-parse", "HEAD", "HEAD~1").split()
    assert row["instance_id"] == f"local__shop-{fix[:10]}"
    assert (row["repo"], row["base_commit"], row["environment_setup_commit"]) == ("local/shop", base, base)
    assert json.loads(row["FAIL_TO_PASS"]) == ["tests/test_stats.py::test_empty"]
    assert json.loads(row["PASS_TO_PASS"]) == ["tests/test_stats.py::test_mean"]
    assert row["problem_statement"] == TITLE
    assert "+    if not values:" in row["patch"] and "test_empty" not in row["patch"]
    assert "def test_empty" in row["test_patch"] and "shop/stats.py" not in row["test_patch"]
    assert row["install_config"]["log_parser"] == "parse_log_pytest"
    assert row["install_config"]["test_cmd"].endswith(" tests/test_stats.py")
    assert row["image"] == row["hints_text"] == ""
    assert (row["created_at"], row["replay"]["commit"]) == ("2023-11-14T22:13:20Z", fix)


def test_a_task_is_read_as_any_benchmark_and_its_own_script_runs_it(built: Path, tmp_path: Path) -> None:
    (one,) = read(built / ".sera" / "bench" / "replay.jsonl")
    assert (one.fail_to_pass, one.repo) == (("tests/test_stats.py::test_empty",), "local/shop")
    tree = tmp_path / "tree"
    git(tmp_path, "clone", "-q", str(built), "tree")
    git(tree, "checkout", "-q", one.base_commit)
    done = subprocess.run(
        ["bash", "-c", one.eval_script], cwd=tree, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert "FAILED tests/test_stats.py::test_empty" in done.stdout.split(START_MARK)[1].split(END_MARK)[0]


def test_the_screen_tells_the_yield_every_reason_and_what_comes_next(again: Path, capsys: Captured) -> None:
    assert build(again, *HERE, "--runs", 2, "--run", "r") == 0
    said = capsys.readouterr()
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[:4] == [
        "changes of 3 in local/shop", "1 changes no tests", "1 no test fails before it and passes after it",
        "1 became tasks"]
    assert f"{git(again, 'rev-parse', 'HEAD~2')[:10]} no test fails before it and passes after it" in lines
    assert any(line.startswith("1 task, 33 % of the changes, in ") for line in lines)
    assert f"sera eval --agent NAME --bench replay -C {again} --venv {sys.prefix}\n" in said.err
    assert "note: looking at the whole past, 4 commits; an agent" in " ".join(said.err.split())


def test_commits_that_are_left_out_of_the_look_are_told_from_the_last_ones(repo: Path, capsys: Captured) -> None:
    assert build(repo, *HERE, "--last", 3, "--runs", 1, "--limit", 1) == 0
    assert "note: looking at the last 3 commits; an agent" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("out", "venv", "command"), [
    ("shop/.sera/bench/replay.jsonl", None, "replay -C shop"),
    ("my tasks.jsonl", None, "'my tasks.jsonl' --repos shop"),
    ("tasks.jsonl", Path("my env"), "tasks.jsonl --repos shop --venv 'my env'"),
])  # fmt: skip
def test_what_comes_next_can_be_pasted_wherever_the_tasks_are(out: str, venv: Path | None, command: str) -> None:
    made = Built("local/shop", Path("shop"), "c", "", Path(out), (), (), (), 0, venv, 1.0)
    assert made.command() == f"sera eval --agent NAME --bench {command}"


def test_what_was_tried_is_not_tried_again(built: Path, again: Path, capsys: Captured) -> None:
    assert build(again, *HERE, "--runs", 2, "--run", "r", "--json") == 0
    told = found(capsys)
    assert (told["changes"], told["tasks"], told["instances"]) == (3, 1, [f"local__shop-{told['commit'][:10]}"])
    assert told["left_out"] == {"changes no tests": 1, "no test fails before it and passes after it": 1}
    assert [one["reason"] for one in told["dropped"]] == [
        "changes no tests", "no test fails before it and passes after it"]
    assert trials(again) == trials(built)


def test_what_a_killed_build_was_at_is_tried_again_and_the_rest_counts(built: Path, again: Path) -> None:
    file = again / ".sera" / "bench" / "r" / "tried.jsonl"
    header, first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(header + first + second[:40])
    assert build(again, *HERE, "--runs", 2, "--run", "r") == 0
    now, before = trials(again), trials(built)
    assert {id_: one.tried for id_, one in now.items()} == {id_: one.tried for id_, one in before.items()}
    assert sum(now[id_] == before[id_] for id_ in now) >= 1
    assert rows(again / ".sera/bench/replay.jsonl")[0]["replay"]["commit"] == git(again, "rev-parse", "HEAD")


def test_a_run_of_other_settings_is_another(again: Path, capsys: Captured) -> None:
    assert build(again, *HERE, "--runs", 1, "--run", "r") == 2
    assert "run r was begun with other settings: runs (was 2, now 1)" in " ".join(capsys.readouterr().err.split())


def test_a_limit_stops_at_so_many_tasks(again: Path, capsys: Captured) -> None:
    assert build(again, *HERE, "--runs", 2, "--run", "r", "--limit", 1, "--json") == 0
    told = found(capsys)
    assert (told["tasks"], told["left_out"]) == (1, {"changes no tests": 1, "not tried: --limit was reached": 1})


def test_a_teacher_writes_what_is_wanting_and_is_asked_again_where_it_tells_of_the_fix(
    repo: Path, writer: Server, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    commit(repo, "Default", GOLD)
    asked = (repo, "--last", 1, *HERE, "--runs", 1, "--teacher", "openai:any", "--teacher-url", writer.url, "--json")
    assert build(*asked) == 0
    assert found(capsys)["tasks"] == 1
    (row,) = rows(repo / ".sera" / "bench" / "replay.jsonl")
    assert row["problem_statement"] == (
        "Let mean take a `default`.\n\nThis name or text is not in the repository yet and will be checked: "
        "`cannot take the mean of nothing`.")
    assert row["replay"]["statement"] == "teacher"
    assert len(writer.asked) == 2
    assert build(*asked) == 0
    assert len(writer.asked) == 2


def test_issues_are_read_as_githubs_api_gives_them(repo: Path, tmp_path: Path, capsys: Captured) -> None:
    body = "Calling mean with an empty list raises ZeroDivisionError, and I had expected zero."
    issues = tmp_path / "issues.jsonl"
    issues.write_text(json.dumps([
        {"number": 7, "title": "Mean fails", "body": body},
        {"number": 8, "title": "Guard", "body": "Fixes #7", "pull_request": {"url": "x"}},
    ]))
    commit(repo, "Back", {path: START[path] for path in FIX})
    commit(repo, "Guard (#8)", FIX)
    assert build(repo, "--last", 1, *HERE, "--runs", 1, "--issues", issues, "--json") == 0
    (row,) = rows(Path(found(capsys)["out"]))
    assert (row["problem_statement"], row["replay"]["statement"]) == (f"Mean fails\n\n{body}", "issue")


def agent(at: str, folder: Path, **told: str) -> AgentCard:
    """An agent of `shop` that was made at a commit."""
    folder.mkdir(exist_ok=True)
    return register(home("data"), CARD.model_copy(update={"repository": "shop", "commit": at} | told), folder)


def test_only_what_is_newer_than_the_repositorys_agent_counts(repo: Path, tmp_path: Path, capsys: Captured) -> None:
    card = agent(git(repo, "rev-parse", "HEAD"), tmp_path / "weights")
    for at in ("HEAD", "HEAD~1"):
        assert build(repo, "--at", at) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert (
            f"flask@1 was made at {card.commit[:12]}, and knows all of the past of {git(repo, 'rev-parse', at)[:12]}; "
            f"to leave room for a benchmark, train with sera specialize {repo} --at REV, or take commits that it has "
            "seen, and tasks that it may know, with --last N and no --agent") in said
    commit(repo, "Only code again", {"shop/stats.py": OLD})
    assert build(repo, "--json") == 1
    told = found(capsys)
    assert (told["since"], told["changes"]) == (card.commit, 1)


def test_an_agent_of_another_repository_of_that_name_is_passed_over_unless_it_is_named(
    repo: Path, tmp_path: Path, capsys: Captured
) -> None:
    mine = agent(git(repo, "rev-parse", "HEAD~1"), tmp_path / "weights", name="mine")
    agent("f" * 40, tmp_path / "weights", name="theirs", created="2026-11-21T12:00:00Z")
    commit(repo, "Only code again", {"shop/stats.py": OLD})
    assert build(repo, "--limit", 1, "--at", "HEAD", "--json", "--venv", sys.prefix, "--runs", 1) == 0
    assert found(capsys)["since"] == mine.commit
    assert build(repo, "--agent", "theirs") == 2
    assert f"theirs@1 was made at ffffffffffff, which is not in {repo}; say --since REV" in " ".join(
        capsys.readouterr().err.split())


def test_what_the_agent_may_know_is_said_and_the_next_command_names_it(
    again: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    card = agent(git(again, "rev-parse", "HEAD"), tmp_path / "weights")
    note = f"flask@1 was made at {card.commit[:12]}, and has seen what changes did that are not newer"
    for words in (["--last", 1], ["--since", "HEAD~1"]):
        assert build(again, *HERE, "--runs", 1, *words) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert note in said
        assert "Evaluate on it: sera eval --agent flask@1 --bench replay " in said
    agent(git(again, "rev-parse", "HEAD~1"), tmp_path / "weights", created="2026-11-22T12:00:00Z")
    assert build(again, *HERE, "--runs", 1, "--since", "HEAD~1") == 0
    assert "has seen" not in capsys.readouterr().err


def test_a_build_in_which_nothing_becomes_a_task_says_so_and_leaves_the_benchmark_there_was(
    again: Path, capsys: Captured
) -> None:
    place = again / ".sera" / "bench" / "replay.jsonl"
    before = place.read_bytes()
    assert build(again, "--at", "HEAD~1", "--last", 1) == 1
    assert "error: no change became a task; the table says why" in " ".join(capsys.readouterr().err.split())
    assert place.read_bytes() == before


def test_tasks_that_make_way_for_those_of_another_build_are_kept_beside_and_it_is_said(
    again: Path, capsys: Captured
) -> None:
    place = again / ".sera" / "bench" / "replay.jsonl"
    first = place.read_bytes()
    commit(again, "Back", {path: START[path] for path in FIX})
    commit(again, TITLE, FIX)
    for number, kept in enumerate(("replay.jsonl.old", "replay.jsonl.old2")):
        place.write_bytes(first)
        capsys.readouterr()
        assert build(again, *HERE, "--runs", 1, "--last", 1, *["--json"] * number) == 0
        said = capsys.readouterr()
        told = f"note: other tasks were in replay.jsonl; they are kept in {place.with_name(kept)}"
        assert told in " ".join(said.err.split())
        assert place.with_name(kept).read_bytes() == first
    assert json.loads(said.out)["kept"] == str(place.with_name(kept))
    assert rows(place)[0]["replay"]["commit"] == git(again, "rev-parse", "HEAD")
    assert build(again, *HERE, "--runs", 1, "--last", 1) == 0
    assert "other tasks" not in capsys.readouterr().err
    assert len(list(place.parent.glob("replay.jsonl*"))) == 3


@pytest.mark.parametrize(("arguments", "said"), [
    (["--since", "nowhere"], "unknown revision 'nowhere'"),
    (["--since", "HEAD"], "no commit is newer than"),
    (["--since", "HEAD", "--agent", "x"], "say --since or --agent, not both"),
    (["--agent", "nobody"], "no agent is called 'nobody'"),
    (["--runner", "mocha"], "no test runner is called mocha; say django, pytest,"),
    (["--teacher", "rehearsal"], "a rehearsal writes no statements of changes"),
    (["--venv", "nowhere"], "has no bin/python that runs"),
    (["--issues", "nowhere.jsonl"], "cannot be read"),
    (["--out", "no/where/tasks.jsonl"], "there is no such folder; make it first"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_tried(
    repo: Path, arguments: list[str], said: str, capsys: Captured
) -> None:
    assert build(repo, *arguments) in (1, 2)
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list((repo / ".sera").glob("bench/*/tried.jsonl"))


def test_the_environment_in_the_checkout_is_taken_unless_the_repository_brings_it(
    repo: Path, tmp_path: Path, capsys: Captured
) -> None:
    ran = tmp_path / "ran"
    python = repo / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    python.chmod(0o755)
    assert build(repo, "--last", 1) == 1
    assert f"{repo / '.venv'} has no bin/python that runs" in " ".join(capsys.readouterr().err.split())
    assert ran.exists()
    ran.unlink()
    commit(repo, "Only code again", {"shop/stats.py": OLD})
    assert build(repo, "--last", 1) == 1
    assert not ran.exists()


def test_a_repository_without_tests_says_what_to_name(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")
    commit(tmp_path / "empty", "one", {"a.txt": "a"})
    assert build(tmp_path / "empty") == 1
    assert "no tests are there that sera can run; name what runs them with --runner" in capsys.readouterr().err


def test_a_repository_of_one_commit_has_no_changes(repo: Path, capsys: Captured) -> None:
    first = git(repo, "rev-list", "--max-parents=0", "HEAD")
    assert build(repo, "--at", first, *HERE) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "note: looking at the whole past, 1 commit; an agent" in said
    assert f"commit {first[:12]} has no past to make tasks of; if the clone is shallow: git fetch --unshallow" in said


def test_its_own_config_may_not_open_the_network(repo: Path, capsys: Captured) -> None:
    commit(repo, "config", {".sera/config.toml": "[env]\nnetwork = true\n"})
    assert build(repo) == 2
    assert "sets env.network and is part of the repository" in " ".join(capsys.readouterr().err.split())
