from collections import Counter
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.data.lessons import Lesson
from sera_cli.data.mix import Mixture, Parts, mix, needed, wanted
from sera_cli.errors import ConfigError
from sera_cli.knobs import Mix
from sera_cli.types import Sample

Origin = Literal["first", "second", "general"]


def lessons(count: int, origin: Origin, kept: int = 10) -> list[Lesson]:
    """So many, of which `kept` of ten steps fit; each lies at a place of its own."""
    return [
        Lesson(Sample(id=f"{origin}{n:03}", messages=(), origin=origin, kept=kept, steps=10, tokens=1), n)
        for n in range(count)
    ]


def mixed(repo: int, general: int, alpha: float, *, samples: int = 0, seed: int = 0, **knobs: object) -> Mixture:
    mixing = Mix.model_validate({"alpha": alpha, **knobs})
    return mix(lessons(repo, "first"), lessons(general, "general"), mixing, samples=samples or repo, seed=seed)


def counts(made: Mixture) -> tuple[int, int]:
    origins = Counter(lesson.sample.origin for lesson in made.lessons)
    return origins["first"] + origins["second"], origins["general"]


@pytest.mark.parametrize(("alpha", "general"), [(1.0, 0), (0.75, 13), (0.5, 40), (0.25, 120)])
def test_alpha_decides_how_many_general_samples_go_with_forty(alpha: float, general: int) -> None:
    assert needed(40, alpha) == general
    assert counts(mixed(40, 200, alpha)) == (40, general)
    assert mixed(40, 200, alpha).notes == []


def test_short_general_data_shrink_the_repository_and_it_is_said() -> None:
    made = mixed(40, 10, 0.75)
    assert counts(made) == (30, 10)
    assert made.notes == [
        "13 general samples are needed for alpha 0.75 and 10 are there, so of the repository's 40 samples 30 are used; "
        "give more general data, or let them repeat with --max-epochs-per-sample, to use all"
    ]


def test_those_left_out_are_the_most_cut_and_the_kinds_stay_in_proportion() -> None:
    repo = [*lessons(10, "first"), *lessons(6, "second", 9)]
    repo[0] = repo[0]._replace(sample=repo[0].sample.model_copy(update={"kept": 9}))
    made = mix(repo, lessons(8, "general"), Mix(alpha=0.5), samples=16, seed=0)
    kept = {lesson.sample.id for lesson in made.lessons}
    assert Counter(lesson.sample.origin for lesson in made.lessons) == {"first": 5, "second": 3, "general": 8}
    assert "first000" not in kept


def test_short_general_data_are_repeated_as_often_as_they_may_be() -> None:
    made = mixed(40, 10, 0.75, repeats=2)
    assert counts(made) == (40, 13)
    assert made.notes == ["the 10 general samples are repeated to make 13, each 2 times at most"]
    ids = [lesson.sample.id for lesson in made.lessons if lesson.sample.origin == "general"]
    assert len(set(ids)) == 13
    assert {name.removesuffix("~2") for name in ids} == {f"general{n:03}" for n in range(10)}


def test_where_repeating_is_not_enough_the_rest_shrinks() -> None:
    made = mixed(40, 4, 0.5, repeats=3)
    assert counts(made) == (12, 12)
    assert made.notes == [
        "the 4 general samples are repeated to make 12, each 3 times at most",
        "40 general samples are needed for alpha 0.5 and 4 are there, so of the repository's 40 samples 12 are used; "
        "give more general data, or let them repeat with --max-epochs-per-sample, to use all",
    ]


def test_a_repository_short_of_samples_shrinks_the_general_part_and_it_is_said() -> None:
    made = mixed(30, 100, 0.5, samples=40)
    assert counts(made) == (30, 30)
    assert made.notes == [
        "the repository gives 30 of 40 samples, so 30 general ones are wanted for alpha 0.5, not 40"
    ]


def test_a_repository_short_of_samples_is_repeated_if_it_may_be() -> None:
    made = mixed(30, 100, 0.5, samples=40, repeats=4)
    assert counts(made) == (40, 40)
    assert made.notes == ["the repository's 30 samples are repeated to make 40, each 2 times at most"]
    assert counts(mixed(30, 0, 1.0, samples=40, repeats=4)) == (30, 0)


def test_alpha_zero_takes_general_samples_in_place_of_all_others_and_repeats_none() -> None:
    assert needed(40, 0.0) == 0
    assert counts(mixed(40, 200, 0.0)) == (0, 40)
    made = mixed(5, 3, 0.0, repeats=3)
    assert [lesson.sample.origin for lesson in made.lessons] == ["general"] * 3
    assert made.notes == ["3 of the 5 samples wanted: the general data have no more"]


@pytest.mark.parametrize(("repo", "general", "alpha", "samples", "repeats", "notes"), [
    (0, 0, 0.0, 1, 1, ["0 of the 1 sample wanted: the general data have no more"]),
    (1, 9, 0.5, 2, 1, ["the repository gives 1 of 2 samples, so 1 general one is wanted for alpha 0.5, not 2"]),
    (1, 1, 0.5, 2, 2, ["the repository's 1 sample is repeated to make 2, each 2 times at most",
                       "the 1 general sample is repeated to make 2, each 2 times at most"]),
    (1200, 9000, 0.5, 2400, 1, ["the repository gives 1,200 of 2,400 samples, so 1,200 general ones are wanted for "
                                "alpha 0.5, not 2,400"]),
    (3, 1, 0.5, 3, 1, ["3 general samples are needed for alpha 0.5 and 1 is there, so of the repository's 3 samples 1 "
                       "is used; give more general data, or let them repeat with --max-epochs-per-sample, to use all"]),
])  # fmt: skip
def test_one_of_a_thing_is_told_as_one_and_thousands_with_a_comma(
    repo: int, general: int, alpha: float, samples: int, repeats: int, notes: list[str]
) -> None:
    assert mixed(repo, general, alpha, samples=samples, repeats=repeats).notes == notes


def test_what_is_wanted_is_told_before_anything_general_is_read() -> None:
    assert wanted(30, 40, Mix(alpha=0.25)) == Parts(30, 90)
    assert wanted(30, 40, Mix(alpha=0.25, repeats=2)) == Parts(40, 120)
    assert wanted(30, 40, Mix(alpha=0.0)) == Parts(0, 40)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        needed(40, alpha)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 1), st.integers(1, 80), st.integers(1, 4))
def test_alpha_is_exact_to_one_sample(repo: int, general: int, alpha: float, samples: int, repeats: int) -> None:
    made = mixed(repo, general, alpha, samples=samples, repeats=repeats)
    own, other = counts(made)
    assert abs(own - alpha * (own + other)) <= 1
    most = Counter(lesson.place for lesson in made.lessons if lesson.sample.origin == "general")
    often = Counter(lesson.place for lesson in made.lessons if lesson.sample.origin == "first")
    assert max([*most.values(), *often.values()], default=0) <= repeats
    assert len({lesson.sample.id for lesson in made.lessons}) == own + other
    assert own >= min(repo, samples) or other == general * repeats


@given(st.integers(1, 20), st.integers(0, 20), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3),
       st.integers(1, 3))
def test_the_order_of_the_input_does_not_matter(repo: int, general: int, alpha: float, seed: int, more: int) -> None:
    one, two = [*lessons(repo, "first"), *lessons(repo // 2, "second", 9)], lessons(general, "general")
    mixing = Mix(alpha=alpha, repeats=more)
    before = mix(one, two, mixing, samples=20, seed=seed)
    Random(seed).shuffle(one)
    Random(seed).shuffle(two)
    assert mix(one, two, mixing, samples=20, seed=seed) == before


def test_both_kinds_are_shuffled_together() -> None:
    made = mixed(20, 20, 0.5).lessons
    first, last = ({lesson.sample.origin for lesson in part} for part in (made[:10], made[30:]))
    assert first == last == {"first", "general"}


def test_by_ratio_only_equals_are_shuffled() -> None:
    repo = [*lessons(20, "first"), *lessons(20, "second", 9)]
    made = [mix(repo, [], Mix(order="ratio"), samples=40, seed=seed).lessons for seed in (0, 1)]
    assert [lesson.sample.origin for lesson in made[0]] == ["first"] * 20 + ["second"] * 20
    assert made[0] != made[1]


def test_another_seed_is_another_order() -> None:
    assert mixed(20, 0, 1.0).lessons != mixed(20, 0, 1.0, seed=1).lessons
