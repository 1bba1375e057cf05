"""The end of the road: base, agent and teacher at the same tasks, told on the screen, in the report and in the card."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from sera_cli import __main__ as door
from sera_cli.agents import registry
from sera_cli.cli.evaluation import measuring
from sera_cli.cli.evaluation.soft import place
from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import ask
from sera_cli.config import home
from sera_cli.errors import ModelError
from sera_cli.evaluate.report import Report, Result
from sera_cli.evaluate.soft import Exam, write
from sera_cli.evaluate.stats.summary import summary
from tests.rollouts import task
from tests.students import FULL, reader

Captured = pytest.CaptureFixture[str]


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


def report(rows: dict[str, Iterable[float | None]], model: str = "m") -> Report:
    results = {name: {seed: Result(verdict="infra" if score is None else "scored", score=score)
                      for seed, score in enumerate(scores)} for name, scores in rows.items()}
    made = Report(bench="soft", model=model, score="recall", digest="d", seeds=(0, 1), results=results)
    return made.model_copy(update={"summary": summary(measuring._results(made), score="recall")})


BETTER = {f"t{number}": (0.75, 1.0) for number in range(20)}
WORSE = {f"t{number}": (0.25, 0.0) for number in range(20)}


def test_a_card_tells_of_the_agent_first_and_how_it_does_beside_the_others() -> None:
    agent, base, teacher = measuring.evaluations({"": report(BETTER), "base B": report(WORSE), "T": report(BETTER)})
    assert (agent.who, agent.mean, agent.tasks, agent.seeds, agent.verdict) == ("", 0.875, 20, 2, "")
    assert (base.who, base.mean, base.verdict) == ("base B", 0.125, "better")
    assert (teacher.who, teacher.verdict[:18]) == ("T", "no difference seen")
    assert agent.low < 0.875 < agent.high


def test_one_task_tells_no_difference() -> None:
    one = {"t1": (1.0, 0.5)}
    _, base = measuring.evaluations({"": report(one), "base B": report(one)})
    assert base.verdict == "one task tells no difference"


def test_whoever_only_broke_is_named_and_left_out_unless_it_is_the_agent(capsys: Captured) -> None:
    broken = report({"t1": (None, None)}, "B")
    assert [one.who for one in measuring.evaluations({"": report(BETTER), "base B": broken})] == [""]
    assert "note: nothing of B on soft counts; mend what the report tells" in capsys.readouterr().err
    with pytest.raises(ModelError, match=r"^nothing of B on soft counts; mend what the report tells, then --retry-fai"):
        measuring.evaluations({"": broken, "base B": report(WORSE)})


@pytest.fixture
def job(example: Path) -> Callable[..., Job]:
    def make(*setting: str, **said: object) -> Job:
        plain = {"at": "HEAD", "run": "", "retry_failed": False, "dry_run": False, "json": False}
        return open_job(ask(example, setting=["rollout.sandbox=folder", *setting], **{**plain, **said}))  # type: ignore[arg-type]

    return make


def test_the_own_past_is_the_benchmark_where_it_was_made_unless_told_otherwise(job: Callable[..., Job]) -> None:
    assert measuring.bench_of(job()) == "soft"
    folder = job().checkout.root / ".sera" / "bench"
    folder.mkdir(parents=True)
    (folder / "replay.jsonl").touch()
    assert [measuring.bench_of(job(*said)) for said in ((), ("eval.bench=soft",))] == ["replay", "soft"]


@pytest.mark.parametrize(
    ("said", "asked", "told"),
    [
        ({"teacher": "openai:glm-4.6"}, True, ""),
        ({"teacher": "openai:glm-4.6", "max_cost": 0.02}, False, "openai:glm-4.6 is not measured: that is about $"),
        ({"teacher": "openai:glm-4.6", "max_cost": 0.02, "setting": ["eval.teacher=yes"]}, True, ""),
        ({"teacher": "openai:glm-4.6", "setting": ["eval.teacher=no"]}, False, ""),
        ({"teacher": "openai:nobody-knows"}, False, "nobody has said what openai:nobody-knows costs"),
        ({}, True, ""),
    ],
)
def test_a_teacher_is_measured_where_that_can_be_paid(
    job: Callable[..., Job], capsys: Captured, tmp_path: Path, said: dict[str, Any], asked: bool, told: str
) -> None:
    made = job(*said.pop("setting", []), student="rehearsal", **said)
    tasks = tmp_path / "exam.jsonl"
    tasks.write_text("{}\n" * 101)
    assert measuring._affordable(made, tasks) is asked
    assert told in capsys.readouterr().err


def test_a_dry_run_tells_what_measuring_takes(job: Callable[..., Job], capsys: Captured) -> None:
    made = job("eval.seeds=5", teacher="openai:glm-4.6", student="rehearsal")
    ahead = measuring.ahead(made)
    assert (ahead["bench"], ahead["tasks"], ahead["seeds"], ahead["attempts"]) == ("soft", 100, 5, 500)
    spared = measuring.ahead(job("eval.seeds=5", "eval.teacher=no", teacher="openai:glm-4.6", student="rehearsal"))
    assert ahead["usd"] > spared["usd"] > 0
    written = place(made)
    write(written, Exam(tasks=(task("t1", gold="+y\n"), task("t2", gold="+z\n")), about={}))
    assert measuring.ahead(job())["tasks"] == 2
    assert sera("specialize", made.checkout.root, "--evaluate", "--dry-run", "--set", "eval.seeds=2") == 0
    told = "evaluate   soft, 2 tasks, 2 seeds: 4 rollouts by each of base, agent and teacher, $0.00 of API calls for"
    assert told in capsys.readouterr().err


def test_specialize_ends_with_base_agent_and_teacher_at_the_same_tasks(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    recipe = tmp_path / "quick.toml"
    recipe.write_text(tomli_w.dumps(FULL.model_dump(exclude={"name"}) | {"epochs": 1}))
    monkeypatch.setenv("SERA_TRAIN_RECIPE", str(recipe))
    monkeypatch.delenv("SERA_VLLM_CMD", raising=False)
    words = ("specialize", example, "--student", reader().base, "--min-ratio", 0, "--samples", 4, "--sandbox", "folder",
             "-j", 2, "--run", "r", "--evaluate")  # fmt: skip
    for setting in ("limit=2", "seeds=2", "heldout=20", "steps=3"):
        words += ("--set", f"eval.{setting}")
    words += ("--set", "teacher.max_tokens=40")
    assert sera(*words, "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    agent, base, teacher = found["evaluations"]
    assert (agent["who"], base["who"], teacher["who"]) == ("", f"base {Path(reader().base).name}", "teacher rehearsal")
    assert {(one["bench"], one["score"], one["tasks"], one["seeds"]) for one in found["evaluations"]} == {
        ("soft", "recall", 2, 2)}
    assert agent["mean"] == base["mean"] == 0.0
    assert teacher["mean"] > 0
    assert "2 soft tasks about 2 functions held out, written by rehearsal at " in captured.err
    assert captured.err.count("one reply at a time is written in this process") == 1

    card = registry.find(home("data"), "timesheet")
    assert [one.model_dump() for one in card.evaluations] == found["evaluations"]
    assert json.loads((example / ".sera" / "runs" / "r" / "report.json").read_text())["evaluations"] == [
        agent, base, teacher]
    solved = sorted((example / ".sera" / "evals").glob("*/solved.jsonl"))
    before = [file.read_bytes() for file in solved]
    assert len(before) == 3

    assert sera(*words) == 0
    captured = capsys.readouterr()
    assert [file.read_bytes() for file in solved] == before
    assert registry.find(home("data"), "timesheet") == card
    rows = captured.out.splitlines()[-5:]
    assert rows[0] == "soft, 2 tasks, 2 seeds"
    assert [row.split()[:3] for row in rows[1:3]] == [["model", "mean", "recall"], ["timesheet@1", "0.0", "%"]]
    assert "Recall is a proxy: " in captured.err
    assert sera(*(str(word).replace("limit=2", "limit=1") for word in words)) == 0
    assert registry.find(home("data"), "timesheet") == card
    assert "soft, 2 tasks, 2 seeds" in capsys.readouterr().out
    assert sera("agents", "show", "timesheet") == 0
    assert f"recall {100 * teacher['mean']:.1f} %, 95 % interval " in capsys.readouterr().out
