"""Intervals: on a few numbers by hand, and how often they hold the truth about agents that are made up.

tests/bench/coverage.py measures the same over all regimes; here are a few, with the same draws each time.
"""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.stats.intervals import Interval, bootstrap, over_seeds, over_tasks, wilson
from sera_cli.evaluate.stats.scores import Scores


def attempts(chance: Random, tasks: int, rate: float, tries: int) -> tuple[float, Scores]:
    """An agent whose attempts at a task are correlated by .7: its true score on these tasks, and what was seen."""
    total = 1 / 0.7 - 1
    hard = [chance.betavariate(rate * total, (1 - rate) * total) for _ in range(tasks)]
    rows = {str(task): {seed: float(chance.random() < one) for seed in range(tries)} for task, one in enumerate(hard)}
    return sum(hard) / tasks, rows


def held(interval: Callable[[Scores], Interval | None], about: str, tasks: int, rate: float, trials: int) -> float:
    chance, hits = Random(1), 0
    for _ in range(trials):
        here, rows = attempts(chance, tasks, rate, 3)
        found = interval(rows)
        assert found
        hits += found.low <= (here if about == "these" else rate) <= found.high
    return hits / trials


@pytest.mark.parametrize(("tasks", "rate"), [(20, 0.1), (20, 0.5), (44, 0.05), (44, 0.9)])
def test_few_tasks_are_held_as_often_as_said(tasks: int, rate: float) -> None:
    assert 0.93 <= held(over_tasks, "like these", tasks, rate, 1000) <= 0.98


def test_a_hundred_tasks_drawn_anew_are_held_as_often_as_said() -> None:
    assert 0.93 <= held(over_tasks, "like these", 100, 0.3, 100) <= 0.97


@pytest.mark.parametrize(("tasks", "rate"), [(100, 0.3), (100, 0.9)])
def test_further_seeds_are_held_as_often_as_said(tasks: int, rate: float) -> None:
    assert 0.93 <= held(over_seeds, "these", tasks, rate, 500) <= 0.97


def test_fewer_than_a_hundred_tasks_take_wilsons_and_more_are_drawn_anew() -> None:
    methods = [over_tasks({str(task): {0: task % 2} for task in range(count)}).method for count in (99, 100)]
    assert methods == ["wilson", "bootstrap"]


def test_wilsons_interval_of_tasks_tried_once_is_about_the_textbooks() -> None:
    low, high = wilson([1.0] * 15 + [0.0] * 5)
    assert (low, high) == (pytest.approx(0.531, abs=0.01), pytest.approx(0.888, abs=0.01))


def test_nothing_resolved_is_no_proof_that_nothing_can_be() -> None:
    low, high = wilson([0.0] * 20)
    assert (low, high) == (0.0, pytest.approx(0.161, abs=0.001))
    assert over_seeds({"a": {0: 0.0, 1: 0.0}, "b": {0: 0.0, 1: 0.0}}) is not None


def test_seeds_that_agree_on_each_task_add_nothing_to_what_is_known_of_others() -> None:
    once = over_tasks({str(task): {0: task % 2} for task in range(40)})
    thrice = over_tasks({str(task): dict.fromkeys(range(3), task % 2) for task in range(40)})
    assert once == thrice


def test_the_same_scores_have_the_same_interval() -> None:
    tasks = [task % 3 / 2 for task in range(120)]
    assert bootstrap(tasks) == bootstrap(tasks)
    low, high = bootstrap(tasks)
    assert (low, high) == (pytest.approx(0.425, abs=0.02), pytest.approx(0.575, abs=0.02))


def test_further_seeds_are_told_by_the_spread_within_tasks() -> None:
    """Two tasks of a hundred came out differently: 1/3 + 1/3 of variance, and .3 for doubt, over 3 seeds."""
    rows = {str(task): dict.fromkeys(range(3), float(task < 50)) for task in range(98)}
    rows |= {"x": {0: 1.0, 1: 0.0, 2: 0.0}, "y": {0: 1.0, 1: 1.0, 2: 0.0}}
    found = over_seeds(rows)
    assert found
    assert found.high - found.low == pytest.approx(2 * 1.972 * ((2 / 3 + 0.3) / 3) ** 0.5 / 100, rel=1e-3)


def test_of_one_seed_nothing_is_known_about_others() -> None:
    assert over_seeds({"a": {0: 1.0}, "b": {0: 0.0}}) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=99), st.floats(0.5, 0.999))
def test_an_interval_holds_the_mean_and_lies_between_0_and_1(tasks: list[float], level: float) -> None:
    low, high = wilson(tasks, level)
    assert 0 <= low <= sum(tasks) / len(tasks) + 1e-9
    assert sum(tasks) / len(tasks) - 1e-9 <= high <= 1
