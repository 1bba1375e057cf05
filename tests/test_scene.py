import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.harness.rehearsal.scene import anchor, numbered, parameters, scene

LISTING = """Here are lines 3 to 9 of /testbed/a.py, which has 40:
     3\tclass A:
     4\t    @property
     5\t    def size(self) -> int:
     6\t        \"\"\"How many.\"\"\"
     7\t        return 1
     8\t
     9\t    def grow(self, by, *, how=None):"""


def test_a_listing_is_lines_by_number() -> None:
    assert list(numbered(LISTING)) == [3, 4, 5, 6, 7, 8, 9]
    assert numbered(LISTING)[7] == "        return 1"
    assert numbered("No such file.") == {}


def test_a_method_is_seen_with_its_lines_and_its_end() -> None:
    found = scene("a.py", numbered(LISTING), "size", 5)
    assert found is not None
    assert (found.first, len(found.lines), found.node.name, found.complete) == (5, 3, "size", True)
    assert anchor(found) == (2, "        ", "    ")


def test_a_function_of_which_only_the_head_was_seen_is_none() -> None:
    assert scene("a.py", numbered(LISTING), "grow", 9) is None
    assert scene("a.py", numbered(LISTING), "shrink", 9) is None


@pytest.mark.parametrize(
    "rows",
    [
        ["def f(x):", "    a = 1", "    if a:"],
        ["def f(x):", "    a = 1", "    b = g(1,", "          2,"],
        ["def f(x):", "    a = 1", '    b = """long', "    text"],
        ["def f(x):", "    a = 1", "    try:", "        g()", "        h()"],
    ],
)
def test_a_listing_that_ends_in_the_middle_is_cut_to_what_parses(rows: list[str]) -> None:
    found = scene("a.py", dict(enumerate(rows, 10)), "f", 10)
    assert found is not None
    assert (found.lines, found.complete) == (("def f(x):", "    a = 1"), False)


def test_the_definition_with_a_body_is_preferred_to_an_overload() -> None:
    rows = ["def f(x: int) -> int: ...", "", "def f(x: str) -> str: ...", "", "def f(x):", "    return x", ""]
    found = scene("a.py", dict(enumerate(rows, 1)), "f", 1)
    assert found is not None and found.first == 5


def test_lines_after_a_gap_are_not_taken_for_the_next_ones() -> None:
    found = scene("a.py", {1: "def f():", 2: "    a = 1", 9: "    b = 2"}, "f", 1)
    assert found is not None and len(found.lines) == 2


def test_parameters_leave_out_self() -> None:
    found = scene("a.py", {1: "def f(self, a, /, b, *, c=1, **d):", 2: "    pass"}, "f", 1)
    assert found is not None
    assert [arg.arg for arg in parameters(found)] == ["a", "b", "c"]


@given(st.lists(st.text(alphabet="def f(x):\n\t\"'#\\=[] 1\r\x0cé", max_size=20), max_size=8))
def test_no_listing_is_too_broken_to_look_at(rows: list[str]) -> None:
    for name in ("f", "x"):
        found = scene("a.py", dict(enumerate(["def f(x):", *rows], 1)), name, 1)
        assert found is None or found.node.name == name
