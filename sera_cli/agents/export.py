"""A registered agent as a folder for others: a whole model, one that ollama builds from, or what the hub wants.

A folder appears whole or not at all, holds no path of this machine, and nothing of it is uploaded here.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from sera_cli.agents import compare
from sera_cli.agents.merge import fetched, merge
from sera_cli.agents.ollama import modelfile
from sera_cli.agents.preflight import CONFIG, document
from sera_cli.agents.registry import model_card, portable, spoken
from sera_cli.errors import ConfigError, DataError, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.types import AgentCard, Value

Format = Literal["merged", "ollama", "hf"]
FORMATS: tuple[Format, ...] = ("merged", "ollama", "hf")

KEPT_HERE = ("card.toml", "README.md", "metrics.jsonl", "loss.png")
"""What lies beside the weights and is no part of the agent, or is written anew."""

Tell = Callable[[str], None]


class Exported(Value):
    """`bytes` are those of all files. `difference` is None where nothing was merged, or memory held no comparison."""

    agent: str
    format: Format
    out: str
    bytes: int
    difference: compare.Difference | None = None


def export(card: AgentCard, weights: Path, base: str, out: Path, *, format: Format, tell: Tell) -> Exported:
    """Writes the agent whose files are in `weights` into `out`, a folder that is not there yet.

    `base` is a folder or a hub id; a model that is whole needs none. Raises ConfigError where `out` is there,
    ModelError where base and adapter do not fit or the merged model is another one, DataError where the disk refuses.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already; name a folder that is not, with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", suffix=".part", dir=out.parent, ignore_cleanup_errors=True) as place:
            part = Path(place) / "agent"
            difference = None
            if format == "hf":
                _plain(card, weights, part)
            else:
                difference = _merged(card, weights, base, part, tell)
            if format == "ollama":
                (part / "Modelfile").write_text(modelfile(card, spoken(card)), encoding="utf-8")
            size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
            part.rename(out)
    except OSError as error:
        raise DataError(f"{error.strerror or error}; nothing was written", out) from error
    return Exported(
        agent=f"{card.name}@{card.version}", format=format, out=str(out), bytes=size, difference=difference
    )


def whole(card: AgentCard) -> bool:
    """Whether the agent's weights are a model by themselves."""
    return card.method == "full" or bool(card.merged)


def _plain(card: AgentCard, weights: Path, part: Path) -> None:
    """The files as training left them; the base is named so that others find it."""
    shutil.copytree(weights, part, ignore=shutil.ignore_patterns(*KEPT_HERE))
    if (part / CONFIG).is_file():
        config = document(part / CONFIG)
        _json(part / CONFIG, config | {"base_model_name_or_path": portable(card.base)})
    _described(card, part)


def _merged(card: AgentCard, weights: Path, base: str, part: Path, tell: Tell) -> compare.Difference | None:
    way = spoken(card)
    adapter = None if whole(card) else weights
    source = fetched(base) if adapter else weights
    end = tokens.load(str(weights)).special(wire.ending(way))
    tell(f"writing {card.name}@{card.version} as a whole model in bfloat16")
    merge(source, adapter, part, end=end)
    tell("comparing its logits with those of what was trained")
    found = compare.compared(str(source), adapter, part, way, memory=compare.memory())
    if found and not found.agrees:
        raise ModelError(
            f"the merged model is not the trained one: its logits are {found.merged:.1%} off, and "
            f"{compare.TOLERANCE:.0%} is what rounding makes (the base's are {found.base:.1%} off); nothing was written"
        )
    _described(card.model_copy(update={"merged": card.merged or "for this export"}) if adapter else card, part)
    return found


def _described(card: AgentCard, part: Path) -> None:
    """The model card, and all that is known of the agent for programs."""
    (part / "README.md").write_text(model_card(card), encoding="utf-8")
    apart = {"base": portable(card.base), "repository": portable(card.repository)}
    _json(part / "sera.json", card.model_copy(update=apart).model_dump())


def _json(file: Path, value: dict[str, object]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
