"""What the screen at the end says of a run, read off files that are written here."""

import json
from pathlib import Path

from sera_cli import store
from sera_cli.cli import report
from sera_cli.cli.job import Job
from sera_cli.cli.options import ask
from sera_cli.cli.report import Outcome
from sera_cli.data.prepare import Prepared
from sera_cli.git import Checkout
from sera_cli.knobs import Config
from sera_cli.runs import Run
from sera_cli.svg.pipeline import Goal, Tally
from sera_cli.train.sft import Trained
from sera_cli.types import Function, Policy, Task, Trajectory, Verdict

GOAL = Goal(first=11, second=7, threshold=0.5)


def a_job(folder: Path) -> Job:
    checkout = Checkout(root=folder, commit="c" * 40, name="shop")
    return Job(ask(folder), Config(), checkout, Run(folder=folder), "rehearsal", {})


def function(name: str, *, heldout: bool = False) -> Function:
    return Function(id=name, path="a.py", name=name, line=1, end_line=3, signature="f()", heldout=heldout)


def rollout(name: str, **said: object) -> Trajectory:
    task = Task(id=name, repo="shop", commit="c", statement="s", source="x")
    settled = {"patch": "+x\n", "exit": "submitted", "check": True, **said}
    return Trajectory.model_validate(
        {"id": name, "task": task, "policy": Policy(model="m"), "prompt": (), "tools": (), "steps": ()} | settled
    )


def rows(job: Job, outcome: Outcome | None = None) -> dict[str, str]:
    outcome = outcome or Outcome()
    found = report.report(job, outcome)
    return {name: text for name, _, text in report._rows(job, outcome, found)}


def mined(folder: Path) -> None:
    note = {"files": 3, "skipped": {"test": 7}, "unreadable": [["b.py", "not UTF-8"], ["c.py", "not UTF-8"]]}
    store.write(folder / "1-functions.jsonl", Function, [function("f"), function("g", heldout=True)], note)


def test_what_mining_left_out_is_said_and_nothing_of_stages_to_come(tmp_path: Path) -> None:
    mined(tmp_path)
    assert rows(a_job(tmp_path)) == {
        "functions": "in 3 files; 1 kept back for evaluation; left out: 7 test; not read: 2 not UTF-8"}


def test_every_rollout_is_accounted_for_in_words(tmp_path: Path) -> None:
    mined(tmp_path)
    first = [
        rollout("a"), rollout("b"), rollout("c", check=False), rollout("d", exit="limit", patch="", check=False),
        rollout("e", patch="", check=False), rollout("f", exit="error", check=False),
    ]  # fmt: skip
    store.write(tmp_path / "2-explored.jsonl", Trajectory, first)
    tasks = [first[0].task, first[1].task.model_copy(update={"error": "no answer"})]
    store.write(tmp_path / "3-issues.jsonl", Task, tasks)
    store.write(tmp_path / "4-reproduced.jsonl", Trajectory, [rollout("a", check=None)])
    store.write(tmp_path / "5-verdicts.jsonl", Verdict, [Verdict(id="a", recall=0.75, matched=3, target=4)])
    said = rows(a_job(tmp_path), Outcome(tally=Tally(used=7, duplicates=1)))
    del said["functions"]
    assert said == {
        "explored": "6 first rollouts: 1 kept, 1 patch seen before, 1 refused by its self-check, 1 out of steps, "
                    "1 no patch, 1 broken",
        "issues": "accepted patches, written up as reports",
        "reproduced": "tried again from the report: 1 kept",
        "verified": "recall 0 |       █  | 1, mean 0.75",
    }  # fmt: skip


def test_samples_that_were_not_needed_and_those_dropped_are_told_apart(tmp_path: Path) -> None:
    mined(tmp_path)
    dropped = {
        "first: not needed": 2, "first: not submitted": 2, "second: empty patch": 1, "second: not needed": 1,
        "second: recall below threshold": 4,
    }  # fmt: skip
    prepared = Prepared(samples=(), dropped=dropped, notes=())
    assert rows(a_job(tmp_path), Outcome(prepared=prepared))["samples"] == (
        "none, 0 held out; 3 more were not needed; "
        "dropped: first (2 not submitted), second (1 empty patch, 4 recall below threshold)")


def test_generation_that_stopped_says_which_of_the_two_ends_it_came_to() -> None:
    assert report.stopped(Tally(used=16, left=4, first=11, second=7), GOAL) == (
        "Generation stopped because there is enough: 11 first and 7 second rollouts may teach; "
        "4 functions were not needed.")
    assert report.stopped(Tally(used=60, functions=20, left=0, first=12, second=5), GOAL) == (
        "Generation stopped because all 20 functions are used up, each asked about 3 times: "
        "12 first and 5 second rollouts may teach, 11 and 7 were wanted.")
    assert report.stopped(Tally(used=1, functions=1, first=1, second=1), GOAL) == (
        "Generation stopped because the only function is used up: 1 first and 1 second rollout may teach, 11 and 7 "
        "were wanted.")


def test_held_out_losses_are_told_from_the_base_over_the_epochs_to_the_agent(tmp_path: Path) -> None:
    mined(tmp_path)
    job = a_job(tmp_path)
    job.run.training.mkdir()
    held = (("base", 0, 2.0), ("epoch", 4, 1.5), ("agent", 8, 1.25))
    told = [{"steps": 8}, *({"heldout": who, "step": step, "loss": loss, "samples": 2} for who, step, loss in held)]
    job.run.metrics.write_text("".join(json.dumps(row) + "\n" for row in told))
    trained = Trained(
        loss_first=2.5, loss_last=0.5, heldout_base=2.0, heldout_agent=1.25, tokens=9, steps=8, seconds=1.0,
        data_digest="d",
    )  # fmt: skip
    outcome = Outcome(trained=trained)
    assert report.report(job, outcome)["heldout"] == [
        {"step": 0, "loss": 2.0, "of": "base"}, {"step": 4, "loss": 1.5, "of": "epoch"},
        {"step": 8, "loss": 1.25, "of": "agent"},
    ]  # fmt: skip
    assert rows(job, outcome)["train"] == "steps; loss 2.50 → 0.50; held out 2.00 → 1.50 → 1.25"
