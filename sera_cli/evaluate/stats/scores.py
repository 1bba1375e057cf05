"""Scores by task and seed, as every statistic here takes them, and their plain means and spreads."""

from collections.abc import Mapping, Sequence
from math import inf, sqrt
from typing import Any

Scores = Mapping[str, Mapping[int, float]]
"""task -> seed -> score from 0 to 1: 1 or 0 for resolved or not, else a recall. Every task has at least one."""


def scores(results: Mapping[str, Mapping[Any, Mapping[str, Any]]]) -> dict[str, dict[int, float]]:
    """The `results` of a report, as scores: what was not counted is left out, and tasks of which nothing was."""
    kept = {
        task: {int(seed): float(one["score"]) for seed, one in seeds.items() if one["score"] is not None}
        for task, seeds in sorted(results.items())
    }
    return {task: seeds for task, seeds in kept.items() if seeds}


def means(rows: Scores) -> dict[str, float]:
    """The mean score of each task over its seeds."""
    return {task: mean(list(seeds.values())) for task, seeds in rows.items()}


def by_seed(rows: Scores) -> dict[int, float]:
    """The mean score of each seed over the tasks that were counted under every seed, so that all speak of the same."""
    seeds = sorted({seed for row in rows.values() for seed in row})
    whole = [row for row in rows.values() if len(row) == len(seeds)]
    return {seed: mean([row[seed] for row in whole]) for seed in seeds} if whole else {}


def noise(rows: Scores) -> float | None:
    """The variance of one attempt about its own task's mean, over all tasks; None where no task has two attempts."""
    freedom = again(rows)
    if not freedom:
        return None
    return sum(variance(list(row.values())) * (len(row) - 1) for row in rows.values()) / freedom


def again(rows: Scores) -> int:
    """Attempts beyond the first of each task: the degrees of freedom of `noise`."""
    return sum(len(row) - 1 for row in rows.values())


def seeds(rows: Scores) -> float:
    """Attempts a task has: the harmonic mean, which is what the variance of a mean over tasks depends on."""
    return len(rows) / sum(1 / len(row) for row in rows.values()) if rows else inf


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """The unbiased one; of fewer than two values, 0."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


def deviation(values: Sequence[float]) -> float:
    return sqrt(variance(values))
