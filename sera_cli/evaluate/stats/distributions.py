"""Student's t and the normal distribution: their tails and quantiles, without a numerics package."""

from collections.abc import Callable
from functools import lru_cache
from math import copysign, exp, inf, lgamma, log, log1p
from statistics import NormalDist

_TINY = 1e-300
_EXACT = 1e-15
_ROUNDS = 500
"""Terms of a continued fraction, more than any argument here takes."""

_HALVINGS = 60

normal = NormalDist()


def student(value: float, freedom: float) -> float:
    """P(T <= value) of Student's t with `freedom` degrees; infinitely many are the normal distribution."""
    if freedom == inf:
        return normal.cdf(value)
    tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + value * value)) / 2
    return 1 - tail if value > 0 else tail


@lru_cache(maxsize=1000)
def student_quantile(share: float, freedom: float) -> float:
    """The value that `share` of Student's t lies below, 0 < share < 1."""
    if freedom == inf:
        return normal.inv_cdf(share)
    if share == 0.5:
        return 0.0
    return copysign(_solved(lambda x: student(x, freedom), max(share, 1 - share)), share - 0.5)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """By Lentz's method, both terms of a round at once."""
    upper, lower = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    value = lower
    for m in range(1, _ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1 / _apart(1 + term * lower)
            upper = _apart(1 + term / upper)
            value *= upper * lower
        if abs(upper * lower - 1) < _EXACT:
            break
    return value


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _solved(rising: Callable[[float], float], share: float) -> float:
    """Where a function that rises from 0 on reaches `share`: bracketed by doubling, then halved."""
    high = 1.0
    while rising(high) < share:
        high *= 2
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < share else (low, middle)
    return (low + high) / 2
