"""Scores by task and seed, as every statistic here takes them, and their plain means and spreads."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

Scores = Mapping[str, Mapping[str, float]]
"""task -> seed -> score from 0 to 1: 1 or 0 for resolved or not, else a recall. Every task has at least one."""


def scores(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """The `results` of a report, as scores: what was not counted is left out, and tasks of which nothing was."""
    kept = {
        task: {seed: float(one["score"]) for seed, one in sorted(seeds.items()) if one["score"] is not None}
        for task, seeds in sorted(results.items())
    }
    return {task: seeds for task, seeds in kept.items() if seeds}


def means(rows: Scores) -> dict[str, float]:
    """The mean score of each task over its seeds."""
    return {task: mean(list(seeds.values())) for task, seeds in rows.items()}


def by_seed(rows: Scores) -> dict[str, float]:
    """The mean score of each seed over the tasks that were counted under every seed, so that all speak of the same."""
    seeds = sorted({seed for row in rows.values() for seed in row}, key=_in_order)
    whole = [row for row in rows.values() if len(row) == len(seeds)]
    return {seed: mean([row[seed] for row in whole]) for seed in seeds} if whole else {}


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def variance(values: list[float]) -> float:
    """The unbiased one; of fewer than two values, 0."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


def deviation(values: list[float]) -> float:
    return sqrt(variance(values))


def _in_order(seed: str) -> tuple[int, str]:
    return (int(seed) if seed.isdecimal() else -1, seed)
