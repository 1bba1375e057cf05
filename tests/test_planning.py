"""`sera train --dry-run`: the plan of the training that a run's samples make."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli import store
from sera_cli.cli.job import open_job
from sera_cli.cli.options import Asked
from sera_cli.runs import Run, settle
from sera_cli.types import Sample
from tests.students import tiny

Captured = pytest.CaptureFixture[str]
NAMED = ("--run", "r", "--sandbox", "folder")


@pytest.fixture
def prepared(example: Path, capsys: Captured) -> Path:
    """A repository whose run `r` has eight samples to learn from and one held out."""
    run = Run(folder=Path(sera(capsys, "mine", example)["run"]))
    job = open_job(Asked(example, {"rollout.sandbox": "folder"}, "HEAD", "r", False, True, True))
    settle(run, "generate", job.generation)
    one = Sample(id="s", messages=(), origin="first", kept=1, steps=1, tokens=1000, trained=250)
    taught = [one.model_copy(update={"id": f"s{number}"}) for number in range(8)]
    store.write(run.samples, Sample, [*taught, one.model_copy(update={"id": "h", "heldout": True, "tokens": 9000})])
    return example


def sera(captured: Captured, *arguments: object) -> dict[str, Any]:
    captured.readouterr()
    assert door.run([str(argument) for argument in (*arguments, *NAMED, "--json")]) == 0
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def test_a_student_of_the_family_is_planned_before_anything_is_fetched(prepared: Path, capsys: Captured) -> None:
    made = sera(capsys, "train", prepared, "--dry-run", "--student", "Qwen/Qwen3-8B", "--recipe", "lora-8b")
    plan = made["training"]

    assert (plan["recipe"], plan["parameters"], plan["trainable"]) == ("lora-8b", 8_190_735_360, 174_587_904)
    assert (plan["samples"], plan["tokens"], plan["trained"], plan["longest"]) == (8, 24_000, 0.25, 1000)
    assert plan["memory"]["total"] == plan["memory"]["allocated"] + plan["memory"]["overhead"]
    assert plan["reason"].startswith("lora-8b, as asked, on ")


def test_a_rate_of_ones_own_is_reckoned_with(prepared: Path, capsys: Captured) -> None:
    asked = ("train", prepared, "--dry-run", "--student", "Qwen/Qwen3-8B", "--recipe", "lora-8b")
    cheap, dear = (sera(capsys, *asked, "--set", f"cost.gpu_hour={rate}")["training"] for rate in (1, 5))

    assert dear["dollars"] == pytest.approx(5 * cheap["dollars"])


def test_the_embedded_student_is_planned_before_it_is_made(prepared: Path, capsys: Captured) -> None:
    made = sera(capsys, "train", prepared, "--dry-run", "--student", "rehearsal")
    plan = made["training"]

    assert (plan["recipe"], plan["parameters"], plan["fits"]) == ("rehearsal", 3_344_320, True)
    assert (plan["steps"], plan["warmup"]) == (12 * 8, 18)


def test_a_folder_is_measured(prepared: Path, capsys: Captured) -> None:
    asked = ("--student", tiny().base, "--recipe", "lora-8b", "--set", "train.processes=1", "--set", "train.batch=2")
    plan = sera(capsys, "train", prepared, "--dry-run", *asked)["training"]

    assert plan["parameters"] == 61_008
    assert plan["steps"] == 12


def test_what_cannot_be_looked_at_is_counted_by_the_paper(prepared: Path, capsys: Captured) -> None:
    made = sera(capsys, "train", prepared, "--dry-run", "--student", "some/model")

    assert made["training"] is None
    assert made["gpu_hours"] == round(8 * 0.028, 2)


def test_a_person_sees_the_whole_plan_in_eighty_columns(prepared: Path, capsys: Captured) -> None:
    asked = ("train", str(prepared), "--dry-run", "--student", "Qwen/Qwen3-8B", "--recipe", "lora-8b")
    assert door.run([*asked, *NAMED]) == 0
    said = capsys.readouterr().err

    lines = said[said.index("recipe "):].splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("parameters", "tokens", "steps", "batches", "memory", "verdict", "time"):
        assert any(line.startswith(name) for line in lines), name
    assert "  30.5 GiB  weights" in said


def test_a_kernel_that_computes_in_half_precision_is_refused_for_a_cpu(prepared: Path, capsys: Captured) -> None:
    asked = ["--student", tiny().base, "--recipe", "lora-8b", "--set", "train.attention=flash_attention_2"]

    assert door.run(["train", str(prepared), "--dry-run", *asked, *NAMED]) == 3
    assert "it computes in bfloat16, and this training in float32" in capsys.readouterr().err


def test_short_samples_share_micro_batches_as_far_as_memory_goes(prepared: Path, capsys: Captured) -> None:
    asked = ("--student", tiny().base, "--recipe", "lora-8b", "--set", "train.processes=1")
    plan, alone = (sera(capsys, "train", prepared, "--dry-run", *asked, "--set", f"train.tokens={tokens}")["training"]
                   for tokens in (0, 1000))

    assert (plan["layout"]["tokens"], plan["most"], plan["micro"]) == (32768, 4000, 4)
    assert (alone["layout"]["tokens"], alone["most"], alone["micro"]) == (1000, 1000, 16)
