"""What `[eval]` in the settings says of an evaluation, and what a repository may not say there."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation.exam import Exam, settled
from sera_cli.errors import ConfigError
from tests import tiny

pytest.importorskip("swebench")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a benchmark of its own past, and settings that git does not track."""
    repo = tiny.repository(tmp_path)
    bench = repo / ".sera" / "bench" / "replay.jsonl"
    bench.parent.mkdir(parents=True)
    config = tiny.row(repo)["install_config"] | {"test_cmd": tiny.COMMAND}
    bench.write_text("".join(
        json.dumps(tiny.row(repo, install_config=config, instance_id=f"tiny__tally-{at}")) + "\n" for at in (1, 2)))
    (repo / "own").mkdir()
    (repo / ".sera" / "config.toml").write_text('[eval]\nseeds = 2\nlimit = 1\nsteps = 7\nvenv = "own"\n')
    return repo


def exam(project: Path, flags: dict[str, Any] | None = None, **said: Any) -> Exam:
    return settled(Wanted(project, flags or {}, **{"bench": "replay", "model": "rehearsal", **said}))


def test_the_settings_hold_where_the_command_line_says_nothing(project: Path) -> None:
    found = exam(project)
    assert (len(found.instances), len(found.seeds), len(found.todo)) == (1, 2, 2)
    assert (found.settings["steps"], found.job.config.rollout.steps) == (7, 7)
    assert found.settings["venv"] == str(project / "own")


def test_the_command_line_beats_them(project: Path, tmp_path: Path) -> None:
    found = exam(project, {"eval.steps": 9}, seeds=1, limit=0, venv=tmp_path)
    assert (len(found.instances), len(found.seeds), found.settings["steps"]) == (2, 1, 9)
    assert found.settings["venv"] == str(tmp_path)


def test_without_any_an_instance_is_tried_once_with_as_many_steps_as_rollouts_have(project: Path) -> None:
    (project / ".sera" / "config.toml").write_text("[rollout]\nsteps = 11\n")
    found = exam(project)
    assert (len(found.instances), len(found.seeds), found.settings["steps"]) == (2, 1, 11)
    assert "venv" not in found.settings


def test_an_environment_for_the_own_past_is_none_for_another_benchmark(project: Path) -> None:
    rows = project / ".sera" / "bench" / "replay.jsonl"
    found = exam(project, bench="", dataset=rows, repos=project.parent, environment="venv")
    assert (found.settings["environment"], "venv" in found.settings) == ("venv", False)


def test_patches_are_graded_once_whatever_the_settings_say(project: Path) -> None:
    assert exam(project, model="", predictions="gold").seeds == (0,)


def test_a_repository_does_not_say_what_its_tests_see_of_this_machine(project: Path, tmp_path: Path) -> None:
    for command in (["add", "-f", ".sera/config.toml"], ["commit", "-q", "-m", "Say where"]):
        tiny._git(project, *command)
    with pytest.raises(ConfigError, match=r"sets eval\.venv and is part of the repository; say it yourself, with S"):
        exam(project)
    assert exam(project, venv=tmp_path).settings["venv"] == str(tmp_path)
