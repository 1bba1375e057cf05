"""A training set of repository samples and general ones: alpha is the repository's share (SERA paper, section 4.3)."""

from collections.abc import Sequence
from random import Random

from sera_cli.errors import ConfigError
from sera_cli.types import Sample, Value


class Mixture(Value):
    """Training samples in seeded order. `note` says what was left out to keep to alpha, or nothing."""

    samples: tuple[Sample, ...]
    note: str = ""


def needed(repo: int, alpha: float) -> int:
    """How many general samples go with so many of the repository's. At alpha 0 there is no such number: it says 0."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha is {alpha}; it is the repository's share of the training data, from 0 to 1")
    return round(repo * (1 - alpha) / alpha) if alpha else 0


def mix(repo: Sequence[Sample], general: Sequence[Sample], alpha: float, seed: int) -> Mixture:
    """`repo` and as many of `general` as give alpha, exact to one sample, whatever the order of the input.

    At alpha 0 it is all of `general` and nothing of `repo`. When general data are short, all of them are taken and
    fewer of the repository's.
    """
    wanted = needed(len(repo), alpha) if alpha else len(general)
    keep = len(repo) if alpha else 0
    note = ""
    if wanted > len(general):
        keep = round(len(general) * alpha / (1 - alpha))
        note = (
            f"{wanted} general samples are needed for alpha {alpha:g} and {len(general)} are there, "
            f"so {keep} of the repository's {len(repo)} samples are used; give more general data to use all"
        )
    chance = Random(seed)
    chosen = _some(repo, keep, chance) + _some(general, min(wanted, len(general)), chance)
    chance.shuffle(chosen)
    return Mixture(samples=tuple(chosen), note=note)


def _some(samples: Sequence[Sample], count: int, chance: Random) -> list[Sample]:
    return chance.sample(sorted(samples, key=lambda sample: sample.id), count)
