"""Soft tasks of a scripted teacher: which are made, that no clock decides it, and that nothing is made twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sera_cli import store
from sera_cli.errors import ModelError
from sera_cli.svg.exam import exam
from sera_cli.svg.sample import tasks
from sera_cli.types import Function, Reply, Task, Trajectory
from tests.rollouts import bench, exported
from tests.scripted import Scripted, calls
from tests.test_pipeline import Pupil, pipeline, todo


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("exam"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


def test_each_task_has_a_report_and_the_patch_it_was_written_of(
    tmp_path: Path, base: Path, pool: ThreadPoolExecutor
) -> None:
    made = exam(pipeline(tmp_path, base, pool), todo(60), 3)
    assert [(one.id, one.function, one.statement) for one in made] == [
        ("t000", "mark0", "Add mark0."), ("t001", "mark1", "Add mark1."), ("t002", "mark2", "Add mark2."),
    ]  # fmt: skip
    assert all(f"\n+{one.function}\n" in one.gold for one in made)
    assert len(store.read(tmp_path / "2-explored.jsonl", Trajectory)) == 3


def test_what_comes_to_no_patch_of_its_own_makes_room_for_the_next(
    tmp_path: Path, base: Path, pool: ThreadPoolExecutor
) -> None:
    twins = [one.model_copy(update={"function": "mark1"}) if one.id < "t003" else one for one in todo(9)]
    made = exam(pipeline(tmp_path, base, pool), twins, 3)
    assert [one.id for one in made] == ["t000", "t003", "t004"]
    again = exam(pipeline(tmp_path, base, pool), twins, 3)
    assert again == made
    assert len(store.read(tmp_path / "3-issues.jsonl", Task)) == 3


class Blank(Pupil):
    """Changes nothing but an empty line, which no recall counts."""

    def __call__(self, messages: list[dict[str, object]]) -> Reply:
        blank = len(messages) == 2 and "<output>" not in str(messages[1]["content"])
        return calls("bash", command="echo >> a.py") if blank else super().__call__(messages)


def test_a_patch_without_a_line_to_find_again_is_no_task(tmp_path: Path, base: Path, pool: ThreadPoolExecutor) -> None:
    blank = replace(pipeline(tmp_path, base, pool), bench=bench(base, lambda seed: Scripted(Blank(seed))))
    assert exam(blank, todo(4), 3) == ()
    assert len(store.read(tmp_path / "2-explored.jsonl", Trajectory)) == 4


def test_a_teacher_that_is_gone_ends_it(tmp_path: Path, base: Path, pool: ThreadPoolExecutor) -> None:
    gone = replace(pipeline(tmp_path, base, pool), bench=bench(base, lambda seed: Scripted(ModelError("gone"))))
    with pytest.raises(ModelError, match=r"^16 rollouts in a row broke; the last: gone\. Mend that and run the same"):
        exam(gone, todo(60), 20)


def test_it_is_about_what_was_held_out_alone() -> None:
    kept = {"path": "a.py", "line": 1, "end_line": 2, "signature": "()"}
    functions = [Function(id="f", name="f", heldout=True, **kept), Function(id="g", name="g", **kept)]
    assert [one.function for one in tasks(functions, "r", "c", 0, heldout=True)] == ["f", "f", "f"]
    assert [one.function for one in tasks(functions, "r", "c", 0)] == ["g", "g", "g"]
