from collections import Counter
from typing import Any

import pytest

from sera_cli.data.filters import fault, firsts, seconds
from sera_cli.types import Policy, Task, Trajectory, Verdict


def rollout(id_: str, **fields: Any) -> Trajectory:
    task = Task(id=id_, repo="r", commit="c", statement="s", source="f")
    base = {"patch": f"+{id_}\n", "exit": "submitted", "check": True}
    return Trajectory(
        id=id_, task=task, policy=Policy(model="m"), prompt=(), tools=(), steps=(), **{**base, **fields}
    )


def verdict(id_: str, recall: float | None) -> Verdict:
    return Verdict(id=id_, recall=recall, matched=0, target=1)


@pytest.mark.parametrize(("fields", "name"), [
    ({}, ""), ({"check": None}, ""),
    ({"exit": "limit"}, "not submitted"), ({"exit": "error"}, "not submitted"), ({"exit": "context"}, "not submitted"),
    ({"patch": " \n"}, "empty patch"), ({"check": False}, "failed self-check"),
])
def test_every_fault_has_a_name_and_an_accepted_rollout_has_none(fields: dict[str, Any], name: str) -> None:
    made = rollout("a", **fields)
    assert fault(made) == name
    assert made.accepted == (name == "")


def test_first_rollouts_are_kept_in_order_and_the_dropped_counted() -> None:
    dropped: Counter[str] = Counter()
    made = [
        rollout("a"), rollout("b", exit="limit"), rollout("c", patch="+a\n"), rollout("d", check=False),
        rollout("e"), rollout("f", patch=""),
    ]
    assert [kept.id for kept in firsts(made, dropped)] == ["a", "e"]
    assert {name: count for name, count in dropped.items() if count} == {
        "first: not submitted": 1, "first: duplicate patch": 1, "first: failed self-check": 1, "first: empty patch": 1,
    }


def test_a_patch_is_seen_once_its_rollout_passed_even_without_submitting() -> None:
    made = [rollout("a", patch="+x\n", exit="limit"), rollout("b", patch="+x\n")]
    assert list(firsts(made, Counter())) == []


def test_a_patch_that_failed_its_check_does_not_stand_in_the_way() -> None:
    made = [rollout("a", patch="+x\n", check=False), rollout("b", patch="+x\n")]
    assert [kept.id for kept in firsts(made, Counter())] == ["b"]


def test_a_rollout_that_broke_before_its_check_does_not_stand_in_the_way() -> None:
    made = [rollout("a", patch="+x\n", check=None, exit="error"), rollout("b", patch="+x\n")]
    assert [kept.id for kept in firsts(made, Counter())] == ["b"]


def test_second_rollouts_pass_from_the_threshold_on() -> None:
    dropped: Counter[str] = Counter()
    made = [rollout(id_, patch="+same\n", check=None) for id_ in "abcde"] + [rollout("f", exit="format")]
    verdicts = {
        "a": verdict("a", 0.5), "b": verdict("b", 0.49), "c": verdict("c", None), "d": verdict("d", 1.0),
        "f": verdict("f", 1.0),
    }
    assert [kept.id for kept in seconds(made, verdicts, 0.5, dropped)] == ["a", "d"]
    assert {name: count for name, count in dropped.items() if count} == {
        "second: recall below threshold": 2, "second: not verified": 1, "second: not submitted": 1,
    }


def test_an_empty_first_patch_passes_no_threshold_not_even_zero() -> None:
    assert list(seconds([rollout("a")], {"a": verdict("a", None)}, 0.0, Counter())) == []
