"""Intervals for a score: over tasks like these, and over further seeds of these very tasks.

Which method stands where was measured (tests/bench/coverage.py): rates from .05 to .9, up to 5 seeds, tasks that differ
in difficulty up to a correlation of .7 between attempts at one, which is about that of SWE-bench Verified. What is said
to hold 95 % of the time holds, over tasks, 93.5 to 97 % with 100 tasks and more, 94 to 98.5 % with 44 and 92 to 98 %
with 20; over seeds, 94 to 97 % with 100 and more, 94 to 97.5 % with 44 and 94 to 99 % with 20. Where nearly all tasks
come out the same with every seed, the interval over seeds is wider than it would have to be.
"""

from math import sqrt
from random import Random

from sera_cli.evaluate.stats.distributions import normal, student_quantile
from sera_cli.evaluate.stats.scores import Scores, again, mean, means, noise, seeds
from sera_cli.types import Value

LEVEL = 0.95

MANY = 100
"""Tasks from which on resampling them covers what it says it does."""

DRAWS = 2000
"""Times that the tasks are drawn anew."""

DOUBT = 0.25
"""Of a task always resolved, and as much of one never: added to the spread of few tasks, which by chance may show
none at all where the rate is near 0 or 1.
"""

FLIPS = 0.3
"""Added to the noise of all tasks together: a little more than that of one task whose attempts fall like a coin. A few
tasks may show the same result three times by chance.
"""


class Interval(Value):
    """Where a score lies, with a chance of `level`; `method` is how that was found."""

    low: float
    high: float
    method: str
    level: float = LEVEL


def over_tasks(rows: Scores, level: float = LEVEL) -> Interval:
    """For the score on all the tasks that these were drawn from. A task counts once, however many seeds it has."""
    values = list(means(rows).values())
    method, found = ("bootstrap", bootstrap) if len(values) >= MANY else ("wilson", wilson)
    low, high = found(values, level)
    return Interval(low=low, high=high, method=method, level=level)


def over_seeds(rows: Scores, level: float = LEVEL) -> Interval | None:
    """For the mean that further seeds would have on these very tasks; None where no task was tried twice.

    Student's t, on the spread of attempts within their tasks: attempts are independent, each has a seed of its own. So
    it has twice as many degrees of freedom as tasks with 3 seeds, where the means of 3 runs alone would leave 2.
    """
    spread = noise(rows)
    if spread is None:
        return None
    half = student_quantile((1 + level) / 2, again(rows)) * sqrt((spread * len(rows) + FLIPS) / seeds(rows)) / len(rows)
    middle = mean(list(means(rows).values()))
    return Interval(low=max(0.0, middle - half), high=min(1.0, middle + half), method="student", level=level)


def bootstrap(tasks: list[float], level: float = LEVEL) -> tuple[float, float]:
    """Percentiles of the mean over tasks drawn with replacement, each with all its seeds."""
    random = Random(0)  # the same report, the same interval
    drawn = [mean(random.choices(tasks, k=len(tasks))) for _ in range(DRAWS)]
    return percentiles(drawn, len(tasks), level)


def percentiles(drawn: list[float], tasks: int, level: float = LEVEL) -> tuple[float, float]:
    """The two, a little further out by what n tasks fall short of infinitely many (Hesterberg, 2015)."""
    tail = normal.cdf(student_quantile((1 - level) / 2, tasks - 1) * sqrt(tasks / (tasks - 1)))
    edge, ranked = max(0, int(tail * (len(drawn) + 1)) - 1), sorted(drawn)
    return ranked[edge], ranked[-1 - edge]


def wilson(tasks: list[float], level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval, with as many independent answers as the spread between tasks speaks of: n at least.

    That number is m (1 - m) / variance of the mean, as of a clustered sample.
    """
    middle, count = mean(tasks), len(tasks)
    known = max(float(count), _answers(tasks))
    z = normal.inv_cdf((1 + level) / 2)
    centre = (middle + z * z / (2 * known)) / (1 + z * z / known)
    half = z / (1 + z * z / known) * sqrt(middle * (1 - middle) / known + z * z / (4 * known * known))
    return max(0.0, centre - half), min(1.0, centre + half)


def _answers(tasks: list[float]) -> float:
    """The tasks, and beside them a part of one that is always and of one that is never resolved."""
    count = len(tasks) + 2 * DOUBT
    middle = (sum(tasks) + DOUBT) / count
    spread = (sum(value * value for value in tasks) + DOUBT - count * middle * middle) / (count - 1)
    return middle * (1 - middle) / spread * len(tasks)
