"""Whether vLLM will take what training left: told before an agent is registered, and not by a server that ends.

An adapter that it would refuse is merged into its base instead. What it takes is in templates/lora.toml.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sera_cli import templates
from sera_cli.errors import DataError
from sera_cli.tensors import header, wrapped

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PLAIN = re.compile(r"base_model\.model\.(?P<module>[\w.]+)\.lora_[AB]\.weight")


def preflight(folder: Path, base: Path | None = None) -> list[str]:
    """Why vLLM would not serve the weights in `folder`, one reason each; nothing where it will.

    `folder` holds an adapter or a whole model. `base` is the folder of the adapter's base; without one its
    architecture is not looked at. Raises DataError where the files cannot be read.
    """
    if not (folder / CONFIG).is_file():
        return list(_wrapped(_whole(folder)))
    config, names = document(folder / CONFIG), list(header(folder / WEIGHTS))
    return [*_settings(config), *_wrapped(names), *_modules(names), *(_architecture(base) if base else ())]


def rank(folder: Path) -> int:
    """What `vllm serve --max-lora-rank` must at least be for the adapter in `folder`; 0 where none is big enough."""
    wanted = _highest(document(folder / CONFIG))
    return next((rank for rank in _known()["ranks"] if rank >= wanted), 0)


def document(file: Path) -> dict[str, Any]:
    """A JSON object. Raises DataError that names the file."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", file) from error
    if not isinstance(found, dict):
        raise DataError("holds no JSON object", file)
    return found


def _settings(config: dict[str, Any]) -> Iterator[str]:
    known = _known()
    if config.get("peft_type", "LORA") != "LORA":
        yield f"it is a {config['peft_type']} adapter, and vLLM takes LoRA"
        return
    highest, most = _highest(config), known["ranks"][-1]
    if highest > most:
        yield f"its rank is {highest}, and vLLM takes {most} at most"
    if config.get("bias", "none") != "none":
        yield "it trains biases (bias)"
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in known["inits"]:
        yield f"its way to begin changed the base's weights (init_lora_weights = {init})"
    yield from (f"vLLM does not know {name} ({key})" for key, name in known["unknown"].items() if config.get(key))


def _highest(config: dict[str, Any]) -> int:
    return max([int(config.get("r", 0)), *map(int, (config.get("rank_pattern") or {}).values())])


def _modules(names: Iterable[str]) -> Iterator[str]:
    """Adapters of layers it has none for, and weights that are no adapter's."""
    odd, layers = [], set()
    for name in sorted(names):
        found = PLAIN.fullmatch(name)
        if found is None:
            odd.append(name)
        else:
            layers.add(found["module"].rpartition(".")[2])
    if odd:
        yield f"{odd[0]} is not the weight of a linear layer's adapter" + _more(odd)
    if strange := sorted(layers - set(_known()["modules"])):
        yield f"it adapts {', '.join(strange)}, and vLLM has adapters for {', '.join(_known()['modules'])}"


def _wrapped(names: Iterable[str]) -> Iterator[str]:
    if bad := wrapped(names):
        yield f"the trainer's wrapping is in the name {bad[0]}" + _more(bad)


def _whole(folder: Path) -> set[str]:
    """The names of a whole model's weights."""
    return {name for file in sorted(folder.glob("*.safetensors")) for name in header(file)}


def _architecture(base: Path) -> Iterator[str]:
    names = document(base / "config.json").get("architectures") or ["an unnamed architecture"]
    if names[0] not in _known()["bases"]["architectures"]:
        yield f"vLLM has no adapters for {names[0]}"


def _more(names: list[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""


def _known() -> dict[str, Any]:
    return templates.table("lora.toml")
