"""A training's folder: what decides it, in which order it goes, and when another may take its place."""

import json

import pytest

from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.train import checkpoint, sft, worker
from sera_cli.train.course import Course, begun, differing, epoch_ends, order, read, sequence
from sera_cli.train.layout import Layout
from sera_cli.train.rows import kept
from tests.students import FULL, sample, tiny

COURSE = Course(student=tiny(), recipe=FULL, seed=1, data="d", heldout="h")
TAUGHT = [sample(n) for n in range(3)]


def test_each_epoch_is_another_shuffle_and_the_same_for_the_same_seed():
    assert order(4, 2, 1) == [1, 2, 0, 3, 0, 1, 2, 3] == order(4, 2, 1)
    assert order(4, 2, 2) != order(4, 2, 1)
    assert order(3, 2, 1, shuffle=False) == [0, 1, 2, 0, 1, 2]
    assert sequence(COURSE, 4) == order(4, 2, 1)


@pytest.mark.parametrize(("count", "ends"), [(6, (3, 6)), (5, (3, 5)), (1, (1, 1))])
def test_an_epoch_ends_with_the_step_that_takes_the_last_of_its_rows(count, ends):
    assert epoch_ends(COURSE, count) == ends


def test_what_decides_is_the_data_the_student_and_how_it_learns_and_nothing_of_the_machine():
    machine = {
        "layout": Layout(kind="ddp", processes=8, tokens=9), "report_to": "wandb", "name": "other", "offline": True,
        "versions": {"torch": "9"}, "recipe": FULL.model_copy(update={"checkpointing": True, "save_every": 7}),
    }  # fmt: skip

    assert COURSE.model_copy(update=machine).settings == COURSE.settings
    for key, value in {"data": "e", "heldout": "i", "seed": 2, "shuffle": False}.items():
        assert COURSE.model_copy(update={key: value}).settings != COURSE.settings
    assert str(tiny().base) not in json.dumps(COURSE.settings)


def test_what_differs_is_named_with_what_it_was_and_is():
    other = COURSE.model_copy(update={"recipe": FULL.model_copy(update={"epochs": 5}), "seed": 2})

    assert list(differing(COURSE.settings, other.settings)) == [
        "recipe.epochs (was 2, now 5)", "seed (was 1, now 2)"
    ]


def test_a_folder_holds_the_course_its_rows_and_how_processes_are_started(tmp_path):
    sft.begin(tmp_path / "training", COURSE, TAUGHT, [sample(7, heldout=True)])

    assert read(tmp_path / "training") == COURSE
    assert kept(tmp_path / "training" / "rows")["id"][:] == ["s0", "s1", "s2"]
    assert kept(tmp_path / "training" / "heldout")["length"][:] == [590]
    assert json.loads((tmp_path / "training" / "accelerate.yaml").read_text())["num_processes"] == 1
    assert begun(tmp_path / "training", COURSE)
    assert not begun(tmp_path / "training", COURSE.model_copy(update={"seed": 2}))


def test_a_folder_without_a_course_says_how_one_is_begun(tmp_path):
    with pytest.raises(DataError, match=r"course.json: No such file or directory; a training is begun by: sera train"):
        worker.work(tmp_path)


def test_a_course_of_another_sera_is_one_line(tmp_path):
    (tmp_path / "course.json").write_text('{"recipe": 1}')

    with pytest.raises(DataError, match=r"not a course that this sera can read \(student: Field required\)$"):
        read(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "training"
    sft.begin(folder, COURSE, TAUGHT, [])
    worker.work(folder)
    return folder


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"recipe": FULL.model_copy(update={"epochs": 5})}, r"recipe.epochs \(was 2, now 5\); undo that"),
        ({"data": "e"}, r'data \(was "d", now "e"\)'),
        ({"student": tiny().model_copy(update={"name": "other"})}, r'student \(was "rehearsal-\w+", now "other"\)'),
        ({"layout": Layout(kind="fsdp2", processes=2, cpu=True)}, r'layout \(was "whole", now "fsdp2"\)'),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_what_differs_named(changed, named, trained):
    with pytest.raises(ConfigError, match=named) as caught:
        sft.begin(trained, COURSE.model_copy(update=changed), TAUGHT, [])

    assert "\n" not in str(caught.value)
    assert read(trained) == COURSE


def test_another_number_of_processes_goes_on(trained):
    two = COURSE.model_copy(update={"layout": Layout(kind="ddp", processes=2, cpu=True)})

    assert sft.begin(trained, two, TAUGHT, []) == 3
    assert read(trained) == two
    assert json.loads((trained / "accelerate.yaml").read_text())["num_processes"] == 2
    sft.begin(trained, COURSE, TAUGHT, [])


def test_the_result_of_another_training_is_not_thrown_away(trained):
    checkpoint.tidy(trained, keep=0)

    with pytest.raises(ConfigError, match=r"training holds the result of another training: seed \(was 1, now 2\)"):
        sft.begin(trained, COURSE.model_copy(update={"seed": 2}), TAUGHT, [])


def test_what_several_machines_train_is_started_on_each(tmp_path):
    many = COURSE.model_copy(update={"layout": Layout(kind="fsdp2", processes=16, nodes=2)})
    sft.begin(tmp_path / "training", many, TAUGHT, [])

    with pytest.raises(SeraError, match="is ready for 2 machines: start the command above on each, with its number"):
        sft.go(tmp_path / "training", many)
