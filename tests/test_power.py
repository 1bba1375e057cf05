"""What a comparison can show, and what it takes to show more."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.stats.paired import paired
from sera_cli.evaluate.stats.power import Spread, detectable, seeds_for, spread, tasks_for, unlike
from sera_cli.evaluate.stats.scores import Scores

KNOWN = Spread(between=0.02, attempts=0.3)
"""As of two agents whose attempts come out either way on a good part of the tasks."""


def test_the_smallest_difference_falls_with_seeds_to_what_tasks_alone_leave() -> None:
    reach = 1.9842 + 0.8453  # quantiles of Student's t with 99 degrees of freedom
    assert [round(detectable(KNOWN, 100, seeds), 4) for seeds in (1, 3, 1e9)] == [
        pytest.approx(reach * variance**0.5 / 10, abs=1e-4) for variance in (0.32, 0.12, 0.02)]


@given(st.floats(0.01, 0.5), st.floats(0, 0.3), st.floats(0.01, 0.5), st.integers(10, 1000))
def test_the_seeds_asked_for_are_the_fewest_that_show_the_difference(
    difference: float, between: float, noise: float, tasks: int
) -> None:
    known = Spread(between=between, attempts=noise)
    seeds = seeds_for(difference, known, tasks)
    if seeds is None:
        assert detectable(known, tasks, 1000) > difference * 0.999
    else:
        assert detectable(known, tasks, seeds) <= difference * 1.001
        assert seeds == 1 or detectable(known, tasks, seeds - 1) >= difference * 0.999


@given(st.floats(0.02, 0.5), st.floats(0.01, 0.3), st.floats(0.01, 0.5), st.integers(1, 9))
def test_the_tasks_asked_for_show_the_difference(difference: float, between: float, noise: float, seeds: int) -> None:
    known = Spread(between=between, attempts=noise)
    tasks = tasks_for(difference, known, seeds)
    assert tasks
    assert tasks <= 6 or detectable(known, tasks, seeds) <= difference * 1.001
    assert tasks < 30 or detectable(known, tasks * 9 // 10, seeds) > difference


def test_no_number_shows_no_difference() -> None:
    assert (seeds_for(0.0, KNOWN, 100), tasks_for(0.0, KNOWN, 3)) == (None, None)


def test_the_two_parts_of_the_spread_are_told_apart() -> None:
    a: Scores = {"x": {0: 1.0, 1: 0.0}, "y": {0: 0.0, 1: 0.0}}
    b: Scores = {"x": {0: 1.0, 1: 1.0}, "y": {0: 0.0, 1: 1.0}}
    found = spread(a, b)
    assert found.attempts == 0.5  # .25 of each, halved by no task that agrees with itself
    assert found.between == unlike([0.5, 0.5]) - 0.25


def test_with_one_seed_they_cannot_be() -> None:
    one: Scores = {"x": {0: 1.0}, "y": {0: 0.0}}
    other: Scores = {"x": {0: 1.0, 1: 0.0}, "y": {0: 0.0, 1: 1.0}}
    found = spread(one, other)
    assert found.attempts is None
    assert seeds_for(0.1, found, 100) is None


def test_where_few_tasks_differ_how_they_vary_is_in_doubt() -> None:
    assert unlike([0.0] * 200) == 1.5 / 200
    assert unlike([0.0] * 199 + [1.0]) == pytest.approx(2.5 / 200)
    assert unlike([0.0] * 100 + [1.0] * 100) == pytest.approx(50 / 199)
    assert unlike([1.0] * 10) == 1.5 / 10


def test_the_seeds_asked_for_show_the_difference_four_times_in_five() -> None:
    """Two agents of which one resolves each of 60 tasks by .3 and the other by .412, tried for real."""
    known = Spread(between=0.0, attempts=0.3 * 0.7 + 0.412 * 0.588)
    seeds = seeds_for(0.112, known, 60)
    assert seeds == 5
    chance, trials, shown = Random(4), 300, 0
    for _ in range(trials):
        found = paired(agent(chance, 0.3, seeds), agent(chance, 0.412, seeds))
        shown += bool(found and found.low > 0)
    assert 0.75 <= shown / trials <= 0.85


def agent(chance: Random, rate: float, seeds: int) -> Scores:
    return {str(task): {seed: float(chance.random() < rate) for seed in range(seeds)} for task in range(60)}
