"""Two agents on the same tasks: the difference, and what is said of it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.evaluate.stats.paired import Difference, Plan, alone, flipped, paired, plan, snr
from sera_cli.evaluate.stats.scores import Scores


def rows(*tasks: str) -> Scores:
    """`110` was resolved under seeds 0 and 1."""
    return {str(task): {seed: float(one) for seed, one in enumerate(row)} for task, row in enumerate(tasks)}


def of(**said: object) -> Difference:
    base: dict[str, object] = {
        "tasks": 100, "difference": 0.02, "low": -0.01, "high": 0.05, "p": 0.2, "snr": 1.0, "detectable": 0.042,
        "more_seeds": None, "more_tasks": None,
    }  # fmt: skip
    return Difference.model_validate(base | said)


@pytest.mark.parametrize(("said", "verdict"), [
    ({"low": 0.001}, "better"),
    ({"difference": -0.02, "low": -0.05, "high": -0.001}, "worse"),
    ({"more_seeds": 4, "more_tasks": 30}, "cannot tell yet: 4 more seeds"),
    ({"more_seeds": 1, "more_tasks": 30}, "cannot tell yet: 1 more seed"),
    ({"more_seeds": 21, "more_tasks": 300}, "cannot tell yet: 21 more seeds or 300 more tasks"),
    ({"more_tasks": 300}, "cannot tell at any number of seeds: 300 more tasks"),
    ({"more_tasks": 300, "once": True}, "cannot tell yet: 300 more tasks"),
    ({"more_tasks": 1001}, "no difference seen; one of 4.2 points would be"),
    ({"more_tasks": None, "difference": 0.0}, "no difference seen; one of 4.2 points would be"),
    ({"more_tasks": None, "detectable": None}, "cannot tell: too few tasks"),
])  # fmt: skip
def test_a_difference_is_told_in_words(said: dict[str, object], verdict: str) -> None:
    found = of(**said)
    assert (found.verdict, found.model_dump()["verdict"]) == (verdict, verdict)


def test_nobody_asks_patches_that_are_graded_once_for_seeds() -> None:
    a, b = rows(*["0"] * 8, *["1"] * 12), rows(*["1"] * 11, *["0"] * 9)
    told, once = paired(a, b), paired(a, b, once=True)
    assert told and once
    assert (told.verdict, told.more_seeds) == ("cannot tell yet: 2 more seeds", 2)
    assert (once.more_seeds, once.low, once.p) == (None, told.low, told.p)
    assert "seed" not in once.verdict


def test_a_clear_difference_is_one() -> None:
    found = paired(rows(*["000"] * 60, *["111"] * 40), rows(*["000"] * 40, *["111"] * 60))
    assert found
    assert (found.tasks, found.difference, found.verdict) == (100, pytest.approx(0.2), "better")
    half = 1.98422 * (0.2 * 0.8 / 99) ** 0.5
    assert (found.low, found.high) == (pytest.approx(0.2 - half, abs=1e-4), pytest.approx(0.2 + half, abs=1e-4))
    assert found.p < 0.001


def test_which_is_first_only_turns_the_sign() -> None:
    a, b = rows("110", "000", "100", "111"), rows("111", "010", "000", "111")
    one, other = paired(a, b), paired(b, a)
    assert one and other
    assert (one.difference, one.low, one.p) == (-other.difference, -other.high, pytest.approx(other.p))


def test_only_tasks_that_both_have_are_compared() -> None:
    a, b = {"x": {0: 1.0}, "y": {0: 0.0}, "z": {0: 1.0}}, {"y": {0: 1.0}, "z": {0: 1.0}, "w": {0: 1.0}}
    found = paired(a, b)
    assert found
    assert (found.tasks, found.difference) == (2, 0.5)
    assert paired({"x": {0: 1.0}}, {"x": {0: 0.0}}) is None


def test_agents_that_agree_everywhere_may_still_differ_on_tasks_that_nobody_tried() -> None:
    found = paired(rows(*["00"] * 120), rows(*["00"] * 120))
    assert found
    assert (found.difference, found.p, found.snr) == (0.0, 1.0, None)
    assert found.low == -found.high != 0
    assert found.verdict.startswith("no difference seen")


def test_with_one_seed_two_more_are_asked_for() -> None:
    found = paired(rows(*"1100110011"), rows(*"1110111011"))
    assert found
    assert (found.verdict, found.snr) == ("cannot tell yet: 2 more seeds", None)


def test_on_two_tasks_no_difference_can_be_shown() -> None:
    found = paired(rows("1", "0"), rows("1", "1"))
    assert found
    assert (found.detectable, found.more_seeds) == (None, None)
    assert found.verdict == "cannot tell: too few tasks"


@pytest.mark.parametrize("seeds", [1, 3])
def test_five_tasks_that_all_differ_show_nothing_and_six_do(seeds: int) -> None:
    """By chance all of 5 fall to one side one time in 16, all of 6 one time in 32."""
    five, six = (paired(rows(*["1" * seeds] * many), rows(*["0" * seeds] * many)) for many in (5, 6))
    assert five and six
    assert (five.p, five.high, five.detectable) == (0.0625, 0.0, None)
    assert five.verdict == "cannot tell at any number of seeds: 1 more task"
    assert (six.p < 0.05, six.verdict) == (True, "worse")


def test_where_few_of_many_tasks_differ_more_of_them_are_asked_for() -> None:
    found = paired(rows(*["000"] * 100), rows(*["000"] * 95, *["111"] * 5))
    assert found
    assert (found.p, found.low) == (0.0625, 0.0)
    assert found.verdict == "cannot tell at any number of seeds: 53 more tasks"
    once = paired(rows(*["0"] * 100), rows(*["0"] * 95, *["1"] * 5))
    assert once
    assert (once.verdict, once.detectable) == ("cannot tell yet: 2 more seeds", pytest.approx(0.0622, abs=1e-3))


def test_the_exact_test_counts_the_ways_that_signs_may_fall() -> None:
    assert flipped([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]) == 2 / 32
    assert flipped([1.0, 1.0, 1.0, -1.0]) == 10 / 16
    assert flipped([1.0, 1.0, -1 / 3]) == 4 / 8
    assert flipped([0.0, 0.0]) == 1.0
    assert flipped([1.0] * 6) == 0.0


def test_signal_to_noise_is_the_papers() -> None:
    """Table 2: 25.27 ± .61 and 30.00 ± 1.41 are 4.4 apart."""
    assert snr(runs(25.27, 0.61), runs(30.00, 1.41)) == pytest.approx(4.4, abs=0.05)
    assert snr(rows("1", "0"), rows("11", "00")) is None
    assert snr(rows("11", "00"), rows("11", "00")) is None


def runs(mean: float, sd: float) -> Scores:
    """A task, for which three seeds come to such a mean and spread."""
    return {"all": {0: (mean - sd) / 100, 1: mean / 100, 2: (mean + sd) / 100}}


def test_a_plan_says_seeds_and_tasks() -> None:
    a, b = rows(*["110"] * 50, *["000"] * 50), rows(*["110"] * 40, *["010"] * 10, *["000"] * 50)
    assert plan(0.2, a, b) == Plan(detect=0.2, seeds=1, tasks=25)
    assert plan(0.1, rows("1", "0"), rows("1", "0")) is None


def test_of_one_agent_alone_a_plan_is_the_least_it_takes() -> None:
    a = rows(*["110"] * 50, *["000"] * 50)
    assert alone(0.05, a) == Plan(detect=0.05, seeds=11, tasks=351)
    assert alone(0.05, rows("1", "0")) is None


def test_equal_agents_are_told_apart_one_time_in_twenty() -> None:
    chance, trials, apart = Random(2), 400, 0
    for _ in range(trials):
        hard = [chance.betavariate(0.2, 0.2) for _ in range(100)]
        found = paired(*({str(task): {seed: float(chance.random() < one) for seed in range(3)}
                          for task, one in enumerate(hard)} for _ in range(2)))
        apart += bool(found and found.verdict in ("better", "worse"))
    assert 0.02 <= apart / trials <= 0.08


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_the_interval_holds_what_was_seen_and_nothing_impossible(tasks: list[tuple[float, float]]) -> None:
    found = paired({str(at): {0: one} for at, (one, _) in enumerate(tasks)},
                   {str(at): {0: other} for at, (_, other) in enumerate(tasks)})
    assert found
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert 0 <= found.p <= 1
