import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from sera_cli import __main__ as door
from sera_cli import store
from sera_cli.cli import parity as verb
from sera_cli.cli.job import open_job
from sera_cli.cli.options import ask
from sera_cli.errors import ConfigError
from sera_cli.train.arguments import warmup
from sera_cli.train.attention import kernel
from sera_cli.train.course import Course
from sera_cli.train.layout import Layout
from sera_cli.train.parity import Pair, Parity, parity, plain, rate
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import rows
from sera_cli.train.tutor import room, steps
from sera_cli.types import Sample
from tests.students import FULL, LORA, sample, tiny

THREE = {"batch": 3, "epochs": 9, "warmup_steps": 4, "weight_decay": 0.1}
"""21 steps: 7 samples are 63 lessons, three a step."""


def course(recipe: Recipe, **changes: object) -> Course:
    """Of 7 samples of about 590 tokens, of which two share a micro-batch and the third is alone."""
    return Course(student=tiny(), recipe=recipe.model_copy(update=changes), seed=1, layout=Layout(tokens=1300))


@pytest.fixture(scope="module")
def taught():
    return rows([sample(n) for n in range(7)], tiny())


def compared(recipe: Recipe, taught) -> tuple[Parity, list[tuple[str, int, int]]]:
    heard = []
    return parity(course(recipe, **THREE), taught, 20, tell=lambda *said: heard.append(said[:3])), heard


@pytest.mark.parametrize(("recipe", "falls"), [(FULL, 3.0), (LORA.model_copy(update={"checkpointing": True}), 0.3)])
def test_a_plain_loop_has_the_same_losses_for_twenty_steps(recipe: Recipe, falls: float, taught):
    found, heard = compared(recipe, taught)

    assert [pair.step for pair in found.pairs] == list(range(1, 21))
    assert found.worst.apart < 1e-4
    assert found.agrees
    assert found.pairs[0].plain - found.pairs[-1].plain > falls
    assert heard == [(who, step, 20) for who in ("TRL", "plain") for step in range(1, 21)]


def test_what_is_compared_is_packed_and_accumulated(taught):
    one = course(FULL, **THREE)
    lengths = [len(row.input_ids) for row in taught]

    assert {tuple(map(len, step)) for step in steps(one, lengths, room(one, kernel(tiny().base)))} == {(2, 1)}


@pytest.mark.parametrize("changed", [
    {"learning_rate": 9e-3}, {"betas": (0.9, 0.99)}, {"schedule": "linear"}, {"warmup_steps": 2}, {"weight_decay": 0.4},
    {"batch": 2},
])  # fmt: skip
def test_a_trainer_that_takes_another_setting_is_seen_within_six_steps(changed: dict[str, object], taught):
    """Not another bound of the gradient: what scales all of it alike, AdamW hardly sees."""
    losses = [list(plain(course(FULL, **(THREE | one)), taught, 6, start={})) for one in ({}, changed)]
    pairs = tuple(Pair(step=step, trl=one, plain=two) for step, (one, two) in enumerate(zip(*losses, strict=True), 1))

    assert not Parity(pairs=pairs, tolerance=1e-4).agrees


def test_a_micro_batch_without_a_sample_changes_nothing(taught):
    """The second and last step has three samples, each alone, and four micro-batches, as the first has four samples."""
    one = course(FULL, epochs=1, batch=4, packing=False)
    lengths = [len(row.input_ids) for row in taught]

    assert [len(micro) for micro in steps(one, lengths, room(one, kernel(tiny().base)))[1]] == [1, 1, 1, 0]
    found = parity(one, taught, 5)
    assert found.agrees
    assert [pair.step for pair in found.pairs] == [1, 2]


def test_several_gpus_are_one_line(taught, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)

    with pytest.raises(ConfigError, match="on one GPU, and 2 are visible: set CUDA_VISIBLE_DEVICES=0"):
        parity(course(FULL), taught, 1)


def test_what_two_trainers_would_draw_or_round_otherwise_is_left_out(taught):
    """Dropout, and an optimizer of 8 bits, which no CPU has."""
    found = parity(course(LORA, dropout=0.5, optimizer="adamw_8bit"), taught, 2)

    assert found.worst.apart < 1e-4


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant_with_warmup"])
def test_the_rate_is_what_the_library_s_schedule_says(schedule: str):
    import torch
    from transformers import get_scheduler

    recipe = FULL.model_copy(update={"schedule": schedule, "warmup_steps": 5})
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    library = get_scheduler(schedule, optimizer, num_warmup_steps=warmup(recipe, 40), num_training_steps=40)
    for step in range(40):
        assert rate(recipe, step, 40) == pytest.approx(library.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        library.step()


def test_losses_that_are_no_numbers_do_not_agree():
    pairs = (Pair(step=1, trl=2.0, plain=2.0), Pair(step=2, trl=math.nan, plain=2.0), Pair(step=3, trl=2.0, plain=2.5))

    assert not Parity(pairs=pairs, tolerance=1.0).agrees
    assert Parity(pairs=pairs[:1], tolerance=0.0).agrees
    assert Parity(pairs=pairs[2:], tolerance=0.4).worst.apart == 0.5
    assert Parity(pairs=pairs, tolerance=1.0).worst.step == 2


@pytest.fixture
def prepared(
    repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[str]]:
    """A run's folder with three samples in it, and what to type to train on them."""
    recipe = tmp_path / "quick.toml"
    recipe.write_text(tomli_w.dumps(FULL.model_dump(exclude={"name"})))
    for name, value in {"HOME": tmp_path / "home", "TRAIN_RECIPE": recipe, "STUDENT_MODEL": tiny().base}.items():
        monkeypatch.setenv(f"SERA_{name}", str(value))
    repo = repository({"a.py": "x = 1\n"})
    run = open_job(ask(repo, run="r", sandbox="folder")).run
    run.folder.mkdir(parents=True)
    note = {"order": "shuffle", "wire": {"family": "qwen3", "thinking": "fold"}}
    store.write(run.samples, Sample, [sample(n) for n in range(3)], note)
    return run.folder, ["train", str(repo), "--run", "r", "--sandbox", "folder"]


def test_the_door_shows_the_losses_side_by_side_and_trains_nothing(prepared, capsys: pytest.CaptureFixture[str]):
    folder, line = prepared

    assert door.run([*line, "--parity", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split("  ")[0] == "step"
    assert [row.split()[0] for row in shown[1:3]] == ["1", "2"]
    assert shown[3].startswith("largest difference ") and shown[3].endswith(": within 0.0001")
    assert {file.name for file in folder.iterdir()} == {"6-samples.jsonl", "lock", "settings.json"}


def test_for_a_program_it_is_one_document_and_nothing_else(prepared):
    """In a process of its own, as libraries talk when they are imported."""
    command = [sys.executable, "-m", "sera_cli", *prepared[1], "--parity", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert set(found) == {"steps", "largest_difference", "tolerance", "agrees"}
    assert set(found["steps"][0]) == {"step", "trl", "plain", "difference"}
    assert (len(found["steps"]), found["tolerance"], found["agrees"]) == (1, 1e-4, True)


def test_losses_that_part_are_said_and_end_with_an_error(
    prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    apart = Parity(pairs=(Pair(step=1, trl=2.0, plain=2.0), Pair(step=2, trl=1.5, plain=1.58)), tolerance=0.02)
    monkeypatch.setattr(verb, "compared", lambda _asked, _steps: apart)

    assert door.run([*prepared[1], "--parity", "2"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "largest difference 8.0e-02, at step 2: beyond 0.02"
    assert door.run([*prepared[1], "--parity", "2", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["agrees"]


def test_a_loss_that_is_no_number_is_null_in_json():
    lost = Parity(pairs=(Pair(step=1, trl=2.0, plain=math.nan),), tolerance=0.02)
    assert verb.told(lost) == {
        "steps": [{"step": 1, "trl": 2.0, "plain": None, "difference": None}],
        "largest_difference": None, "tolerance": 0.02, "agrees": False,
    }


def test_it_takes_one_step_at_least(prepared, capsys: pytest.CaptureFixture[str]):
    assert door.run([*prepared[1], "--parity", "0"]) == 2
    assert "--parity" in capsys.readouterr().err
