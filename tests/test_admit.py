import shutil
from pathlib import Path

import pytest

from sera_cli.agents import registry
from sera_cli.agents.admit import admit, checked
from sera_cli.agents.preflight import CONFIG, WEIGHTS, preflight
from sera_cli.errors import ModelError
from tests import families
from tests.adapters import random_adapter, rewritten
from tests.test_registry import CARD


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    folder = random_adapter(families.student("qwen3"), tmp_path_factory.mktemp("taught") / "adapter")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(families.folder("qwen3") / name, folder / name)
    return folder


def base() -> str:
    return str(families.folder("qwen3"))


def test_an_adapter_that_vllm_takes_is_registered_as_it_is(taught, tmp_path):
    card = checked(CARD, taught, base())
    assert card == CARD

    made = admit(tmp_path, card, taught, base())

    assert (registry.folder(tmp_path, made) / WEIGHTS).read_bytes() == (taught / WEIGHTS).read_bytes()


def test_an_adapter_that_vllm_refuses_is_registered_merged_and_the_card_says_why(taught, tmp_path):
    odd = rewritten(taught, tmp_path / "run" / "adapter", bias="all")
    (odd / "metrics.jsonl").write_text('{"loss": 1.0}\n')
    card = checked(CARD, odd, base())
    assert card.merged == "it trains biases (bias)"

    made = admit(tmp_path, card, odd, base())

    folder = registry.folder(tmp_path, made)
    assert preflight(folder) == []
    assert (folder / "metrics.jsonl").read_text() == '{"loss": 1.0}\n'
    assert (folder / "model.safetensors").is_file() and not (folder / CONFIG).exists()
    assert registry.find(tmp_path, "flask").merged == "it trains biases (bias)"
    assert "merged into the base, in bfloat16: it trains biases (bias) |" in (folder / "README.md").read_text()
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["adapter"]


def test_a_whole_model_is_registered_as_it_is(tmp_path):
    assert checked(CARD, families.folder("qwen3"), "gone") == CARD


def test_a_whole_model_under_a_trainers_names_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(base(), tmp_path / "full"))
    weights = load_file(folder / "model.safetensors")
    wrapped = {f"_fsdp_wrapped_module.{name}": weight for name, weight in weights.items()}
    save_file(wrapped, folder / "model.safetensors")

    with pytest.raises(ModelError, match="vLLM cannot serve what was trained: the trainer's wrapping is in the name"):
        checked(CARD, folder, base())
