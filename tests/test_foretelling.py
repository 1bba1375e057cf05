"""What `sera eval --dry-run` tells beforehand, and what that goes by."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli.agents import registry
from sera_cli.config import home
from sera_cli.evaluate.report import Report, Result, Tokens, write
from tests.test_chat import CARD

Captured = pytest.CaptureFixture[str]


def told(shop: Path, captured: Captured, *words: object) -> dict[str, Any]:
    captured.readouterr()
    assert door.run(["eval", "-C", str(shop), "--bench", "soft", "--dry-run", "--json", *map(str, words)]) == 0
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def evaluated(shop: Path, name: str, bench: str, *rollouts: Result) -> None:
    folder = shop / ".sera" / "evals" / name
    folder.mkdir(parents=True)
    results = {f"task-{at}": {0: one} for at, one in enumerate(rollouts)}
    write(folder, Report(bench=bench, model="openai:glm-4.6", digest="d", seeds=(0,), results=results))


def spent(tokens: int, dollars: float | None = 0.5, **more: Any) -> Result:
    said = {"verdict": "resolved", "score": 1.0, "exit": "submitted", "seconds": 36.0, **more}
    return Result(tokens=Tokens(prompt=tokens), dollars=dollars, **said)


def test_before_anything_is_known_the_paper_tells(shop: Path, capsys: Captured) -> None:
    plan = told(shop, capsys, "--model", "openai:glm-4.6", "--seeds", 3)
    assert (plan["attempts"], plan["left"], plan["by"], plan["tokens"] > 4_000_000) == (6, 6, "the SERA paper", True)


def test_rollouts_of_the_same_model_tell_what_one_takes(shop: Path, capsys: Captured) -> None:
    evaluated(shop, "one", "soft", spent(1000), spent(3000), spent(9, exit="error"))
    evaluated(shop, "other", "replay", spent(50_000))
    plan = told(shop, capsys, "--model", "openai:glm-4.6", "--seeds", 3, "-j", 2)
    assert {name: plan[name] for name in ("tokens", "dollars", "hours", "by")} == {
        "tokens": 12_000, "dollars": 3.0, "hours": 0.03, "by": "2 rollouts of openai:glm-4.6 in this project"}


def test_those_on_another_benchmark_are_better_than_none_and_an_unknown_price_stays_unknown(
    shop: Path, capsys: Captured
) -> None:
    evaluated(shop, "other", "replay", spent(50_000, None))
    (shop / ".sera" / "evals" / "torn").mkdir()
    (shop / ".sera" / "evals" / "torn" / "report.json").write_text("{")
    plan = told(shop, capsys, "--model", "openai:glm-4.6")
    assert (plan["tokens"], plan["dollars"], plan["by"]) == (
        100_000, None, "1 rollout of openai:glm-4.6 in this project")


def test_what_a_rehearsal_taught_is_foretold_as_a_rehearsal(shop: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "weights").mkdir()
    registry.register(home("data"), CARD.model_copy(update={"teacher": "rehearsal"}), tmp_path / "weights")
    plan = told(shop, capsys, "--agent", "shop")
    assert (plan["by"], plan["tokens"] < 100_000) == ("a rehearsal measured once", True)


def test_a_person_reads_what_is_left_in_lines(shop: Path, capsys: Captured) -> None:
    evaluated(shop, "one", "soft", spent(1_000_000, 0.25))
    assert door.run(
        ["eval", "-C", str(shop), "--bench", "soft", "--dry-run", "--model", "openai:glm-4.6", "-j", "1"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().err.splitlines())
    assert (rows["attempts"], rows["tokens"], rows["dollars"]) == ("2", "2.0M", "$0.50 of API calls")
    assert (rows["time"], rows["going"]) == ("to go   0:01:12", "by     1 rollout of openai:glm-4.6 in this project")


def test_the_settings_say_what_the_command_line_does_not(shop: Path, capsys: Captured) -> None:
    (shop / ".sera" / "config.toml").write_text("[eval]\nseeds = 2\nlimit = 1\n")
    plan = told(shop, capsys, "--model", "rehearsal")
    assert (plan["instances"], plan["seeds"], plan["attempts"]) == (1, 2, 2)
    plan = told(shop, capsys, "--model", "rehearsal", "--seeds", 5, "--limit", 0)
    assert (plan["instances"], plan["seeds"], plan["attempts"]) == (2, 5, 10)
