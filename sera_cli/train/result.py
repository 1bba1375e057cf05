"""What a training leaves: weights under plain names, the base's tokenizer as it was, the template of training."""

import json
import shutil
from pathlib import Path
from typing import Any

from sera_cli.errors import DataError
from sera_cli.harness import tokens, wire
from sera_cli.tensors import WRAPPED, header, wrapped
from sera_cli.train.arguments import half
from sera_cli.train.course import METRICS, Course, appearing


def save(trainer: Any, course: Course, out: Path) -> None:
    """The folder `out`, which appears whole or not at all. Every process takes part, and the first one writes.

    Safetensors, tokenizer, template and metrics; no file holds a path. Raises DataError for names that are not plain.
    """
    import torch

    if course.recipe.method == "full" and half(course.recipe) and not trainer.is_deepspeed_enabled:
        trainer.model.to(torch.bfloat16)
    state = _state(trainer)
    if not trainer.is_world_process_zero():
        return
    with appearing(out) as part:
        _weights(trainer.accelerator.unwrap_model(trainer.model), state, course, part)
        plain(part)
        tokenizer(course, part)
        shutil.copy(out.with_name(METRICS), part / METRICS)


def plain(folder: Path) -> None:
    """Raises DataError for weights whose names no server would know."""
    for file in sorted(folder.glob("*.safetensors")):
        if wrong := wrapped(header(file)):
            raise DataError(f"holds {wrong[0]}, a name that no server knows; this is a fault of sera's", file)


def tokenizer(course: Course, folder: Path) -> None:
    """The base's own tokenizer files, byte for byte, but for what ends a turn; and the template of training."""
    from transformers.utils import cached_file

    template = wire.template(course.student.wire)
    found = {name: cached_file(course.student.base, name, **_absent()) for name in tokens.FILES}
    if not found["tokenizer.json"]:
        whole = tokens.pretrained(course.student.base)
        whole.eos_token, whole.chat_template = wire.ending(course.student.wire), template
        whole.save_pretrained(folder)
        return
    for name, path in found.items():
        if path:
            shutil.copyfile(path, folder / name)
    _ended(folder / "tokenizer_config.json", course, template)
    _ended(folder / "special_tokens_map.json", course, template)
    (folder / tokens.TEMPLATE).write_text(template, encoding="utf-8")


def _absent() -> dict[str, bool]:
    """Has a file that is not there be None, and not an error."""
    kinds = ("missing_entries", "gated_repo", "connection_errors")
    return {f"_raise_exceptions_for_{kind}": False for kind in kinds}


def _ended(file: Path, course: Course, template: str) -> None:
    """Rewrites a file that says otherwise how a turn ends, which template there is, or where the base once was."""
    if not file.exists():
        return
    said = json.loads(file.read_bytes())
    end = wire.ending(course.student.wire)
    ours = {key: value for key, value in said.items() if key != "name_or_path"}
    if "eos_token" in said and _content(said["eos_token"]) != end:
        ours["eos_token"] = end
    if "chat_template" in said:
        ours["chat_template"] = template
    if ours != said:
        file.write_text(json.dumps(ours, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _state(trainer: Any) -> dict[str, Any]:
    """The weights whole and by their plain names, wherever they were; under LoRA those of the adapter.

    Every process takes part in putting them together, and the first one alone keeps them.
    """
    if trainer.is_deepspeed_enabled:
        held = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
    else:
        held = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    adapting = any("lora_" in name for name in held)
    state = {}
    for name, weight in held.items():
        if "lora_" in name or not adapting:
            whole = weight.full_tensor().cpu() if hasattr(weight, "full_tensor") else weight
            if trainer.is_world_process_zero():
                state[WRAPPED.sub("", name)] = whole
    return state


def _weights(model: Any, state: dict[str, Any], course: Course, part: Path) -> None:
    if course.recipe.method == "full":
        model.config.use_cache = True
        model.config._name_or_path = course.student.name
        model.save_pretrained(part, state_dict={name: state[name] for name in state if name not in _tied(model)})
        return
    model.peft_config["default"].base_model_name_or_path = course.student.name
    model.save_pretrained(part, state_dict=state, save_embedding_layers=False)  # "auto" would ask the hub
    (part / "README.md").unlink(missing_ok=True)


def _tied(model: Any) -> set[str]:
    """Names of weights that are another one's as well; put together apart, they would be written twice."""
    return set(model.all_tied_weights_keys) if model.config.get_text_config().tie_word_embeddings else set()
