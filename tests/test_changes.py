"""What became of functions between two commits."""

from collections import defaultdict

from sera_cli.svg.changes import changes
from sera_cli.svg.found import Start
from sera_cli.svg.pages import Page

Located = tuple[str, Start]


def function(id_: str, name: str, line: int = 1, path: str = "a.py") -> Located:
    return path, Start(id_, name, line, line + 2, f"def {name}()", "", 0)


def told(before: list[Located], after: list[Located]) -> list[tuple[str, str, int]]:
    return [(one.kind, one.function.id, one.function.line) for one in changes(pages(before), pages(after))]


def pages(located: list[Located]) -> list[Page]:
    files: defaultdict[str, tuple[Start, ...]] = defaultdict(tuple)
    for path, start in located:
        files[path] += (start,)
    return [Page(path, "python", starts) for path, starts in files.items()]


def test_a_function_is_new_changed_or_gone() -> None:
    before = [function("1", "same"), function("2", "old", 5), function("3", "away", 9)]
    after = [function("4", "fresh"), function("1", "same", 7), function("5", "old", 12)]
    assert told(before, after) == [("new", "4", 1), ("gone", "3", 9), ("changed", "5", 12)]


def test_what_went_to_another_file_is_gone_and_new() -> None:
    before, after = [function("1", "f")], [function("2", "f", path="b.py")]
    assert told(before, after) == [("gone", "1", 1), ("new", "2", 1)]


def test_of_several_by_one_name_only_those_with_another_text_count() -> None:
    getter, setter = function("1", "C.x", 2), function("2", "C.x", 6)
    assert told([getter, setter], [getter, function("3", "C.x", 6), function("4", "C.x", 9)]) == [
        ("changed", "3", 6), ("new", "4", 9)]
    assert told([getter, setter], [setter]) == [("gone", "1", 2)]


def test_nothing_changed_between_a_commit_and_itself() -> None:
    assert told([function("1", "f"), function("2", "g", 9)], [function("2", "g", 3), function("1", "f", 20)]) == []
