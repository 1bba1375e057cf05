"""Intervals for a score: over tasks like these, and over repeated runs of these very tasks."""

from math import sqrt

from sera_cli.evaluate.stats.distributions import normal, student_quantile
from sera_cli.evaluate.stats.scores import Scores, by_seed, deviation, mean, means, variance
from sera_cli.types import Value

LEVEL = 0.95


class Interval(Value):
    """Where a score lies, with a chance of `level`; `method` is how that was found."""

    low: float
    high: float
    method: str
    level: float = LEVEL


def over_tasks(rows: Scores, level: float = LEVEL) -> Interval:
    """For the score on all the tasks that these were drawn from, however many seeds: a task and its seeds are one.

    Wilson's interval with the number of independent answers that the spread between tasks speaks of.
    """
    low, high = wilson(list(means(rows).values()), _attempts(rows), level)
    return Interval(low=low, high=high, method="wilson", level=level)


def over_seeds(rows: Scores, level: float = LEVEL) -> Interval | None:
    """For the mean that many more seeds would have on these very tasks, by Student's t; None of fewer than two."""
    runs = list(by_seed(rows).values())
    if len(runs) < 2:
        return None
    half = student_quantile((1 + level) / 2, len(runs) - 1) * deviation(runs) / sqrt(len(runs))
    middle = mean(runs)
    return Interval(low=max(0.0, middle - half), high=min(1.0, middle + half), method="student", level=level)


def wilson(tasks: list[float], attempts: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval for means of tasks, `attempts` of them in all."""
    middle, spread = mean(tasks), variance(tasks) / len(tasks)
    whole = middle * (1 - middle) / spread if spread else float(len(tasks))
    count = min(max(whole, float(len(tasks))), attempts)
    z = normal.inv_cdf((1 + level) / 2)
    centre = (middle + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(middle * (1 - middle) / count + z * z / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def _attempts(rows: Scores) -> int:
    return sum(map(len, rows.values()))
