"""From what training left to an agent that vLLM serves: as it is, or merged where vLLM refuses the adapter."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from sera_cli.agents.merge import fetched, merge
from sera_cli.agents.preflight import CONFIG, preflight
from sera_cli.agents.registry import register, spoken
from sera_cli.errors import DataError, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.types import AgentCard

METRICS = "metrics.jsonl"
"""How the training went: it stays beside the weights."""


def checked(card: AgentCard, weights: Path, base: str) -> AgentCard:
    """The card, saying why the adapter in `weights` is to be merged, if it is.

    `base` is a folder or a hub id. Raises ModelError for a whole model that cannot be served.
    """
    if (weights / CONFIG).is_file():
        return card.model_copy(update={"merged": "; ".join(preflight(weights, fetched(base)))})
    if reasons := preflight(weights):
        raise ModelError(f"vLLM cannot serve what was trained: {reasons[0]}; the weights are in {weights}")
    return card


def admit(home: Path, card: AgentCard, weights: Path, base: str) -> AgentCard:
    """Registers the agent as its card says, and returns the card with its version. The weights stay where they are."""
    if not card.merged:
        return register(home, card, weights)
    try:
        with TemporaryDirectory(prefix=".", suffix=".merged", dir=weights.parent, ignore_cleanup_errors=True) as place:
            end = tokens.load(str(weights)).special(wire.ending(spoken(card)))
            merge(fetched(base), weights, Path(place), end=end)
            if (weights / METRICS).is_file():
                shutil.copyfile(weights / METRICS, Path(place) / METRICS)
            return register(home, card, Path(place))
    except OSError as error:
        raise DataError(f"{error.strerror or error}; the weights are still in {weights}", weights.parent) from error
