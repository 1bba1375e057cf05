"""Which engine serves which agents, and by which words vLLM is started for them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sera_cli.agents.preflight import CONFIG, rank
from sera_cli.errors import ConfigError
from sera_cli.harness.tokens import TEMPLATE
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
    return base_name(next((one.base for one in agents if one.adapter), ""))


def bare(agent: Served, base: Path, folder: Path) -> Served:
    """The model that a whole one was made of, to be asked as the agent is: its files are linked into `folder`, beside
    the template by which the agent reads. It is called by its own name, as version 0.
    """
    files = [file for file in base.iterdir() if file.name != TEMPLATE]
    for file in (*files, agent.weights / TEMPLATE):
        if file.exists():
            (folder / file.name).symlink_to(file.resolve())
    card = agent.card.model_copy(update={"name": base_name(agent.card.base), "version": 0})
    return Served(card, folder, "", agent.spoken)


def base_name(base: str) -> str:
    """What a base is called: a hub id as it is, a folder by its name."""
    return Path(base).resolve().name if base and Path(base).is_dir() else base


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
