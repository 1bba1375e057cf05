"""What the attempts of one evaluation come to."""

from typing import Any

import pytest

from sera_cli.evaluate.stats.scores import Scores, by_seed, means, noise, scores, seeds
from sera_cli.evaluate.stats.summary import summary


def results(**tasks: str) -> dict[str, dict[str, dict[str, Any]]]:
    """`a="110"` was resolved under seeds 0 and 1; `-` did not count."""
    return {
        task: {str(seed): {"score": None if said == "-" else float(said)} for seed, said in enumerate(row)}
        for task, row in tasks.items()
    }


def test_what_was_not_counted_is_left_out_and_tasks_of_which_nothing_was() -> None:
    assert scores(results(b="1-", a="01", c="--")) == {"a": {0: 0.0, 1: 1.0}, "b": {0: 1.0}}


def test_all_that_is_said_of_an_evaluation() -> None:
    told = summary(results(a="111", b="100", c="000", d="110"))
    interval, over_seeds = told.pop("interval"), told.pop("over_seeds")
    assert told == {
        "tasks": 4, "attempts": 12, "mean": 0.5, "seeds": {0: 0.75, 1: 0.5, 2: 0.25}, "sd": 0.25,
        "pass_at": {"1": 0.5, "2": pytest.approx(2 / 3 * 0.25 + 0.5), "3": 0.75},
        "pass_all": {"1": 0.5, "2": pytest.approx(1 / 3 * 0.25 + 0.25), "3": 0.25},
    }  # fmt: skip
    assert (interval["method"], interval["level"], over_seeds["method"]) == ("wilson", 0.95, "student")
    assert 0 < interval["low"] < 0.5 < interval["high"] < 1
    assert 0 < over_seeds["low"] < 0.5 < over_seeds["high"] < 1


def test_with_one_seed_nothing_is_said_of_others() -> None:
    told = summary(results(a="1", b="0"))
    assert (told["sd"], told["over_seeds"], told["pass_at"], told["seeds"]) == (None, None, {"1": 0.5}, {0: 0.5})


def test_of_nothing_counted_nothing_is_said() -> None:
    told = summary(results(a="-"))
    assert (told["tasks"], told["mean"], told["interval"], told["seeds"]) == (0, None, None, {})
    assert summary({}) == told


def test_recalls_have_no_pass_at_k() -> None:
    told = summary({"a": {"0": {"score": 0.25}, "1": {"score": 0.75}}}, score="recall")
    assert (told["mean"], told["pass_at"], told["pass_all"]) == (0.5, {}, {})


ROWS: Scores = {"a": {0: 1.0, 1: 0.0}, "b": {0: 1.0}, "c": {0: 0.0, 1: 0.0}}


def test_a_task_counts_once_however_many_seeds_it_has() -> None:
    assert means(ROWS) == {"a": 0.5, "b": 1.0, "c": 0.0}


def test_seeds_are_compared_on_the_tasks_that_each_has() -> None:
    assert by_seed(ROWS) == {0: 0.5, 1: 0.0}
    assert by_seed({"a": {0: 1.0}, "b": {1: 1.0}}) == {}


def test_noise_is_that_of_attempts_about_their_own_task() -> None:
    assert noise(ROWS) == 0.25
    assert noise({"a": {0: 1.0}, "b": {0: 0.0}}) is None
    assert seeds(ROWS) == pytest.approx(3 / (1 / 2 + 1 + 1 / 2))
