"""Student's t and the normal distribution, against printed tables."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.stats.distributions import incomplete_beta, student, student_quantile


@pytest.mark.parametrize(("share", "freedom", "value"), [
    (0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 4, 2.7764), (0.975, 30, 2.0423), (0.975, 120, 1.9799),
    (0.95, 10, 1.8125), (0.9995, 3, 12.9240), (0.8, 10, 0.8791), (0.975, inf, 1.9600), (0.5, 7, 0.0),
])  # fmt: skip
def test_quantiles_are_those_of_the_tables(share: float, freedom: float, value: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(value, abs=5e-5)


@given(st.floats(0.001, 0.999), st.floats(1, 1000))
def test_a_quantile_is_where_its_share_lies_below(share: float, freedom: float) -> None:
    assert student(student_quantile(share, freedom), freedom) == pytest.approx(share, abs=1e-9)


@given(st.floats(-50, 50), st.floats(1, 1000))
def test_both_tails_are_alike(value: float, freedom: float) -> None:
    assert student(value, freedom) + student(-value, freedom) == pytest.approx(1)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 0.999))
def test_of_whole_numbers_the_incomplete_beta_function_is_a_tail_of_the_binomial(a: int, b: int, x: float) -> None:
    from math import comb

    n = a + b - 1
    tail = sum(comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert incomplete_beta(a, b, x) == pytest.approx(tail, abs=1e-9)


def test_outside_of_its_range_the_incomplete_beta_function_is_0_or_1() -> None:
    assert (incomplete_beta(2, 3, 0), incomplete_beta(2, 3, 1)) == (0, 1)
