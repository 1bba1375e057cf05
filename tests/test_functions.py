"""Functions before they are records: counted, cut and compared without being made."""

from sera_cli.svg.found import Start
from sera_cli.svg.functions import Drawn, Functions
from sera_cli.svg.pages import Page
from sera_cli.svg.ties import ALONE
from sera_cli.types import Function


def some(count: int) -> Functions:
    page = Page("a.go", "go")
    drawn = [Drawn(page, Start(f"{place:012}", f"f{place}", place, place + 2, f"func f{place}()", "", 0), ALONE, "c0")
             for place in range(count)]
    return Functions(drawn, {}, ())


def test_a_record_holds_what_its_file_tells_and_what_is_known_beside_it() -> None:
    start = Start("02b854a2cf44", "add", 1, 4, "def add(a, b=1)", "Adds.", 2)
    drawn = Drawn(Page("a.py", "python"), start, (("b.py::use",), ("a.py::one",), ("test_a.py",)), "c0ffee")
    assert Functions([drawn], {"a.py": 3}, {"02b854a2cf44"})[0] == Function(
        id="02b854a2cf44", path="a.py", name="add", line=1, end_line=4, signature="def add(a, b=1)", doc="Adds.",
        language="python", branches=2, callers=("b.py::use",), callees=("a.py::one",), tests=("test_a.py",), age=3,
        heldout=True, commit="c0ffee",
    )  # fmt: skip


def test_functions_can_be_counted_cut_and_compared() -> None:
    functions = some(10)
    assert (len(functions), functions[-1].name, [one.name for one in functions[2:4]]) == (10, "f9", ["f2", "f3"])
    assert functions == some(10) == tuple(functions)
    assert functions != functions[1:] and functions != some(11)
