"""Which engine serves which agents, and by which words vLLM is started for them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sera_cli.agents.preflight import CONFIG, rank
from sera_cli.errors import ConfigError
from sera_cli.harness.vllm.launch import Order, order
from sera_cli.harness.wire.family import PARSERS, Wire
from sera_cli.types import AgentCard


class Served(NamedTuple):
    """An agent that is to be served: its card, its weights, where its base is, and how it reads and writes."""

    card: AgentCard
    weights: Path
    base: str
    spoken: Wire

    @property
    def name(self) -> str:
        return f"{self.card.name}@{self.card.version}"

    @property
    def adapter(self) -> bool:
        return (self.weights / CONFIG).is_file()


def together(agents: Sequence[Served]) -> str:
    """The one model that all of these are: their base, or the whole model that a single one is. Raises ConfigError."""
    models = {one.base if one.adapter else str(one.weights): one.name for one in agents}
    if len(models) > 1:
        names = " and ".join(models.values())
        raise ConfigError(f"{names} are not adapters of one base, and a server has one; start a server for each")
    return next(iter(models))


def base_of(agents: Sequence[Served]) -> str:
    """What the base of adapters is called, which can be asked beside them; "" for a whole model, which has none."""
    model = next((one.base for one in agents if one.adapter), "")
    return Path(model).resolve().name if model and Path(model).is_dir() else model


def ordered(
    agents: Sequence[Served], log: Path, environ: Mapping[str, str], *, flags: Sequence[str] = (), offline: bool = False
) -> Order:
    """How vLLM serves these agents. Raises ConfigError for those that no one vLLM serves."""
    told = order(together(agents), log, environ, flags=(*settings(agents), *flags), offline=offline)
    return told if any(one.adapter for one in agents) else told.model_copy(update={"name": agents[0].name})


def settings(agents: Sequence[Served], at: Callable[[Served], str] = lambda one: str(one.weights)) -> list[str]:
    """What vLLM is told of these agents by their cards, their weights standing in the folders `at`."""
    adapters = [one for one in agents if one.adapter]
    words = [
        "--max-model-len", str(max(one.card.context for one in agents)), "--generation-config", "vllm",
        "--tool-call-parser", PARSERS[agents[0].spoken.family],
        "--chat-template", f"{at(agents[0])}/chat_template.jinja",
    ]  # fmt: skip
    if adapters:
        words += [
            "--enable-lora", "--max-lora-rank", str(max(rank(one.weights) for one in adapters)),
            "--max-loras", str(len(adapters)), "--lora-modules", *(f"{one.name}={at(one)}" for one in adapters),
        ]  # fmt: skip
    return words
