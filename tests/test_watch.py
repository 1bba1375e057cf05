"""What the trainer's callbacks note, and when they stop it."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sera_cli.errors import ModelError
from sera_cli.train import course as courses
from sera_cli.train import worker
from sera_cli.train.course import Course, sequence
from sera_cli.train.rows import rows
from sera_cli.train.watch import Lost, callbacks, measured, peak
from tests.students import FULL, sample, tiny

LOGS = {"loss": 0.5, "learning_rate": 1e-3, "grad_norm": 2.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training on four samples, two to a step, two epochs, with one held out."""
    taught, heldout = [sample(number) for number in range(4)], [sample(9, heldout=True)]
    courses.write(tmp_path / "training", a_course(), rows(taught, tiny()), rows(heldout, tiny()))
    return tmp_path / "training"


def a_course(**more: Any) -> Course:
    return Course(student=tiny(), recipe=FULL, data="d1", seed=1, **more)


def state(step: int) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=4)


def trained(folder: Path, first: int, last: int, **logs: float) -> None:
    """A trainer that has come to the step `first` and goes on to `last`."""
    [watch] = callbacks(courses.read(folder), folder)
    watch.on_train_begin(None, state(first), None)
    for step in range(first + 1, last + 1):
        watch.on_log(None, state(step), None, logs=LOGS | logs)
        if step in (2, 4):
            watch.on_log(None, state(step), None, logs={"eval_loss": 1.0})
            watch.on_evaluate(None, state(step), None, metrics={"eval_loss": 1.0})


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_facts_tell_two_trainings_apart_and_hold_no_path(folder: Path) -> None:
    trained(folder, 0, 1)
    found = written(folder)[0]
    assert {key: found[key] for key in ("data", "student", "seed", "shuffle", "samples", "steps")} == {
        "data": "d1", "student": tiny().name, "seed": 1, "shuffle": True, "samples": 4, "steps": 4}
    assert (found["recipe"]["name"], found["layout"]["processes"]) == ("quick", 1)
    assert str(Path(tiny().base).parent) not in json.dumps(found)


def test_each_step_says_which_samples_it_read_and_what_share_of_them_is_learned(folder: Path) -> None:
    trained(folder, 0, 4)
    steps = [row for row in written(folder) if "lr" in row]
    order = sequence(a_course(), 4)
    assert [id_ for row in steps for id_ in row["ids"]] == [f"s{at}" for at in order]
    made = rows([sample(at) for at in order[:2]], tiny())
    ids, learned = sum(len(row.input_ids) for row in made), sum(one != -100 for row in made for one in row.labels)
    assert (steps[0]["tokens"], steps[0]["trained_share"]) == (ids, round(learned / ids, 4))
    assert steps[0]["memory"] > 1_000_000


def test_held_out_losses_are_the_bases_those_of_epochs_and_the_agents(folder: Path) -> None:
    for _ in range(2):  # the first time it is killed before it has saved anything
        [watch] = callbacks(courses.read(folder), folder)
        watch.on_train_begin(None, state(0), None)
        for step in (0, 2, 4):
            watch.on_evaluate(None, state(step), None, metrics={"eval_loss": 2.0 - step / 4})
    assert written(folder)[1:] == [
        {"heldout": "base", "step": 0, "loss": 2.0, "samples": 1},
        {"heldout": "epoch", "step": 2, "loss": 1.5, "samples": 1},
        {"heldout": "agent", "step": 4, "loss": 1.0, "samples": 1},
    ]  # fmt: skip


def test_a_resumed_training_tells_each_step_once(folder: Path) -> None:
    trained(folder, 0, 3)
    trained(folder, 2, 4)
    assert [row["step"] for row in written(folder)[1:]] == [1, 2, 2, 3, 4, 4]
    assert [row["step"] for row in written(folder) if "heldout" in row] == [2, 4]


@pytest.mark.parametrize(("name", "value", "what"), [
    ("loss", float("nan"), "loss is nan"), ("grad_norm", float("inf"), "gradient is inf"),
])  # fmt: skip
def test_a_number_that_is_none_ends_the_training_at_once(folder: Path, name: str, value: float, what: str) -> None:
    said = (
        f"training was stopped at step 1: its {what}; lower train.learning_rate (now 0.01) or raise "
        "train.warmup_steps (now 1)"
    )
    with pytest.raises(ModelError) as caught:
        trained(folder, 0, 1, **{name: value})
    assert str(caught.value) == said
    assert written(folder)[-1] == {"stopped": said, "step": 1}


def test_a_loss_that_stays_above_its_ceiling_ends_it_and_one_that_comes_down_again_does_not() -> None:
    lost = Lost(FULL.model_copy(update={"loss_ceiling": 3.0, "patience": 3}))
    assert [lost.after(step, loss, 1.0) for step, loss in enumerate([4.0, 4.0, 3.0, 4.0, 4.0], 1)] == [""] * 5
    assert lost.after(6, 4.5, 1.0) == (
        "training was stopped at step 6: its loss, now 4.500, was above train.loss_ceiling (now 3) for 3 steps; "
        "lower train.learning_rate (now 0.01) or raise the ceiling")


def test_without_a_ceiling_no_loss_is_too_high() -> None:
    lost = Lost(FULL.model_copy(update={"patience": 1}))
    assert lost.after(1, 1e9, None) == ""


@pytest.mark.parametrize(("epochs", "steps"), [
    (1, (5,)), (3, (5, 10, 15)), (5, (5, 10, 15, 20, 25)), (6, (10, 20, 30)), (12, (15, 30, 45, 60)),
])  # fmt: skip
def test_held_out_losses_are_measured_each_epoch_and_of_many_at_some(epochs: int, steps: tuple[int, ...]) -> None:
    course = a_course().model_copy(update={"recipe": FULL.model_copy(update={"epochs": epochs})})
    assert measured(course, 10) == steps


def test_a_training_is_watched_to_its_end_and_tensorboard_reads_the_same(folder: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    courses.rewrite(folder, a_course(report_to="tensorboard"))
    worker.work(folder)
    rows = written(folder)
    steps, heldout = [row for row in rows if "lr" in row], [row for row in rows if "heldout" in row]
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert [(row["heldout"], row["step"]) for row in heldout] == [("base", 0), ("epoch", 2), ("agent", 4)]
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([row["loss"] for row in steps])
    assert [event.step for event in events.Scalars("heldout_loss")] == [0, 2, 4]


def test_a_training_that_breaks_keeps_what_was_saved_before_and_saves_nothing_after(folder: Path) -> None:
    recipe = FULL.model_copy(update={"learning_rate": 1e30, "save_every": 1})
    courses.rewrite(folder, a_course().model_copy(update={"recipe": recipe}))
    with pytest.raises(ModelError, match=r"stopped at step 2: its gradient is nan; .* by step 1 is kept$"):
        worker.work(folder)
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-1"]
    assert not (folder / "result").exists()
    assert [row["step"] for row in written(folder) if "lr" in row] == [1, 2]


def test_the_peak_is_that_of_this_process_in_bytes() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])  # counted for each core, so roughly
    assert 0.9 * pages * os.sysconf("SC_PAGE_SIZE") < peak() < 1 << 40
