"""A training set of repository samples and general ones: alpha is the repository's share (SERA paper, section 4.3)."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from sera_cli.data.lessons import Lesson
from sera_cli.errors import ConfigError
from sera_cli.knobs import Mix
from sera_cli.wording import counted


class Mixture(NamedTuple):
    """What is trained on, in order, and what was left out or repeated to keep to alpha."""

    lessons: list[Lesson]
    notes: list[str]


class Parts(NamedTuple):
    """How many samples are the repository's and how many are general."""

    repo: int
    general: int


def needed(repo: int, alpha: float) -> int:
    """How many general samples go with so many of the repository's. At alpha 0 there is no such number: it says 0."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha is {alpha}; it is the repository's share of the training data, from 0 to 1")
    return round(repo * (1 - alpha) / alpha) if alpha else 0


def wanted(repo: int, samples: int, mixing: Mix) -> Parts:
    """What is to be mixed of so many samples of the repository, if there are enough general ones.

    Where the repository has fewer than the `samples` asked for, they are repeated as often as they may be, except at
    alpha 1, which is kept by any number of them. At alpha 0 the general ones take the place of them all.
    """
    if not mixing.alpha:
        return Parts(0, samples)
    most = repo if mixing.alpha == 1 else max(repo, min(samples, repo * mixing.repeats))
    return Parts(most, needed(most, mixing.alpha))


def mix(repo: Sequence[Lesson], general: Sequence[Lesson], mixing: Mix, *, samples: int, seed: int) -> Mixture:
    """The repository's samples and as many general ones as give alpha, exact to one, whatever the order of the input.

    When general ones are short they are repeated as often as they may be, and when that is not enough fewer of the
    repository's are used, the least cut ones; at alpha 0 there are just fewer. Copies have ids of their own. The order
    is drawn by `seed`; where it is to go by ratio, only that of equals is.
    """
    parts = wanted(len(repo), samples, mixing)
    there = len(general) * (mixing.repeats if mixing.alpha else 1)
    some = Parts(parts.repo, min(parts.general, there))
    if parts.general > there and mixing.alpha:
        some = Parts(min(parts.repo, round(there * mixing.alpha / (1 - mixing.alpha))), there)
    chance = Random(seed)
    chosen = _so_many(_best(repo, some.repo), some.repo, chance) + _so_many(general, some.general, chance)
    chance.shuffle(chosen)
    if mixing.order == "ratio":
        chosen.sort(key=lambda lesson: -lesson.sample.ratio)
    return Mixture(chosen, list(_notes(Parts(len(repo), len(general)), parts, some, samples, mixing)))


def _best(repo: Sequence[Lesson], count: int) -> list[Lesson]:
    """At most so many, the least cut ones, of first and of second rollouts in the proportion they come in."""
    first = [lesson for lesson in _sorted(repo) if lesson.sample.origin == "first"]
    second = [lesson for lesson in _sorted(repo) if lesson.sample.origin != "first"]
    if count >= len(repo):
        return first + second
    share = round(count * len(first) / len(repo))
    return first[:share] + second[: count - share]


def _so_many(lessons: Sequence[Lesson], count: int, chance: Random) -> list[Lesson]:
    """So many of them: each as often as any other, but for the rest that does not come out even, which is drawn."""
    rounds, rest = divmod(count, len(lessons)) if lessons else (0, 0)
    by_id = sorted(lessons, key=lambda lesson: lesson.sample.id)
    whole = [_copy(lesson, number) for number in range(1, rounds + 1) for lesson in by_id]
    return whole + [_copy(lesson, rounds + 1) for lesson in chance.sample(by_id, rest)]


def _copy(lesson: Lesson, number: int) -> Lesson:
    if number == 1:
        return lesson
    return lesson._replace(sample=lesson.sample.model_copy(update={"id": f"{lesson.sample.id}~{number}"}))


def _sorted(lessons: Sequence[Lesson]) -> list[Lesson]:
    return sorted(lessons, key=lambda lesson: (-lesson.sample.ratio, lesson.sample.id))


def _notes(there: Parts, parts: Parts, some: Parts, samples: int, mixing: Mix) -> Iterator[str]:
    """What a person should know of how `some` came about, `parts` having been wanted."""
    if not mixing.alpha and some.general < samples:
        yield f"{some.general:,} of the {counted(samples, 'sample')} wanted: the general data have no more"
    if not 0 < mixing.alpha < 1:
        return
    if parts.repo < samples:
        yield (
            f"the repository gives {parts.repo:,} of {counted(samples, 'sample')}, so "
            f"{counted(parts.general, 'general one is', 'general ones are')} wanted for alpha {mixing.alpha:g}, not "
            f"{needed(samples, mixing.alpha):,}"
        )
    own = f"repository's {counted(there.repo, 'sample is', 'samples are')}"
    general = counted(there.general, "general sample is", "general samples are")
    for few, have, take in ((own, there.repo, some.repo), (general, there.general, some.general)):
        if take > have:
            yield f"the {few} repeated to make {take:,}, each {-(-take // have)} times at most"
    if parts.general > some.general:
        yield (
            f"{counted(parts.general, 'general sample is', 'general samples are')} needed for alpha {mixing.alpha:g} "
            f"and {counted(there.general, 'is', 'are')} there, so of the repository's {counted(there.repo, 'sample')} "
            f"{counted(some.repo, 'is', 'are')} used; give more general data, or let them repeat with "
            "--max-epochs-per-sample, to use all"
        )
