"""pass@k and pass^k: the chance that at least one of k attempts at a task resolves it, and that all k do."""

from collections.abc import Callable
from math import comb

from sera_cli.evaluate.stats.scores import Scores, mean


def pass_at(rows: Scores, k: int) -> float | None:
    """At least one of `k`, by the unbiased estimator 1 - C(n-c, k) / C(n, k) (Chen and others, 2021, equation 1).

    Over the tasks with at least k attempts; None where there is none.
    """
    return _over(rows, k, lambda n, c: 1 - comb(n - c, k) / comb(n, k))


def pass_all(rows: Scores, k: int) -> float | None:
    """All of `k`: C(c, k) / C(n, k), unbiased too."""
    return _over(rows, k, lambda n, c: comb(c, k) / comb(n, k))


def _over(rows: Scores, k: int, chance: Callable[[int, int], float]) -> float | None:
    """`chance` of n attempts and c resolved ones, averaged over tasks."""
    found = [chance(len(row), round(sum(row.values()))) for row in rows.values() if len(row) >= k]
    return mean(found) if found else None
