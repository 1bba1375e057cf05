"""Who calls whom and which tests mention whom: told anew, and from what was kept."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sera_cli.git import open_repository
from sera_cli.svg import memory
from sera_cli.svg.memory import Key, noted, remember
from sera_cli.svg.mine import mine
from sera_cli.svg.pages import Page, read, told
from sera_cli.svg.ties import MANY, Files, Ties, ties
from sera_cli.types import digest
from tests.test_mine import commit

SHOP = {
    "pkg/__init__.py": "", "pkg/a.py": "def tax(x):\n    return x + 1\n\n\ndef free(x):\n    return x - 1\n",
    "pkg/b.py": "from pkg.a import tax\n\n\ndef pay(x):\n    return tax(x) + 1\n",
    "pkg/c.py": "from pkg.b import pay\n\n\ndef late(x):\n    return pay(x) * 2\n",
    "web/d.js": "export function send(a) {\n  return a ? 1 : 2;\n}\n",
    "web/e.js": "import { send } from './d.js';\nexport function twice(a) {\n  return send(a) + send(a);\n}\n",
    "tests/test_a.py": "from pkg.a import tax\n\ndef test_tax(): assert tax(1) == 2\n",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pages.sqlite"


def files(texts: Mapping[str, str], place: Path | None = None) -> Files:
    """What these files hold, also remembered at a place."""
    found = {Key(path, digest(text), ""): read(path, text.encode(), "") for path, text in texts.items()}
    if place:
        remember(place, {key: told(page) for key, page in found.items()})
    return found


def after(place: Path, *versions: Mapping[str, str]) -> Ties:
    """The ties of the last version, where each was mined after the one before."""
    return [ties(files(texts, place), place, ["shop"]) for texts in versions][-1]


def same(found: Ties, texts: Mapping[str, str]) -> bool:
    anew = ties(files(texts))
    links, wanted = ({path: own for path, own in one.links.items() if own} for one in (found, anew))
    of = {path: [*some] for path, some in found.of.items()}
    return (of, links) == (anew.of, wanted)


def test_a_tie_is_who_calls_whom_is_called_and_the_tests() -> None:
    found = ties(files(SHOP))
    assert found.of["pkg/a.py"] == [(("pkg/b.py::pay",), (), ("tests/test_a.py",)), ((), (), ())]
    assert found.of["pkg/b.py"] == [(("pkg/c.py::late",), ("pkg/a.py::tax",), ())]
    assert found.links == {
        "pkg/b.py": {"pay": {"pkg/a.py::tax": True}}, "pkg/c.py": {"late": {"pkg/b.py::pay": True}},
        "web/e.js": {"twice": {"web/d.js::send": True}},
    }  # fmt: skip


def test_what_was_kept_is_what_was_told(place: Path) -> None:
    assert same(after(place, SHOP, SHOP), SHOP)


@pytest.mark.parametrize(("path", "old", "new"), [
    ("pkg/a.py", "def tax", "def toll"), ("pkg/a.py", "return x + 1", "return free(x)"), ("pkg/b.py", "tax(x)", "x"),
    ("pkg/b.py", "tax(x)", "pay2(x)\n\n\ndef pay2(x):\n    return tax(x) + 2"), ("pkg/a.py", "free", "test_tax"),
    ("pkg/c.py", "from pkg.b import pay", "from pkg.a import tax as pay"), ("pkg/a.py", "return x + 1", "pass"),
    ("tests/test_a.py", "assert tax", "assert free"), ("tests/test_a.py", "def test_tax", "def late"),
    ("web/d.js", "send", "post"), ("web/e.js", "send(a) + send(a)", "a + a"), ("pkg/a.py", "def tax(x):", "def tax(:"),
])  # fmt: skip
def test_after_a_change_of_a_file_all_is_as_if_told_anew(place: Path, path: str, old: str, new: str) -> None:
    changed = SHOP | {path: SHOP[path].replace(old, new)}
    assert changed != SHOP
    assert same(after(place, SHOP, changed), changed)
    assert same(after(place.with_name("other.sqlite"), changed, SHOP), SHOP), "and the other way"


def test_files_that_come_and_go_are_as_if_they_had_always_been_or_never(place: Path) -> None:
    more = SHOP | {"pkg/z.py": "from pkg.a import tax\n\n\ndef last(x):\n    return tax(x) + 3\n"}
    assert same(after(place, SHOP, more), more)
    assert same(after(place, SHOP), SHOP)


def test_what_a_change_cannot_matter_to_is_not_looked_at(place: Path) -> None:
    after(place, SHOP)
    changed = SHOP | {"pkg/b.py": SHOP["pkg/b.py"].replace("+ 1", "+ 2")}
    odd: dict[Key, Page] = {
        key: page._replace(links=b"no links at all") if key.path in ("pkg/c.py", "web/e.js") else page
        for key, page in files(changed).items()
    }
    assert same(ties(odd, place, ["shop"]), changed)
    with pytest.raises(ValueError, match="marshal"):
        ties(odd)


def test_many_changes_are_told_anew_and_kept(place: Path) -> None:
    many = {f"m{number}.py": f"def f{number}(x):\n    return x + {number}\n" for number in range(MANY + 1)}
    other = {path: text.replace("+", "-") for path, text in many.items()}
    after(place, many)
    before = noted(place, ["shop"])
    assert same(after(place, other), other)
    assert noted(place, ["shop"]) != before


def test_what_may_not_be_remembered_is_not_kept(place: Path) -> None:
    ties(files(SHOP), place, ["shop"], keep=False)
    assert noted(place, ["shop"]) == b""


def test_what_was_kept_is_of_no_use_without_the_pages_of_then(place: Path) -> None:
    ties(files(SHOP), place, ["shop"])
    changed = SHOP | {"pkg/a.py": SHOP["pkg/a.py"].replace("tax", "toll")}
    assert same(ties(files(changed), place, ["shop"]), changed)


@pytest.mark.parametrize("harm", ["UPDATE pages SET page = substr(page, 1, 9)", "UPDATE pages SET seal = NULL"])
def test_what_was_kept_and_is_not_whole_any_more_is_told_anew(place: Path, harm: str) -> None:
    after(place, SHOP)
    with closing(sqlite3.connect(place)) as base, base:
        base.execute(harm)
    assert noted(place, ["shop"]) == b""
    assert same(after(place, SHOP), SHOP)
    assert noted(place, ["shop"]) != b""


def test_what_is_too_large_to_be_kept_is_told_every_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGEST", 100)
    assert same(after(place, SHOP, SHOP), SHOP)
    assert noted(place, ["shop"]) == b""


def test_a_symlink_that_becomes_a_file_of_the_same_text_is_a_file_from_then_on(tmp_path: Path, place: Path) -> None:
    text = "def add(x):\n    y = x + 1\n    return y"
    use = "import b\n\n\ndef use(x):\n    y = b.add(x)\n    return y + 1\n"
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "b.py").symlink_to(text)
    commit(shop, {"a.py": use, "src/b.py": text})
    assert mine(open_repository(shop), seed=0, memory=place).calls == (("a.py::use", "src/b.py::add", True),)
    (shop / "b.py").unlink()
    commit(shop, {"b.py": text})
    found, anew = (mine(open_repository(shop), seed=0, memory=memory) for memory in (place, None))
    assert found.calls == (("a.py::use", "b.py::add", False), ("a.py::use", "src/b.py::add", False))
    assert (found.calls, [*found.functions]) == (anew.calls, [*anew.functions])


def test_a_path_that_is_not_utf8_may_look_like_that_of_another_file(tmp_path: Path, place: Path) -> None:
    shop = commit(tmp_path / "shop", {"\\xff.py": SHOP["pkg/a.py"]})
    (shop / os.fsdecode(b"\xff.py")).write_text("def other(x):\n    return x + 1\n")
    commit(shop, {})
    for text in (SHOP["pkg/a.py"].replace("free", "spare"), SHOP["pkg/a.py"]):
        commit(shop, {"\\xff.py": text})
        found, anew = (mine(open_repository(shop), seed=0, memory=memory) for memory in (place, None))
        assert [*found.functions] == [*anew.functions]
        assert len(found.functions) == 2


def test_a_path_may_hold_colons(place: Path) -> None:
    shop = {"a::b.py": "def f(x):\n    return x + 1\n", "c.py": "def g(x):\n    return x.h(x)\n",
            "a::d.py": "class A:\n    def h(self, x):\n        return x + 2\n"}
    changed = shop | {"c.py": "def g(x):\n    return x.k(x)\n"}
    assert same(after(place, shop, changed), changed)


WORDS = st.sampled_from(["one", "two", "Kind", "Other"])
FROM = st.sampled_from(["a", "b", "c", "pkg", "pkg.d"])
DEF = st.sampled_from(["def", "@property\n    def"])
LINES = st.one_of(
    st.builds("from {} import {}".format, FROM, WORDS),
    st.builds("from {} import {} as {}".format, FROM, WORDS, WORDS),
    st.builds("from {} import *".format, FROM),
    st.builds("import {}".format, FROM),
    st.builds("def {}(x):\n    y = {}(x)\n    return x.{}(y)".format, WORDS, WORDS, WORDS),
    st.builds("def {}(x):\n    from {} import {} as {}\n    return one(pkg.two(x))".format, WORDS, FROM, WORDS, WORDS),
    st.builds("class {}({}):\n    {} {}(self):\n        return self.{}() + 1".format, WORDS, WORDS, DEF, WORDS, WORDS),
    st.builds("class {}:\n    def __init__(self, x):\n        self.{} = {}(x)".format, WORDS, WORDS, WORDS),
    st.builds("{} = 3".format, WORDS),
)
TEXTS = st.lists(LINES, max_size=4).map("\n".join)
PATHS = ("a.py", "b.py", "c.py", "pkg/__init__.py", "pkg/d.py", "tests/test_a.py")
CHANGES = st.lists(st.tuples(st.sampled_from(PATHS), TEXTS), max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries(dict.fromkeys(PATHS, TEXTS)), CHANGES)
def test_whatever_changes_what_was_kept_leads_to_what_is_told_anew(
    shop: dict[str, str], changes: list[tuple[str, str]]
) -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder, "pages.sqlite")
        after(place, shop)
        for path, text in changes:
            shop = shop | {path: text}
            assert same(after(place, shop), shop)
