"""A training that is ended anywhere goes on to what it would have been, in one process and in two."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.errors import ConfigError, DataError, ModelError
from sera_cli.train import checkpoint, layout, sft, worker
from sera_cli.train.course import Course, read
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import Recipe
from tests.students import FULL, LORA, sample, tiny

ROOT = Path(__file__).parent.parent
TAUGHT, KEPT_BACK = [sample(n) for n in range(5)], [sample(n, heldout=True) for n in (7, 8, 9)]
SHORT = {"epochs": 4, "save_every": 2}
RECIPES = {
    "full": FULL.model_copy(update=SHORT), "lora": LORA.model_copy(update=SHORT),
    "drawing": LORA.model_copy(update=SHORT | {"dropout": 0.1}),
}
"""The last learns something else when it does not draw what it would have drawn."""
ONE = Layout(tokens=700)
TWO = Layout(kind="ddp", processes=2, tokens=700, cpu=True)
"""A micro-batch has room for one of the samples, so that each of the two takes one of a step's two."""


def begun(folder: Path, recipe: Recipe, laid: Layout = ONE) -> int:
    course = Course(student=tiny(), recipe=recipe, layout=laid, seed=1, data="d")
    return sft.begin(folder, course, TAUGHT, KEPT_BACK)


def told(folder: Path) -> list[dict[str, object]]:
    """Every row of the metrics but the facts, without what depends on the clock and on the machine."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()[1:]]
    return [{key: row[key] for key in row if key not in ("seconds", "tokens_per_second", "memory")} for row in rows]


def weights(folder: Path) -> bytes:
    (file,) = (folder / "result").glob("*.safetensors")
    return file.read_bytes()


def names(folder: Path) -> set[str]:
    from safetensors import safe_open

    (file,) = (folder / "result").glob("*.safetensors")
    with safe_open(file, framework="pt") as held:
        return set(held.keys())


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in told(folder)]


PLACES = {
    "in_a_step:1": 0, "in_a_step:5": 4, "in_a_save:4": 2, "before_the_mark:6": 4, "after_the_mark:6": 6,
    "in_the_result:0": 10,
}
"""Where a worker is killed, and the step from which it is to go on."""
SHARED = {"lora ddp": "in_a_step:4", "lora fsdp2": "in_a_step:5", "full fsdp2": "in_a_step:6"}
"""Where the second of two workers is killed."""
FULL_DISK = "full:4"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Trainings that went through at once, by name of their recipe."""
    folders = {name: tmp_path_factory.mktemp("undisturbed") / name for name in RECIPES}
    for name, folder in folders.items():
        begun(folder, RECIPES[name])
        worker.work(folder)
    return folders


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Trainings that were ended, by recipe and place, or by recipe and layout; and what was said."""
    home = tmp_path_factory.mktemp("ended")
    places = {f"{name} {place}": place for name in ("full", "drawing") for place in (*PLACES, FULL_DISK)} | SHARED
    folders = {title: home / title.replace(" ", "-") for title in places}
    for title, folder in folders.items():
        name, kind = title.split()
        if title in SHARED:  # checkpointing changes nothing but memory, and must leave no trace in a weight's name
            sparing = RECIPES[name].model_copy(update={"checkpointing": True})
            begun(folder, sparing, TWO.model_copy(update={"kind": kind}))
        else:
            begun(folder, RECIPES[name])
    codes, said = workers({folders[title]: place for title, place in places.items()})
    assert codes == [f"{place} {1 if place == FULL_DISK else -9}" for place in places.values()], said
    return folders, said


def workers(places: dict[Path, str]) -> tuple[list[str], str]:
    """Has the workers of folders end at these places, or nowhere: their exit codes, and what they said."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.workers", *(f"{place}={folder}" for folder, place in places.items())],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return ran.stdout.split("\n")[:-1], ran.stderr


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["full", "drawing"])
def test_a_training_that_is_killed_goes_on_to_the_same_steps_and_weights(name, place, ended, undisturbed):
    folder, whole = ended[0][f"{name} {place}"], undisturbed[name]

    assert begun(folder, RECIPES[name]) == PLACES[place]
    worker.work(folder)

    assert told(folder) == told(whole)
    assert weights(folder) == weights(whole)
    assert sorted(one.name for one in folder.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-8"]


@pytest.mark.parametrize("name", ["full", "drawing"])
def test_a_disk_that_is_full_is_one_line_and_the_checkpoint_before_goes_on(name, ended, undisturbed):
    folders, said = ended
    folder = folders[f"{name} {FULL_DISK}"]

    (line,) = (line for line in said.splitlines() if str(folder) in line)
    assert line.startswith(f"error: {folder}: cannot be written (")
    assert line.endswith("; free some disk, then the same command goes on from step 4")
    worker.work(folder)
    assert told(folder) == told(undisturbed[name])


def test_two_processes_that_accelerate_starts_learn_what_one_does(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "WORKER", "tests.workers")
    folder = tmp_path / "two"
    begun(folder, RECIPES["full"], TWO)

    with monkeypatch.context() as dying:
        dying.setenv("KILL", "in_a_step:4")
        dying.setenv("DIES", "1")
        with pytest.raises(ModelError, match=r"training ended with exit code 1 .* the same command goes on"):
            sft.go(folder, read(folder))
    assert checkpoint.step(folder) == 2
    sft.go(folder, read(folder))

    same(folder, undisturbed["full"])


def test_however_a_model_is_laid_out_it_learns_the_same_and_goes_on_when_a_process_is_killed(ended, undisturbed):
    folders = {title: ended[0][title] for title in SHARED}
    assert [checkpoint.step(folder) for folder in folders.values()] == [2, 4, 4]

    codes, said = workers(dict.fromkeys(folders.values(), ""))

    assert codes == [" 0 0", " 0 0", " 0 0"], said
    for title, folder in folders.items():
        same(folder, undisturbed[title.split()[0]])


def same(folder: Path, other: Path) -> None:
    assert losses(folder) == pytest.approx(losses(other), abs=1e-4)
    assert [row["step"] for row in told(folder)] == [row["step"] for row in told(other)]
    assert names(folder) == names(other)


def by_torch(path: str) -> None:
    import torch

    torch.save(torch.zeros(300_000), path)


def by_python(path: str) -> None:
    Path(path).write_bytes(b"rows")


@pytest.mark.parametrize("write", [by_torch, by_python])
def test_a_full_disk_is_told_by_whatever_writes_to_it(write, tmp_path):
    said = r"cannot be written \(.*\); free some disk, .* goes on from the beginning$"

    with pytest.raises(DataError, match=said), worker.told(tmp_path):
        write("/dev/full")


def test_a_gpu_that_is_too_small_is_one_line_that_says_what_to_change(tmp_path):
    import torch

    said = r"^the GPU has too little memory \(CUDA out of memory\); lower train.tokens, set"
    with pytest.raises(ModelError, match=said), worker.told(tmp_path):
        raise torch.OutOfMemoryError("CUDA out of memory\nmore of it")


def test_what_is_a_bug_keeps_its_own_error(tmp_path):
    for error in (RuntimeError("shapes differ"), OSError(errno.ENOENT, "no such file")):
        with pytest.raises(type(error)), worker.told(tmp_path):
            raise error


def test_a_folder_in_which_another_process_trains_is_left_to_it(tmp_path):
    begun(tmp_path / "training", FULL)
    handle = os.open(tmp_path / "training", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    with pytest.raises(DataError, match="training: another process trains here; wait for it, or end it"):
        worker.work(tmp_path / "training")
    os.close(handle)


def test_processes_that_are_not_those_of_the_folder_are_refused(tmp_path):
    begun(tmp_path / "training", FULL, TWO)

    with pytest.raises(ConfigError, match=r"^1 processes that each hold the model were started for the layout ddp"):
        worker.work(tmp_path / "training")
