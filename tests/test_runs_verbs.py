"""What `sera runs list` and `show` tell of runs: under way, ended, stopped, torn."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sera_cli import runs, store
from sera_cli.cli.app import app
from sera_cli.cli.runs import _ago, size
from sera_cli.harness.money.ledger import NAME, ledger
from sera_cli.runs import Run
from sera_cli.types import Function, Task, Trajectory, Verdict
from tests.rollouts import rollout, task

FUNCTIONS = [
    Function(id=f"f{number}", path="a.py", name=f"f{number}", line=1, end_line=2, signature="f()")
    for number in range(6)
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that generated from six functions, and was stopped."""
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    (tmp_path / ".git").mkdir()
    found = runs.named(tmp_path, "r")
    found.folder.mkdir(parents=True)
    runs.settle(found, "functions", {"seed": 0})
    store.write(found.functions, Function, FUNCTIONS)
    refused = rollout("x", check=False)
    store.write(found.explored, Trajectory, [
        rollout("a", "+a\n", rejected=(refused,)), rollout("b", "+b\n"), rollout("c", "+a\n"),
        rollout("d", "", check=False), rollout("e", exit="limit", check=None), rollout("g", "+g\n"),
    ])  # fmt: skip
    store.write(found.issues, Task, [task("a"), task("b"), task("g", error="no answer")])
    store.write(found.reproduced, Trajectory, [rollout("a", check=None), rollout("b", check=None, exit="deadline")])
    store.write(found.verdicts, Verdict, [Verdict(id="a", recall=0.25, matched=1, target=4)])
    return found


def told(run: Run, verb: str = "show", *more: str) -> Any:
    words = ["runs", verb, *([run.name] if verb == "show" else []), "-C", str(run.folder), *more]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in more else done.stdout


def test_every_rollout_has_its_exit_and_its_reason(run: Run) -> None:
    found = told(run, "show", "--json")
    assert found["exits"] == {
        "explored": {"submitted": 6, "limit": 1}, "reproduced": {"submitted": 1, "deadline": 1},
    }  # fmt: skip
    assert found["fates"] == {
        "first": {"kept": 3, "refused by its self-check": 1, "patch seen before": 1, "no patch": 1, "out of steps": 1},
        "second": {"recall below the threshold": 1, "out of time": 1, "no issue could be written": 1},
    }  # fmt: skip


def test_a_person_reads_the_same(run: Run) -> None:
    rows = [line.split() for line in told(run).splitlines()]
    for row in ("explored 6 6 submitted, 1 limit", "1 patch seen before", "1 recall below the threshold"):
        assert row.split() in rows


def test_a_run_under_way_says_who_works_in_it(run: Run) -> None:
    with runs.held(run):
        [listed] = told(run, "list", "--json")
        assert listed["state"] == "running" and listed["holder"].startswith(f"process {os.getpid()} on ")
        assert f"running, by process {os.getpid()} on " in told(run)
    assert told(run, "list", "--json")[0]["state"] == "stopped"


def test_a_run_has_ended_when_its_report_is_the_last_word(run: Run) -> None:
    run.report.write_text("{}")
    assert told(run, "list", "--json")[0]["state"] == "ended"
    later = run.report.stat().st_mtime + 5
    os.utime(run.verdicts, (later, later))
    assert told(run, "list", "--json")[0]["state"] == "stopped"


def test_what_was_spent_is_read_off_the_ledger(run: Run) -> None:
    assert told(run, "show", "--json")["spend"]["calls"] == 0
    with ledger(run.folder / NAME) as book:
        book.write(model="openai:m", calls=1, prompt=1000, cached=250, completion=10, usd=0.5)
    found = told(run, "show", "--json")["spend"]
    assert (found["usd"], found["calls"], found["cached_tokens"]) == (0.5, 1, 250)
    assert "1.0k tokens, 25 % cached, $0.50" in " ".join(told(run).split())


def test_a_price_that_nobody_knows_is_no_zero(run: Run) -> None:
    with ledger(run.folder / NAME) as book:
        book.write(model="openai:m", calls=1, prompt=1000, completion=10)
    assert told(run, "show", "--json")["spend"]["usd"] is None
    assert "unpriced" in told(run)


@pytest.mark.parametrize("name", ["2-explored.jsonl", "4-reproduced.jsonl", NAME])
def test_a_torn_file_is_told_without_its_torn_line(run: Run, name: str) -> None:
    before = told(run, "show", "--json")
    with (run.folder / name).open("ab") as file:
        file.write(b'{"id": "torn')
    after = told(run, "show", "--json")
    assert (after["fates"], after["spend"], after["stages"]) == (before["fates"], before["spend"], before["stages"])


def test_a_report_that_was_cut_short_is_none(run: Run) -> None:
    run.report.write_text('{"run": ')
    assert told(run, "show", "--json")["report"] is None


def test_a_run_that_has_only_begun_can_be_shown(tmp_path: Path, run: Run) -> None:
    fresh = runs.named(tmp_path, "fresh")
    fresh.folder.mkdir()
    found = told(fresh, "show", "--json")
    assert found["fates"] == {"first": {}, "second": {}} and found["bytes"] == 0
    assert {one["name"] for one in told(run, "list", "--json")} == {"r", "fresh"}


def train(run: Run, steps: int, *, stopped: str = "") -> None:
    """A training of six steps, so far."""
    run.training.mkdir()
    facts = {"steps": 6, "student": "s", "recipe": {"name": "quick", "epochs": 2}}
    same = {"lr": 1e-5, "grad_norm": 1.0, "tokens_per_second": 80.0, "memory": 2_000_000_000}
    told = [{"step": step, "loss": 1 / step} | same for step in range(1, steps + 1)]
    rows = [facts, {"heldout": "base", "step": 0, "loss": 2.0, "samples": 1}, *told]
    rows += [{"stopped": stopped, "step": steps}] if stopped else []
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_training_under_way_says_how_far_it_is_and_draws_its_loss(run: Run) -> None:
    train(run, 4)
    assert told(run, "show", "--json")["training"] == {
        "step": 4, "steps": 6, "loss": 0.25, "stopped": "",
        "heldout": [{"heldout": "base", "step": 0, "loss": 2.0, "samples": 1}],
        "said": "loss 0.250, 80 tokens/s, gradient 1.00, lr 1.0e-05, 2.0 GB",
    }  # fmt: skip
    said = told(run)
    assert "training step 4 of 6: loss 0.250, 80 tokens/s" in " ".join(said.split())
    assert "2.00 ┤o" in said and "step 4 of 6, 2 epochs" in said


def test_a_training_that_was_stopped_says_why(run: Run) -> None:
    train(run, 3, stopped="training was stopped at step 3: its loss is nan")
    assert "stopped training was stopped at step 3: its loss is nan" in " ".join(told(run).split())


def test_a_run_without_a_training_draws_nothing(run: Run) -> None:
    assert told(run, "show", "--json")["training"] is None
    assert "┤" not in told(run)


def test_a_run_that_was_killed_while_it_trained_is_stopped(run: Run) -> None:
    run.report.write_text("{}")
    train(run, 2)
    later = run.report.stat().st_mtime + 5
    os.utime(run.metrics, (later, later))
    assert told(run, "list", "--json")[0]["state"] == "stopped"


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (150, "2 min"), (7300, "2 h"), (200000, "2 d")])
def test_age_is_told_in_one_unit(seconds: int, text: str) -> None:
    assert _ago(seconds) == text


def test_size_is_told_in_one_unit() -> None:
    assert [size(count) for count in (12, 1234, 5_600_000, 7_000_000_000)] == ["12 B", "1.2 kB", "5.6 MB", "7.0 GB"]


