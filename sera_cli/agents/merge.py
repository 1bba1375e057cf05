"""An adapter added into its base: a whole model in bfloat16, made weight by weight, so that memory holds no model.

The base is the one that was trained on, as it was published: a quantised copy of it would keep the error of its
rounding for good.
"""

import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sera_cli.agents.preflight import CONFIG, PLAIN, WEIGHTS, document
from sera_cli.errors import DataError, ModelError
from sera_cli.harness.tokens import FILES, TEMPLATE
from sera_cli.tensors import PEFT, header
from sera_cli.types import Value

SHARD = 4 * 1024**3
"""Bytes of one file of weights, and about what a merge holds in memory."""

INDEX = "model.safetensors.index.json"
GENERATION = "generation_config.json"
UNFOLLOWED = (
    "use_dora", "lora_bias", "trainable_token_indices", "target_parameters", "layer_replication", "fan_in_fan_out",
    "alora_invocation_tokens", "use_bdlora", "use_qalora",
)  # fmt: skip
"""Settings of PEFT under which an adapter is something else than a product of two matrices."""


class Part(Value):
    """One weight of the base: the file that holds it, how many numbers it has, and whether it is floating point."""

    name: str
    file: Path
    count: int
    floating: bool


def merge(base: Path, adapter: Path | None, out: Path, *, end: int, shard: int = SHARD) -> int:
    """Writes base + adapter as a model folder into `out`, which is made, and returns its weights' bytes.

    Without an `adapter` the base's own weights are written. Tokenizer files are the base's, byte for byte; the chat
    template is the adapter's. `end` is the token that ends a turn, which generation must stop at. Raises ModelError
    where the two do not fit together, and DataError where the disk has no room.
    """
    parts = weights(base)
    added = _adapter(adapter, {part.name for part in parts}) if adapter else None
    size = sum(2 * part.count for part in parts)
    _room(out, size)
    out.mkdir(parents=True, exist_ok=True)
    _write(parts, added, out, shard)
    _settings(base, out, end)
    _beside(base, adapter or base, out)
    return size


def weights(folder: Path) -> list[Part]:
    """The weights of a model folder, in the order of its files. Raises ModelError where there are none to add to."""
    config = document(folder / "config.json")
    if quantised := config.get("quantization_config"):
        kind = quantised.get("quant_method", "somehow")
        raise ModelError(f"{folder.name} is quantised ({kind}); name the model that it was made from as the base")
    names = document(folder / INDEX)["weight_map"].values() if (folder / INDEX).is_file() else ["model.safetensors"]
    files = [folder / name for name in dict.fromkeys(sorted(names))]
    return [
        Part(name=name, file=file, count=math.prod(about["shape"]), floating="F" in about["dtype"])
        for file in files for name, about in header(file).items()
    ]  # fmt: skip


def fetched(base: str) -> Path:
    """The folder of a base: itself, or what the hub gives of a hub id. Raises ModelError."""
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(base, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"the base {base} cannot be had: {reason}") from error


class _Adapter:
    """The opened adapter: what it adds to a weight, or puts in its place."""

    def __init__(self, folder: Path, config: dict[str, Any], layers: dict[str, str], whole: dict[str, str]) -> None:
        """`layers` maps a weight's name to its layer's, `whole` to the name of what takes its place."""
        from safetensors import safe_open

        self._config, self._layers, self._whole = config, layers, whole
        self._file: Any = safe_open(folder / WEIGHTS, framework="pt")

    def applied(self, name: str, weight: Any) -> Any:
        """The weight of that name with the adapter in it, in float32."""
        if name in self._whole:
            return self._file.get_tensor(self._whole[name]).float()
        if name not in self._layers:
            return weight
        layer = self._layers[name]
        down, up = (self._file.get_tensor(f"{PEFT}{layer}.lora_{side}.weight").float() for side in "AB")
        return weight.float().addmm_(up, down, alpha=self._scale(layer))

    def _scale(self, layer: str) -> float:
        rank = _told(self._config.get("rank_pattern"), layer, self._config["r"])
        alpha = _told(self._config.get("alpha_pattern"), layer, self._config["lora_alpha"])
        return alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank)


def _told(patterns: dict[str, float] | None, layer: str, otherwise: float) -> float:
    """What PEFT's patterns say of a layer: a pattern is the end of its name, from a dot on."""
    found = (value for pattern, value in (patterns or {}).items() if re.match(rf"(.*\.)?({pattern})$", layer))
    return next(found, otherwise)


def _adapter(folder: Path, known: set[str]) -> _Adapter:
    config = document(folder / CONFIG)
    if odd := [key for key in UNFOLLOWED if config.get(key)]:
        raise ModelError(f"the adapter cannot be merged: it was made with {', '.join(odd)}; merge it with peft")
    layers, whole = {}, {}
    for name in header(folder / WEIGHTS):
        found = PLAIN.fullmatch(name)
        target = f"{found['module']}.weight" if found else name.removeprefix(PEFT)
        if target not in known:
            raise ModelError(f"the adapter is of another base: this one has no weight {target} for {name}")
        if found:
            layers[target] = found["module"]
        else:
            whole[target] = name
    return _Adapter(folder, config, layers, whole)


def _room(out: Path, size: int) -> None:
    place = next(parent for parent in out.absolute().parents if parent.exists())
    free = shutil.disk_usage(place).free
    if free < size * 1.05:
        need = f"the merged model takes {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise DataError(f"{need}; name another place with --out", place)


def _write(parts: list[Part], added: _Adapter | None, out: Path, shard: int) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    files = _shards(parts, shard)
    index: dict[str, str] = {}
    for number, group in enumerate(files, 1):
        name = "model.safetensors" if len(files) == 1 else f"model-{number:05}-of-{len(files):05}.safetensors"
        try:
            save_file(dict(_merged(group, added)), out / name, metadata={"format": "pt"})
        except (OSError, SafetensorError) as error:
            raise DataError(f"the merged weights cannot be written or the base's not read: {error}", out) from error
        (out / name).chmod(0o644)  # as any other file of the model, which others are to read
        index |= {part.name: name for part in group}
    if len(files) > 1:
        total = sum(2 * part.count for part in parts)
        _json(out / INDEX, {"metadata": {"total_size": total}, "weight_map": index})


def _merged(group: Iterable[Part], added: _Adapter | None) -> Iterator[tuple[str, Any]]:
    import torch
    from safetensors import safe_open

    for part in group:
        opened: Any = safe_open(part.file, framework="pt")
        with opened as file:
            weight = file.get_tensor(part.name)
        if added:
            weight = added.applied(part.name, weight)
        yield part.name, weight.to(torch.bfloat16).contiguous() if part.floating else weight


def _shards(parts: list[Part], limit: int) -> list[list[Part]]:
    """Groups of weights of at most `limit` bytes each, where no single one is larger."""
    groups: list[list[Part]] = [[]]
    held = 0
    for part in parts:
        if groups[-1] and held + 2 * part.count > limit:
            groups.append([])
            held = 0
        groups[-1].append(part)
        held += 2 * part.count
    return groups


def _settings(base: Path, out: Path, end: int) -> None:
    """config.json in the precision that is written, and generation that stops where a turn ends."""
    config = document(base / "config.json")
    for key in ("_name_or_path", "torch_dtype"):
        config.pop(key, None)
    _json(out / "config.json", config | {"dtype": "bfloat16"})
    generation = document(base / GENERATION) if (base / GENERATION).is_file() else {}
    said = generation.get("eos_token_id", config.get("eos_token_id"))
    known = said if isinstance(said, list) else [] if said is None else [said]
    _json(out / GENERATION, generation | {"eos_token_id": [end, *(one for one in known if one != end)]})


def _beside(base: Path, taught: Path, out: Path) -> None:
    for name in (*FILES, "tekken.json"):
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)
    if (taught / TEMPLATE).is_file():
        shutil.copyfile(taught / TEMPLATE, out / TEMPLATE)


def _json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
