"""Soft tasks, from their writing to their scores: a rehearsal writes them in a small repository, and others answer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli import store
from sera_cli.cli.evaluation import soft as door
from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import ask
from sera_cli.console import board
from sera_cli.errors import DataError
from sera_cli.evaluate import soft
from sera_cli.evaluate.attempts import attempts
from sera_cli.types import Function, Task, Trajectory
from tests.rollouts import rollout, task

GOLD = "--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n-x = 1\n+x = 2\n+y = 3\n"
TASK = task("t1", statement="x is wrong", gold=GOLD)


@pytest.mark.parametrize(
    ("patch", "score"), [(GOLD, 1.0), ("+++ b/b.py\n+y = 3\n", 1 / 3), ("+z\n", 0.0), ("", 0.0)])
def test_the_score_is_the_share_of_the_known_lines_that_was_found_again(patch: str, score: float) -> None:
    found = soft.scored(GOLD, rollout(patch=patch))
    assert (found.verdict, found.score) == ("scored", score)
    assert found.reason == ("" if patch else "no patch (submitted)")


def test_a_rollout_that_ran_out_of_room_is_scored_by_what_it_has_and_a_broken_one_counts_for_nothing() -> None:
    step = rollout().steps
    late = soft.scored(GOLD, rollout(patch="+y = 3\n", exit="limit", steps=step))
    assert (late.verdict, late.score, late.exit) == ("scored", 1 / 3, "limit")
    broken = soft.scored(GOLD, rollout(exit="error", error="the server is gone"))
    assert (broken.verdict, broken.score, broken.reason) == ("infra", None, "the server is gone")


def test_what_came_of_attempts_is_told_by_task_and_seed_and_the_last_rollout_of_one_stands(tmp_path: Path) -> None:
    todo = attempts([TASK], [0, 1, 2], {})
    made = [
        rollout(todo[0].id, GOLD), rollout(todo[1].id, exit="error", error="gone"),
        rollout(todo[1].id, "+y = 3\n", attempt=2), rollout("another", GOLD),
    ]  # fmt: skip
    store.write(tmp_path / "solved.jsonl", Trajectory, made)
    found = soft.results(tmp_path / "solved.jsonl", todo, {"t1": GOLD}, lambda usage: None)
    assert {seed: (one.score, one.dollars) for seed, one in found["t1"].items()} == {0: (1.0, None), 1: (1 / 3, None)}


def test_a_task_is_told_in_the_schema_of_benchmarks() -> None:
    made = soft.instance(TASK)
    assert (made.instance_id, made.base_commit, made.problem_statement, made.patch) == ("t1", "c", "x is wrong", GOLD)
    assert (made.test_patch, made.fail_to_pass, made.row["function"]) == ("", (), "f")


def test_an_exam_crosses_the_disk_and_a_shorter_one_is_its_beginning(tmp_path: Path) -> None:
    tasks = tuple(task(f"t{number}", gold=GOLD) for number in range(3))
    path = tmp_path / "bench" / "soft.jsonl"
    soft.write(path, soft.Exam(tasks=tasks, about={"teacher": "glm"}))
    assert soft.read(path) == soft.Exam(tasks=tasks, about={"teacher": "glm"})
    assert soft.read(path, 2).tasks == tasks[:2]


def test_a_task_with_nothing_to_find_again_is_named(tmp_path: Path) -> None:
    path = tmp_path / "soft.jsonl"
    soft.write(path, soft.Exam(tasks=(task("t7", gold="+\n"),), about={}))
    with pytest.raises(DataError, match=r"task t7 has no change to be found again; remove its line"):
        soft.read(path)


def test_nothing_is_asked_about_what_was_taught() -> None:
    other = GOLD.replace("-1 +1,2", "-7 +7,2")
    asked = (TASK, TASK.model_copy(update={"id": "t2", "function": "g"}), task("t3", function="h", gold="+new = 1\n"))
    exam = soft.Exam(tasks=asked, about={})
    assert [one.id for one in soft.unseen(exam, soft.seen([("a.py", "g")], [])).tasks] == ["t1", "t3"]
    assert [one.id for one in soft.unseen(exam, soft.seen([("b.py", "g")], [other])).tasks] == ["t3"]


@pytest.fixture
def job(example: Path) -> Callable[..., Job]:
    def make(*setting: str) -> Job:
        said = {"setting": ["eval.heldout=30", "rollout.sandbox=folder", *setting]}
        return open_job(ask(example, at="HEAD", run="", retry_failed=False, dry_run=False, json=False, **said))

    return make


def test_a_teacher_writes_tasks_about_the_functions_held_out_once(job: Callable[..., Job]) -> None:
    with board() as shown:
        made = door.exam(job("eval.limit=3"), shown)
        assert [one.function for one in made.tasks] == ["totals", "invoice", "round_up"]
        assert (made.about["teacher"], made.about["heldout"]) == ("rehearsal", 5)
        path = door.place(job())
        before = path.read_bytes()
        again = door.exam(job("eval.limit=2", "generate.seed=7"), shown)
    assert again.tasks == made.tasks[:2]
    assert path.read_bytes() == before
    assert door.told(made).startswith("3 soft tasks about 3 functions held out, written by rehearsal at ")

    folder = next(path.parent.glob("soft-*/1-functions.jsonl"))
    held = {(one.path, one.name) for one in store.scan(folder, Function) if one.heldout}
    assert {(one.path, one.function) for one in made.tasks} <= held
    assert door.learnt(store.scan(folder, Function)).isdisjoint(held)


def test_a_command_that_was_stopped_goes_on_where_it_was(job: Callable[..., Job]) -> None:
    with board() as shown:
        whole = door.exam(job("eval.limit=3"), shown)
        path = door.place(job())
        path.unlink()
        files = [next(path.parent.glob(f"soft-*/{name}.jsonl")) for name in ("2-explored", "3-issues")]
        for file in files:
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
        kept = [file.read_bytes() for file in files]
        assert door.exam(job("eval.limit=3"), shown).tasks == whole.tasks
    assert [file.read_bytes()[: len(before)] for file, before in zip(files, kept, strict=True)] == kept
    assert [len(store.read(files[0], Trajectory)), len(store.read(files[1], Task))] == [3, 3]
