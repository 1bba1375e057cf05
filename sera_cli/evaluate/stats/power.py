"""How small a difference a comparison can show, and how many seeds or tasks show one of a given size.

The variance of a difference between two agents has two parts: how unlike they are from task to task, which only more
tasks average out, and the noise of single attempts, which more seeds do.
"""

from collections import Counter
from math import ceil, inf, sqrt

from sera_cli.evaluate.stats.distributions import student_quantile
from sera_cli.evaluate.stats.scores import Scores, means, noise, seeds, variance
from sera_cli.types import Value

POWER = 0.8
ALPHA = 0.05

MOST = 1000
"""Seeds; nobody tries a task more often."""

LEAST = 1e-4
"""A hundredth of a point: less is none, and may be what adding floats leaves."""

FEWEST = 6
"""Tasks that must differ to show anything, and that are asked for at least: of 5, all fall to one side by chance one
time in 16.
"""

FEW = 5
"""Tasks that show another difference than most do, as a rule none: of fewer, how they vary is next to a guess."""

DOUBT = 0.75
"""Of a task that one agent wins, and as much of one that the other does: added where they are so few."""


class Spread(Value):
    """Variances of a task's difference: `between` tasks, for which a seed stands once, and of one attempt at each by
    either agent, `attempts`. None where no task was tried twice, so that nobody can tell the one from the other.
    """

    between: float
    attempts: float | None

    def over(self, seeds: float) -> float:
        """The variance with so many seeds of both."""
        return self.between + (self.attempts or 0.0) / seeds


def spread(a: Scores, b: Scores) -> Spread:
    """Of two agents on the same tasks, two at least."""
    mine, theirs = means(a), means(b)
    whole = unlike([theirs[task] - mine[task] for task in mine])
    parts = (noise(a), noise(b))
    if parts[0] is None or parts[1] is None:
        return Spread(between=whole, attempts=None)
    return Spread(between=max(0.0, whole - parts[0] / seeds(a) - parts[1] / seeds(b)), attempts=parts[0] + parts[1])


def unlike(differences: list[float]) -> float:
    """How much tasks vary in the difference that they show."""
    most = max(Counter(round(one, 9) for one in differences).values())
    doubt = 2 * DOUBT / len(differences) if len(differences) - most < FEW else 0.0
    return variance(differences) + doubt


def detectable(of: Spread, tasks: int, seeds: float) -> float:
    """The smallest true difference that is shown four times in five, at the 5 % level, two-sided."""
    return _reach(tasks) * sqrt(of.over(seeds) / tasks)


def seeds_for(difference: float, of: Spread, tasks: int) -> int | None:
    """How many seeds of each agent show such a difference on so many tasks; None where no number does."""
    room = tasks * (difference / _reach(tasks)) ** 2 - of.between
    if of.attempts is None or room <= 0 or of.attempts / room > MOST:
        return None
    return max(1, ceil(of.attempts / room))


def tasks_for(difference: float, of: Spread, seeds: float) -> int | None:
    """How many tasks show such a difference with so many seeds; None for one too small to be any."""
    if abs(difference) < LEAST:
        return None
    least = of.over(seeds) * (_reach(inf) / difference) ** 2
    return max(FEWEST, ceil(of.over(seeds) * (_reach(max(least, FEWEST)) / difference) ** 2))


def _reach(tasks: float) -> float:
    """Standard errors from 0 to a difference that is shown so often."""
    return student_quantile(1 - ALPHA / 2, tasks - 1) + student_quantile(POWER, tasks - 1)
