from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.data.mix import mix, needed
from sera_cli.errors import ConfigError
from sera_cli.types import Sample


def samples(count: int, origin: Literal["first", "general"]) -> list[Sample]:
    return [
        Sample(id=f"{origin}{number:03}", messages=(), origin=origin, kept=1, steps=1, tokens=1)
        for number in range(count)
    ]


def counts(repo: int, general: int, alpha: float) -> tuple[int, int]:
    made = mix(samples(repo, "first"), samples(general, "general"), alpha, 0).samples
    return sum(s.origin == "first" for s in made), sum(s.origin == "general" for s in made)


@pytest.mark.parametrize(("alpha", "general"), [(1.0, 0), (0.75, 13), (0.5, 40), (0.25, 120)])
def test_alpha_decides_how_many_general_samples_go_with_forty(alpha: float, general: int) -> None:
    assert needed(40, alpha) == general
    assert counts(40, 200, alpha) == (40, general)


def test_short_general_data_shrink_the_repository_and_it_is_said() -> None:
    made = mix(samples(40, "first"), samples(10, "general"), 0.75, 0)
    assert counts(40, 10, 0.75) == (30, 10)
    assert made.note == (
        "13 general samples are needed for alpha 0.75 and 10 are there, "
        "so 30 of the repository's 40 samples are used; give more general data to use all"
    )


def test_enough_general_data_need_no_note() -> None:
    assert mix(samples(40, "first"), samples(13, "general"), 0.75, 0).note == ""


def test_alpha_zero_takes_all_general_samples() -> None:
    assert needed(40, 0.0) == 0
    assert counts(40, 200, 0.0) == (0, 200)


def test_alpha_zero_leaves_the_repository_out_however_little_replaces_it() -> None:
    made = mix(samples(5, "first"), samples(3, "general"), 0.0, 0)
    assert [s.origin for s in made.samples] == ["general"] * 3
    assert made.note == ""


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        needed(40, alpha)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 1))
def test_alpha_is_exact_to_one_sample(repo: int, general: int, alpha: float) -> None:
    first, other = counts(repo, general, alpha)
    assert abs(first - alpha * (first + other)) <= 1
    assert first == repo or other == general


@given(st.integers(1, 20), st.integers(0, 20), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3))
def test_the_order_of_the_input_does_not_matter(repo: int, general: int, alpha: float, seed: int) -> None:
    one, two = samples(repo, "first"), samples(general, "general")
    before = mix(one, two, alpha, seed)
    Random(seed).shuffle(one)
    Random(seed).shuffle(two)
    assert mix(one, two, alpha, seed) == before


def test_both_kinds_are_shuffled_together() -> None:
    made = mix(samples(20, "first"), samples(20, "general"), 0.5, 0).samples
    assert {sample.origin for sample in made[:10]} == {sample.origin for sample in made[30:]} == {"first", "general"}


def test_another_seed_is_another_order() -> None:
    one = samples(20, "first")
    assert mix(one, [], 1.0, 0).samples != mix(one, [], 1.0, 1).samples
