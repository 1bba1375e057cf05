"""Which checkpoints are trusted, and which are kept."""

import os
from pathlib import Path

import pytest

from sera_cli.errors import ConfigError, DataError
from sera_cli.train import checkpoint
from sera_cli.train.course import Course
from tests.students import FULL, tiny

COURSE = Course(student=tiny(), recipe=FULL, seed=1, data="d")


def made(folder: Path, step: int, *, marked: bool = True) -> Path:
    place = folder / f"checkpoint-{step}"
    (place / "optimizer_0").mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"weights")
    (place / "optimizer_0" / "shard").write_bytes(b"moments")
    if marked:
        checkpoint.mark(place, COURSE)
    return place


def test_the_newest_with_a_mark_counts(tmp_path):
    made(tmp_path, 8)
    made(tmp_path, 10)
    made(tmp_path, 12, marked=False)
    (tmp_path / "checkpoint-later").mkdir()

    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoint-10"
    assert checkpoint.step(tmp_path) == 10


def test_a_folder_without_one_begins_anew(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.step(tmp_path / "absent") == 0


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer_0/shard"])
@pytest.mark.parametrize("change", [lambda file: os.truncate(file, 3), lambda file: file.unlink()])
def test_one_that_is_no_longer_what_its_mark_says_does_not_count(name, change, tmp_path):
    made(tmp_path, 2)
    change(made(tmp_path, 4) / name)

    assert checkpoint.step(tmp_path) == 2


def test_a_torn_mark_is_none(tmp_path):
    place = made(tmp_path, 4)
    os.truncate(place / "whole.json", 30)

    assert checkpoint.newest(tmp_path) is None
    with pytest.raises(DataError, match="is not whole; remove it"):
        checkpoint.agreed(place, COURSE)


def test_the_newest_two_are_kept_and_what_a_killed_save_left_goes(tmp_path):
    for step in (2, 4, 9, 10):
        made(tmp_path, step)
    made(tmp_path, 11, marked=False)
    (tmp_path / "rows").mkdir()

    checkpoint.tidy(tmp_path)

    assert sorted(place.name for place in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9", "rows"]


def test_one_of_another_training_is_refused_and_its_keys_named(tmp_path):
    place = made(tmp_path, 4)
    other = COURSE.model_copy(update={"recipe": FULL.model_copy(update={"learning_rate": 1e-5})})

    assert checkpoint.agreed(place, COURSE) == place
    with pytest.raises(ConfigError, match=r"is of another training: recipe.learning_rate \(was 0.01, now 1e-05\)"):
        checkpoint.agreed(place, other)
