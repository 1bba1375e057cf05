import json
from pathlib import Path

import pytest

from sera_cli.agents.preflight import CONFIG, WEIGHTS, preflight, rank
from sera_cli.errors import DataError
from tests.students import FULL, LORA, sample, tiny, train

LAYER = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


def adapter(folder: Path, names: tuple[str, ...] = (LAYER,), **settings: object) -> Path:
    """An adapter of one number a weight, with these settings."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.zeros(1) for name in names}, folder / WEIGHTS)
    config = {"peft_type": "LORA", "r": 32, "lora_alpha": 64, "target_modules": ["q_proj"], **settings}
    (folder / CONFIG).write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("recipe", [LORA, FULL], ids=["lora", "full"])
def test_what_training_leaves_is_served(recipe, tmp_path):
    train([sample()], [], tiny(), recipe, tmp_path / "out", seed=0)

    assert preflight(tmp_path / "out", Path(tiny().base)) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"r": 513}, "its rank is 513, and vLLM takes 512 at most"),
        ({"rank_pattern": {"q_proj": 600}}, "its rank is 600, and vLLM takes 512 at most"),
        ({"peft_type": "IA3"}, "it is a IA3 adapter, and vLLM takes LoRA"),
        ({"bias": "all"}, "it trains biases (bias)"),
        ({"use_dora": True}, "vLLM does not know DoRA (use_dora)"),
        ({"modules_to_save": ["lm_head"]}, "vLLM does not know whole modules beside the adapter (modules_to_save)"),
        ({"init_lora_weights": "pissa"}, "its way to begin changed the base's weights (init_lora_weights = pissa)"),
        ({"layer_replication": [[0, 1]]}, "vLLM does not know replicated layers (layer_replication)"),
    ],
)  # fmt: skip
def test_a_setting_that_vllm_does_not_follow_is_named(settings, reason, tmp_path):
    assert preflight(adapter(tmp_path, **settings)) == [reason]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("base_model.model._fsdp_wrapped_module.model.layers.0.mlp.up_proj.lora_A.weight", "the trainer's wrapping"),
        ("base_model.model.base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "the trainer's wrapping"),
        ("base_model.model.module.model.layers.0.mlp.up_proj.lora_A.weight", "the trainer's wrapping"),
        ("base_model.model.model.embed_tokens.lora_embedding_A", "is not the weight of a linear layer's adapter"),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector", "is not the weight of a linear layer's"),
        ("base_model.model.lm_head.lora_A.weight", "it adapts lm_head, and vLLM has adapters for q_proj, k_proj"),
    ],
)
def test_a_weight_that_vllm_cannot_place_is_named(name, reason, tmp_path):
    [said] = preflight(adapter(tmp_path, (LAYER, name)))
    assert reason in said


def test_wrapping_in_a_whole_models_weights_is_named(tmp_path):
    adapter(tmp_path, ("model._checkpoint_wrapped_module.norm.weight", "model.embed_tokens.weight"))
    (tmp_path / CONFIG).unlink()

    assert preflight(tmp_path) == [
        "the trainer's wrapping is in the name model._checkpoint_wrapped_module.norm.weight"
    ]


def test_a_base_that_vllm_has_no_adapters_for_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["FalconForCausalLM"]}')

    assert preflight(adapter(tmp_path), tmp_path) == ["vLLM has no adapters for FalconForCausalLM"]


def test_several_reasons_are_all_told(tmp_path):
    assert len(preflight(adapter(tmp_path, r=1000, use_dora=True, bias="all"))) == 3


@pytest.mark.parametrize(("own", "asked"), [(1, 1), (4, 8), (32, 32), (33, 64), (300, 320), (513, 0)])
def test_the_rank_to_serve_with_is_the_next_that_vllm_allows(own, asked, tmp_path):
    assert rank(adapter(tmp_path, r=own)) == asked


def test_a_file_that_is_no_adapter_is_one_line(tmp_path):
    adapter(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"torn")
    with pytest.raises(DataError, match=r"adapter_model\.safetensors: is no safetensors file"):
        preflight(tmp_path)
    (tmp_path / CONFIG).write_text("[]")
    with pytest.raises(DataError, match=r"adapter_config\.json: holds no JSON object"):
        preflight(tmp_path)
