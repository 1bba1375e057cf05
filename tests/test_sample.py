import weakref
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sera_cli.svg.sample import ROUNDS, ordered, tasks, weight, work_order
from sera_cli.types import Function


def function(name: str, path: str = "a.py", *, lines: int = 3, callers: int = 0, **fields: object) -> Function:
    called = tuple(f"x.py::c{number}" for number in range(callers))
    base = {"line": 1, "end_line": lines, "signature": "()", "callers": called}
    return Function.model_validate({"id": f"{path}:{name}", "path": path, "name": name, **base, **fields})


def names(functions: Iterable[Function]) -> list[str]:
    return [one.id for one in functions]


MANY = [function(f"f{number}", f"{number % 7}.py", lines=number % 40 + 1) for number in range(200)]


def test_every_function_comes_once_in_an_order_that_only_the_seed_changes() -> None:
    first = [*ordered(MANY, {}, 0)]
    assert sorted(names(first)) == sorted(names(MANY))
    assert names(ordered(MANY[::-1], {}, 0)) == names(first) != names(ordered(MANY, {}, 1))
    assert names(first)[:4] == ["1.py:f113", "2.py:f191", "0.py:f49", "3.py:f157"]


def test_no_file_fills_the_early_work() -> None:
    huge = [function(f"f{number}", "huge.py", lines=60) for number in range(1000)]
    small = [function("f", f"small{number}.py") for number in range(50)]
    early = Counter(one.path for one in [*ordered([*huge, *small], {}, 0)][:60])
    assert early["huge.py"] <= 15
    assert len(early) >= 40


def test_a_large_file_has_more_turns_than_a_small_one() -> None:
    big = [function(f"f{number}", "big.py", lines=60) for number in range(100)]
    few = [function(f"f{number}", "few.py") for number in range(100)]
    early = Counter(one.path for one in [*ordered([*big, *few], {}, 0)][:50])
    assert early["big.py"] > early["few.py"] > 10


def test_long_much_called_and_recently_changed_functions_weigh_more() -> None:
    assert weight(function("f", lines=3), {}) == 2
    assert weight(function("f", lines=100), {}) == 7
    assert weight(function("f", lines=3, callers=5), {}) == 8
    assert [weight(function("f", lines=3), {"a.py": age}) for age in (1, 90, 91, 1000, 2000)] == [8, 8, 6, 4, 2]


def test_in_one_file_weighty_functions_tend_to_come_first() -> None:
    heavy = {f"heavy{number}" for number in range(20)}
    light = [function(f"light{number}", lines=2) for number in range(20)]
    drawn = [*ordered([*light, *(function(name, lines=100, callers=9) for name in sorted(heavy))], {}, 0)]
    assert sum(one.name in heavy for one in drawn[:20]) == 17


def test_held_out_functions_are_left_alone_and_a_limit_counts_the_others() -> None:
    functions = [function("f", heldout=True), function("g"), function("h", commit="old"), function("i")]
    made = list(tasks(functions, "r", "new", 0, limit=2))
    assert [(one.function, one.commit) for one in made] == [("g", "new"), ("h", "old")] * ROUNDS
    assert {one.id for one in made}.isdisjoint(one.id for one in tasks(functions, "r", "new", 1))


def test_further_rounds_ask_about_the_same_functions_as_other_work() -> None:
    made = list(tasks([function("f"), function("g")], "r", "c", 0))
    assert [one.function for one in made] == ["f", "g"] * 3
    assert len({one.id for one in made}) == 6
    assert len({one.source for one in made}) == 2


def test_the_work_order_is_that_of_the_tasks() -> None:
    functions = [function("f"), function("g", heldout=True), function("h", commit="old")]
    assert work_order(functions, 7) == [one.id for one in tasks(functions, "r", "c", 7)]


class Lazy(Sequence[Function]):
    """Functions that are made when they are looked at, and counts those that are there at a time."""

    def __init__(self, count: int) -> None:
        self.count, self.alive, self.most = count, 0, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: Any) -> Any:
        if place >= self.count:
            raise IndexError(place)
        made = function(f"f{place}", f"{place % 7}.py")
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(made, self.gone)
        return made

    def gone(self) -> None:
        self.alive -= 1


def test_functions_are_put_in_order_and_asked_about_without_being_held() -> None:
    functions = Lazy(500)
    assert sum(1 for _ in ordered(functions, {}, 0)) == 500
    assert sum(1 for _ in tasks(functions, "r", "c", 0)) == 500 * ROUNDS
    assert functions.most <= 3
