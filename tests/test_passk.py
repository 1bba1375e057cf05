"""pass@k and pass^k."""

from itertools import combinations
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.stats.passk import pass_all, pass_at

Row = list[bool]


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=6), min_size=1, max_size=5), st.integers(1, 3))
def test_both_are_the_mean_over_every_choice_of_k_attempts(rows: list[Row], k: int) -> None:
    scores = {str(task): {seed: float(one) for seed, one in enumerate(row)} for task, row in enumerate(rows)}
    assert pass_at(scores, k) == pytest.approx(mean(mean(any(some) for some in combinations(row, k)) for row in rows))
    assert pass_all(scores, k) == pytest.approx(mean(mean(all(some) for some in combinations(row, k)) for row in rows))


def test_tasks_with_fewer_attempts_are_left_out() -> None:
    rows = {"a": {0: 1.0, 1: 0.0}, "b": {0: 0.0}}
    assert (pass_at(rows, 1), pass_at(rows, 2), pass_at(rows, 3)) == (0.25, 1.0, None)
