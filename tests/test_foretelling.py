"""What `sera eval --dry-run` tells beforehand, and what that goes by."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli.agents import registry
from sera_cli.cli.evaluation import soft
from sera_cli.config import home
from sera_cli.evaluate.report import Report, Result, Tokens, write
from sera_cli.evaluate.soft import Exam
from sera_cli.evaluate.soft import write as write_tasks
from tests.conftest import commit
from tests.rollouts import task
from tests.test_chat import CARD

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two soft tasks."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    commit(root)
    tasks = tuple(task(f"t{n}", function=f"f{n}", gold=f"+++ b/a.py\n+y = {n}\n") for n in (1, 2))
    write_tasks(soft.at(root), Exam(tasks=tasks, about={"teacher": "glm"}))
    return root


def told(project: Path, captured: Captured, *words: object) -> dict[str, Any]:
    captured.readouterr()
    assert door.run(["eval", "-C", str(project), "--bench", "soft", "--dry-run", "--json", *map(str, words)]) == 0
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def evaluated(project: Path, name: str, bench: str, *rollouts: Result) -> None:
    folder = project / ".sera" / "evals" / name
    folder.mkdir(parents=True)
    results = {f"task-{at}": {0: one} for at, one in enumerate(rollouts)}
    write(folder, Report(bench=bench, model="openai:glm-4.6", digest="d", seeds=(0,), results=results))


def spent(tokens: int, dollars: float | None = 0.5, **more: Any) -> Result:
    said = {"verdict": "resolved", "score": 1.0, "exit": "submitted", "seconds": 36.0, **more}
    return Result(tokens=Tokens(prompt=tokens), dollars=dollars, **said)


def test_before_anything_is_known_the_paper_tells(project: Path, capsys: Captured) -> None:
    plan = told(project, capsys, "--model", "openai:glm-4.6", "--seeds", 3)
    assert (plan["attempts"], plan["left"], plan["by"], plan["tokens"] > 4_000_000) == (6, 6, "the SERA paper", True)


def test_rollouts_of_the_same_model_tell_what_one_takes(project: Path, capsys: Captured) -> None:
    evaluated(project, "one", "soft", spent(1000), spent(3000), spent(9, exit="error"))
    evaluated(project, "other", "replay", spent(50_000))
    plan = told(project, capsys, "--model", "openai:glm-4.6", "--seeds", 3, "-j", 2)
    assert {name: plan[name] for name in ("tokens", "dollars", "hours", "by")} == {
        "tokens": 12_000, "dollars": 3.0, "hours": 0.03, "by": "2 rollouts of openai:glm-4.6 in this project"}


def test_those_on_another_benchmark_are_better_than_none_and_an_unknown_price_stays_unknown(
    project: Path, capsys: Captured
) -> None:
    evaluated(project, "other", "replay", spent(50_000, None))
    (project / ".sera" / "evals" / "torn").mkdir()
    (project / ".sera" / "evals" / "torn" / "report.json").write_text("{")
    plan = told(project, capsys, "--model", "openai:glm-4.6")
    assert (plan["tokens"], plan["dollars"], plan["by"]) == (
        100_000, None, "1 rollout of openai:glm-4.6 in this project")


def test_what_a_rehearsal_taught_is_foretold_as_a_rehearsal(project: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "weights").mkdir()
    registry.register(home("data"), CARD.model_copy(update={"teacher": "rehearsal"}), tmp_path / "weights")
    plan = told(project, capsys, "--agent", "shop")
    assert (plan["by"], plan["tokens"] < 100_000) == ("a rehearsal measured once", True)


def test_a_person_reads_what_is_left_in_lines(project: Path, capsys: Captured) -> None:
    evaluated(project, "one", "soft", spent(1_000_000, 0.25))
    assert door.run(
        ["eval", "-C", str(project), "--bench", "soft", "--dry-run", "--model", "openai:glm-4.6", "-j", "1"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().err.splitlines())
    assert (rows["attempts"], rows["tokens"], rows["dollars"]) == ("2", "2.0M", "$0.50 of API calls")
    assert (rows["time"], rows["going"]) == ("to go   0:01:12", "by     1 rollout of openai:glm-4.6 in this project")


def test_the_settings_say_what_the_command_line_does_not(project: Path, capsys: Captured) -> None:
    (project / ".sera" / "config.toml").write_text("[eval]\nseeds = 2\nlimit = 1\n")
    plan = told(project, capsys, "--model", "rehearsal")
    assert (plan["instances"], plan["seeds"], plan["attempts"]) == (1, 2, 2)
    plan = told(project, capsys, "--model", "rehearsal", "--seeds", 5, "--limit", 0)
    assert (plan["instances"], plan["seeds"], plan["attempts"]) == (2, 5, 10)
