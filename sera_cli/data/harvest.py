"""Which of a run's rollouts, and of the general rows, become samples, and what became of the rest of them.

Only what is asked for is rendered.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from sera_cli.config import said_sources
from sera_cli.data import filters, general
from sera_cli.data.chat import Chat
from sera_cli.data.lessons import Lesson, Lessons, Terms
from sera_cli.data.mix import wanted
from sera_cli.data.render import chat
from sera_cli.harness.tools import specs
from sera_cli.types import Trajectory, Verdict
from sera_cli.wording import counted


def quota(samples: int) -> tuple[int, int]:
    """How many of so many samples come from first and from second rollouts: 5 to 3 (SERA paper, section 4.3)."""
    second = (3 * samples + 4) // 8
    return samples - second, second


def spare(samples: int) -> int:
    """How many samples are held out beside so many training samples, to measure the loss with."""
    return max(2, round(samples * 0.05))


class Harvest:
    """The lessons found so far, what was dropped on the way, and what a person should know of it."""

    def __init__(self, terms: Terms, lessons: Lessons) -> None:
        self.learned: list[Lesson] = []
        self.held: list[Lesson] = []
        self.notes: list[str] = []
        self._terms = terms
        self._lessons = lessons
        self._dropped: Counter[str] = Counter()
        """Before anything was rendered."""
        self._passed: Counter[str] = Counter()
        """Rollouts by origin that may teach as far as they tell themselves."""
        self._tools: tuple[dict[str, Any], ...] = ()

    def reap(
        self, explored: Iterable[Trajectory], reproduced: Iterable[Trajectory], verdicts: Mapping[str, Verdict]
    ) -> None:
        """Finds the lessons of the repository that are trained on, and those held out."""
        select, alpha, samples = self._terms.select, self._terms.mix.alpha, self._terms.samples
        passed = self._chats(filters.firsts(explored, select, self._dropped), "first", {})
        verified = self._chats(
            filters.seconds(reproduced, verdicts, self._terms.threshold, select, self._dropped), "second", verdicts
        )
        first, second = self._lessons.of(passed), self._lessons.of(verified)
        chosen = pick(first, second, samples, self.notes) if alpha else []
        apart = spare(len(chosen) if alpha else samples)
        self.learned, self.held = hold_out(chosen, chain(second, first), apart, self.notes)
        deque(chain(passed, verified), maxlen=0)  # what is not needed is still counted

    def glean(self, spool: Path) -> list[Lesson]:
        """As many general lessons as go with what was reaped, drawn by seed from all sources together.

        Rows that call our tools and bring none are shown those of the rollouts. What has to wait on disk does so in
        the folder `spool`.
        """
        mixing = self._terms.mix
        count = wanted(len(self.learned), self._terms.samples, mixing).general
        if not count:
            return []
        rows = general.draw(
            said_sources(mixing.general), seed=self._terms.seed, tools=self._tools or specs(),
            decontaminate=mixing.decontaminate, offline=self._terms.offline, spool=spool, dropped=self._dropped,
            notes=self.notes,
        )  # fmt: skip
        return list(islice(self._lessons.of(filters.others(rows, self._terms.select, self._dropped)), count))

    def dropped(self, mixed: Iterable[Lesson]) -> dict[str, int]:
        """All that came in and became no sample, by origin and reason, once it is known what was `mixed`.

        Of general rows, only those that were looked at.
        """
        found = self._dropped + self._lessons.dropped
        places = {lesson.place for lesson in mixed}
        found.update(f"{one.sample.origin}: {filters.LEFT}" for one in self.learned if one.place not in places)
        used = Counter(lesson.sample.origin for lesson in (*self.learned, *self.held))
        for origin in ("first", "second"):
            late = sum(count for why, count in self._lessons.dropped.items() if why.startswith(origin))
            found[f"{origin}: {filters.SPARE}"] = self._passed[origin] - late - used[origin]
        return {why: count for why, count in sorted(found.items()) if count}

    def _chats(
        self, rollouts: Iterable[Trajectory], origin: Literal["first", "second"], verdicts: Mapping[str, Verdict]
    ) -> Iterator[Chat]:
        for rollout in rollouts:
            self._passed[origin] += 1
            self._tools = self._tools or rollout.tools
            yield chat(rollout, origin, verdicts.get(rollout.id))


def pick(first: Iterator[Lesson], second: Iterator[Lesson], wanted: int, notes: list[str]) -> list[Lesson]:
    """`wanted` lessons at 5 to 3, or what there is."""
    most, fewer = quota(wanted)
    some, others = list(islice(first, most)), list(islice(second, fewer))
    filling, instead = list(islice(first, fewer - len(others))), list(islice(second, most - len(some)))
    if filling:
        notes.append(f"too few second rollouts: first ones took {len(filling)} of their places")
    if instead:
        notes.append(f"too few first rollouts: second ones took {len(instead)} of their places")
    chosen = [*some, *filling, *others, *instead]
    if len(chosen) < wanted:
        notes.append(f"{len(chosen):,} of the {counted(wanted, 'sample')} wanted: no more rollouts may teach")
    return chosen


def hold_out(
    chosen: list[Lesson], leftovers: Iterator[Lesson], wanted: int, notes: list[str]
) -> tuple[list[Lesson], list[Lesson]]:
    """Splits training from held-out lessons, which are about functions that training does not use.

    Leftovers come first; where they do not suffice, the last functions chosen give up all their lessons.
    """
    used = dict.fromkeys(lesson.about for lesson in chosen)
    held = list(islice((lesson for lesson in leftovers if lesson.about not in used), wanted))
    given: set[str] = set()
    back: list[Lesson] = []
    for function in reversed(list(used)[1:]):
        if len(held) + len(back) >= wanted:
            break
        given.add(function)
        back = [lesson for lesson in chosen if lesson.about in given]
    if back:
        many = counted(len(back), "sample wanted for training is", "samples wanted for training are")
        notes.append(f"{many} held out: no others are left to measure with")
    return [lesson for lesson in chosen if lesson.about not in given], held + back
