"""An adapter over weights of four bits, on a CPU, which bitsandbytes serves as well."""

import json
from pathlib import Path

import pytest

from sera_cli.train import worker
from sera_cli.train.course import Course, write
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import recipe
from sera_cli.train.rows import rows
from tests.students import sample, tiny

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")

QUICK = {"epochs": 6, "batch": 2, "warmup_steps": 1, "learning_rate": 1e-2, "rank": 4, "alpha": 16}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What comes of the shipped recipe, made quick."""
    folder = tmp_path_factory.mktemp("qlora") / "training"
    course = Course(student=tiny(), recipe=recipe("qlora-32b", changes=QUICK), layout=Layout(cpu=True), seed=1)
    write(folder, course, rows([sample(number) for number in range(4)], tiny()), [])
    worker.work(folder)
    return folder / "result"


def test_its_loss_falls(learned: Path) -> None:
    rows = (json.loads(line) for line in (learned / "metrics.jsonl").read_text().splitlines())
    losses = [row["loss"] for row in rows if "lr" in row]
    assert len(losses) == 12 and losses[-1] < losses[0] - 0.2


def test_only_the_adapter_is_saved_and_it_names_its_base(learned: Path) -> None:
    from safetensors.torch import load_file

    names = load_file(learned / "adapter_model.safetensors")
    assert {name.split(".")[-2] for name in names} == {"lora_A", "lora_B"} and len(names) == 2 * 7 * 2
    assert {str(weight.dtype) for weight in names.values()} == {"torch.float32"}  # trl alone makes it bfloat16
    config = json.loads((learned / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["lora_alpha"]) == (tiny().name, 4, 16)
    assert not (learned / "model.safetensors").exists()


def test_it_changes_what_the_whole_base_says(learned: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ids = torch.arange(20)[None]
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(tiny().base, dtype=torch.float32)
        before = base(ids).logits
        after = PeftModel.from_pretrained(base, str(learned))(ids).logits
    assert float((after - before).abs().max()) > 0.1
