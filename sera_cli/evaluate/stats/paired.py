"""Two agents on the same tasks: how far apart, how sure that is, and what it would take to be surer.

Measured as intervals are (tests/bench/coverage.py): what is said to hold the difference 95 % of the time holds it 93 to
97 % with 100 tasks and more, but for equal agents that hardly resolve anything (99 %), and 93 to 100 % with fewer.
The seeds asked for show a difference 79 to 87 % of the time, where 80 is the aim; who runs them and looks again takes
equal agents for different ones no more than 5.4 % of the time. After 3 seeds of 100 tasks the seeds asked for are a
guess within a factor of 3.
"""

from itertools import product
from math import ceil, sqrt
from typing import Any

from pydantic import computed_field

from sera_cli.evaluate.stats.distributions import student, student_quantile
from sera_cli.evaluate.stats.intervals import LEVEL
from sera_cli.evaluate.stats.power import FEWEST, LEAST, Spread, detectable, seeds_for, spread, tasks_for, unlike
from sera_cli.evaluate.stats.scores import Scores, by_seed, mean, means, noise, seeds, variance
from sera_cli.types import Value
from sera_cli.wording import counted

NEAR = 20
"""More seeds that somebody may still be asked for, before more tasks are."""

FAR = 10
"""Times the tasks: where a difference needs more than that, it is too small for this benchmark."""

ADVISED = 3
"""Seeds that the paper advises at least (SERA paper, section 6). With one nobody knows what is noise."""

TOO_FEW = "cannot tell: too few tasks"


class Difference(Value):
    """The second agent less the first, on the `tasks` that both have, and whether that can be chance.

    `low` to `high` holds the difference on tasks like these with a chance of 95 %, `p` is that of one at least so large
    where there is none: both by Student's t on the tasks' differences, and where fewer than 6 tasks show any, no surer
    than an exact test is. `snr` is the paper's signal-to-noise ratio.
    `detectable` is the smallest true difference that this design shows four times in five, None where none is large
    enough. `more_seeds` of both, or `more_tasks`, would show the one seen here as often; None where no number does.
    Where one of the two are patches that are graded `once`, nobody is asked for seeds.
    """

    tasks: int
    difference: float
    low: float
    high: float
    p: float
    snr: float | None
    detectable: float | None
    more_seeds: int | None
    more_tasks: int | None
    once: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> str:
        """What to make of it, in words."""
        if self.low > 0 or self.high < 0:
            return "better" if self.low > 0 else "worse"
        if self.more_seeds is not None and self.more_seeds <= NEAR:
            return f"cannot tell yet: {counted(self.more_seeds, 'more seed')}"
        if self.more_tasks is None or self.more_tasks > FAR * self.tasks:
            least = self.detectable
            return f"no difference seen; one of {100 * least:.1f} points would be" if least else TOO_FEW
        tasks = counted(self.more_tasks, "more task")
        if self.more_seeds is not None:
            return f"cannot tell yet: {counted(self.more_seeds, 'more seed')} or {tasks}"
        return f"cannot tell yet: {tasks}" if self.once else f"cannot tell at any number of seeds: {tasks}"


class Plan(Value):
    """What it takes to show a difference of `detect`: `seeds` of each on the same tasks, or so many `tasks` in all."""

    detect: float
    seeds: int | None
    tasks: int | None


def paired(a: Scores, b: Scores, *, once: bool = False) -> Difference | None:
    """Compares `b` with `a`; None where they share fewer than two tasks. `once`: one of them has no seeds to add to."""
    a, b = shared(a, b)
    if len(a) < 2:
        return None
    mine, theirs = means(a), means(b)
    apart = [theirs[task] - mine[task] for task in mine]
    middle, error = mean(apart), sqrt(unlike(apart) / len(apart))
    half = student_quantile((1 + LEVEL) / 2, len(apart) - 1) * error
    p = 2 * student(-abs(middle) / error, len(apart) - 1) if error else float(not middle)
    if (exact := flipped(apart)) > 1 - LEVEL:
        p, half = max(p, exact), max(half, abs(middle))
    asked = _asked(a, b, apart) | ({"more_seeds": None} if once else {})
    return Difference(
        tasks=len(a), difference=middle, low=max(-1.0, middle - half), high=min(1.0, middle + half), p=p, snr=snr(a, b),
        once=once, **asked,
    )  # fmt: skip


def flipped(apart: list[float]) -> float:
    """How often chance alone, which turns the sign of each task's difference as a coin falls, makes the mean as large.

    Exact, and above the 5 % level with fewer than `FEWEST` tasks that differ: 2 of the 32 ways are as large with 5.
    With more it is not asked, for Student's t holds what it says there, and 0.
    """
    some = [one for one in apart if abs(one) >= LEAST]
    if len(some) >= FEWEST:
        return 0.0
    ways = [abs(sum(way)) for way in product(*((one, -one) for one in some))]
    return sum(way >= abs(sum(some)) - LEAST for way in ways) / len(ways)


def _asked(a: Scores, b: Scores, apart: list[float]) -> dict[str, Any]:
    """What this design shows, and what is asked for to show the difference: `FEWEST` tasks that differ at least."""
    known, have, middle = spread(a, b), min(seeds(a), seeds(b)), mean(apart)
    some = [abs(one) for one in apart if abs(one) >= LEAST]
    least = max(detectable(known, len(a), have), FEWEST * min(some, default=1 / have) / len(a))
    shows = len(a) >= FEWEST and least < 1
    if known.attempts is None:
        enough = ADVISED if shows else None
    else:
        enough = seeds_for(middle, known, len(a)) if len(a) >= FEWEST else None
    tasks = tasks_for(middle, known, have)
    if tasks and len(some) < FEWEST:
        tasks = max(tasks, ceil(FEWEST * len(a) / len(some)))
    return {
        "detectable": least if shows else None, "more_seeds": enough and max(0, ceil(enough - have)),
        "more_tasks": tasks and max(0, tasks - len(a)),
    }  # fmt: skip


def plan(detect: float, a: Scores, b: Scores) -> Plan | None:
    """What it takes to tell two agents like these apart, which share two tasks at least.

    None where one of them tried no task twice.
    """
    a, b = shared(a, b)
    known = spread(a, b)
    if known.attempts is None:
        return None
    return Plan(
        detect=detect, seeds=seeds_for(detect, known, len(a)), tasks=tasks_for(detect, known, min(seeds(a), seeds(b))))


def alone(detect: float, rows: Scores) -> Plan | None:
    """What it takes at least to tell such an agent from another: were no task easier for the one than for the other.

    None where no task was tried twice.
    """
    spread = noise(rows)
    if spread is None:
        return None
    known = Spread(between=0.0, attempts=2 * spread)
    return Plan(detect=detect, seeds=seeds_for(detect, known, len(rows)), tasks=tasks_for(detect, known, seeds(rows)))


def shared(a: Scores, b: Scores) -> tuple[Scores, Scores]:
    """The scores of both on the tasks that both have."""
    both = [task for task in a if task in b]
    return {task: a[task] for task in both}, {task: b[task] for task in both}


def snr(a: Scores, b: Scores) -> float | None:
    """|difference| / run-to-run sd (SERA paper, section 6): below 1 noise, to 2 borderline, above that likely real.

    The sd is that of both together, over the means of their seeds; None where it is 0 or an agent has one seed.
    """
    runs = [list(by_seed(rows).values()) for rows in (a, b)]
    spread = sqrt(mean([variance(each) for each in runs]))
    if spread < LEAST or min(map(len, runs)) < 2:
        return None
    return abs(mean(runs[1]) - mean(runs[0])) / spread
