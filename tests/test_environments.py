"""Tasks of a repository's own past are evaluated where they were made: told from the command line, with real tests."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli.harness.sandbox import bubblewrap
from tests import owned

pytest.importorskip("swebench")
pytestmark = pytest.mark.skipif(bool(bubblewrap.probe()), reason=f"needs bubblewrap: {bubblewrap.probe()}")

Captured = pytest.CaptureFixture[str]
CHECKED = owned.UNITTEST._replace(
    tests={path: f"import made\n{text}" for path, text in owned.UNITTEST.tests.items()})
"""Its tests need what a setup command makes."""


def project(folder: Path, environment: str, setup: str = "") -> list[str]:
    """The words that grade the fix of a project's only replay task, which was made there."""
    instance = owned.instance(folder / "own", CHECKED)
    test = "tests.test_own.Sum." if sys.version_info >= (3, 11) else "tests.test_own.Sum"
    names = {name: f"{name} ({test}{name if test.endswith('.') else ''})" for name in ("test_sum", "test_zero")}
    row: dict[str, Any] = {
        "instance_id": instance.instance_id, "repo": instance.repo, "base_commit": instance.base_commit, "version": "1",
        "problem_statement": "It is off.", "patch": instance.patch, "test_patch": instance.test_patch,
        "FAIL_TO_PASS": json.dumps([names["test_sum"]]), "PASS_TO_PASS": json.dumps([names["test_zero"]]),
        "install_config": instance.install_config and instance.install_config.model_dump(mode="json"),
        "replay": {"environment": environment, "setup": setup},
    }  # fmt: skip
    bench = folder / "own" / ".sera" / "bench"
    bench.mkdir(parents=True)
    (bench / "replay.jsonl").write_text(f"{json.dumps(row)}\n")
    return ["eval", "--bench", "replay", "--predictions", "gold", "--json", "-C", str(folder / "own")]


def test_tasks_are_set_up_as_they_were_when_they_were_made(tmp_path: Path, capsys: Captured) -> None:
    assert door.run(project(tmp_path, "here", "touch made.py")) == 0
    assert json.loads(capsys.readouterr().out)["instances"] == {"own__unittest-1": "resolved"}


def test_tasks_in_a_file_elsewhere_are_known_for_those_of_the_own_past(tmp_path: Path, capsys: Captured) -> None:
    project(tmp_path, "here", "touch made.py")
    own, file = tmp_path / "own", tmp_path / "tasks.jsonl"
    (own / ".sera" / "bench" / "replay.jsonl").rename(file)
    words = ["eval", "--bench", file, "--repos", own, "--predictions", "gold", "--json", "-C", own]
    assert door.run([str(word) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)["instances"] == {"own__unittest-1": "resolved"}


def test_tasks_that_need_an_environment_of_the_users_ask_for_it(tmp_path: Path, capsys: Captured) -> None:
    words = project(tmp_path, "venv", "touch made.py")
    assert door.run(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "these tasks were made with an environment of yours; name it with --venv DIR" in said
    assert door.run([*words, "--venv", sys.prefix]) == 0
    assert json.loads(capsys.readouterr().out)["resolved"] == 1


def test_what_was_fetched_for_tasks_is_not_fetched_again_without_leave(tmp_path: Path, capsys: Captured) -> None:
    words = project(tmp_path, "network")
    assert door.run(words) != 0
    said = capsys.readouterr()
    assert json.loads(said.out)["unvalidated"] == 1
    assert "offline: its environment is not there yet" in " ".join(said.err.split())
