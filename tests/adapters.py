"""Adapters of random weights on a base of the Qwen3 family: large enough to change what it says."""

import json
import shutil
from pathlib import Path
from typing import Any

from sera_cli.agents.preflight import CONFIG, document
from sera_cli.harness import tokens, wire
from sera_cli.train.student import Student


def random_adapter(base: Student, out: Path, *, rank: int = 4, **more: Any) -> Path:
    """LoRA on all linear layers, both matrices drawn from a seed, and the chat template of training."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM", **more
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base.base), config)
    model.peft_config["default"].base_model_name_or_path = base.name
    model.save_pretrained(out, save_embedding_layers=False)
    (out / "chat_template.jinja").write_text(wire.template(base.wire), encoding="utf-8")
    return out


def rewritten(adapter: Path, place: Path, **settings: object) -> Path:
    """The same adapter with other settings."""
    shutil.copytree(adapter, place)
    (place / CONFIG).write_text(json.dumps(document(place / CONFIG) | settings))
    return place


def end(student: Student) -> int:
    """The token that ends a turn."""
    return tokens.load(student.base).special(wire.ending(student.wire))


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {name: weight for file in folder.glob("*.safetensors") for name, weight in load_file(file).items()}
