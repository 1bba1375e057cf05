"""A book of all files at a commit: each is read once, whatever commits have it and whoever read it before."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.git import Checkout, blobs, open_repository, tracked
from sera_cli.svg import reading
from sera_cli.svg.memory import Key
from sera_cli.svg.pages import calls, modules
from sera_cli.svg.reading import Pages, book
from tests.test_mine import ADD, commit
from tests.test_workers import said

JS = "export function pick(a) {\n  return a ? 1 : 2;\n}\n"
FILES: dict[str, str | bytes] = {"src/a.py": ADD, "src/b.py": ADD, "web/c.js": JS, "README.md": "A shop.\n"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return commit(tmp_path / "shop", FILES)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "pages.sqlite"


def names(pages: Pages) -> list[tuple[str, str]]:
    return sorted((key.path, start.name) for key, page in pages.items() for start in page.starts)


def test_a_book_has_every_file_of_a_known_language_and_no_other(shop: Path) -> None:
    pages, read, _ = book(open_repository(shop), (), {}, None)
    assert names(pages) == [("src/a.py", "add"), ("src/b.py", "add"), ("web/c.js", "pick")]
    assert read == 3
    assert [key.path for key in book(open_repository(shop), ["javascript"], {}, None).pages] == ["web/c.js"]


def test_a_header_is_of_the_language_that_it_holds(tmp_path: Path) -> None:
    shop = commit(tmp_path / "shop", {
        "a.h": "int f(int a) {\n  return a ? 1 : 2;\n}\n", "b.c": "int g(int a) {\n  return a ? 1 : 2;\n}\n",
        "c.h": "class C {\n public:\n  int h(int a) { return a ? 1 : 2; }\n};\n",
    })
    asked: dict[str, Pages] = {"c": {}, "cpp": {}}
    for language, every in asked.items():
        assert book(open_repository(shop), [language], every, None).pages == every
    assert names(asked["c"]) == [("a.h", "f"), ("b.c", "g")]
    assert names(asked["cpp"]) == [("c.h", "C.h")]


def test_of_two_commits_only_what_changed_between_them_is_read_twice(shop: Path) -> None:
    commit(shop, {"web/c.js": JS.replace("pick", "choose"), "web/d.js": JS})
    every: Pages = {}
    then, read_then, _ = book(open_repository(shop, "HEAD~1"), (), every, None)
    now, read_now, _ = book(open_repository(shop), (), every, None)
    assert (read_then, read_now) == (3, 2)
    assert names(now) == [("src/a.py", "add"), ("src/b.py", "add"), ("web/c.js", "choose"), ("web/d.js", "pick")]
    same = {key for key in now if key in then}
    assert sorted(key.path for key in same) == ["src/a.py", "src/b.py"]
    assert all(now[key] is then[key] for key in same)
    assert len(every) == 5


def test_a_blob_that_several_paths_share_is_taken_from_git_once(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(checkout: Checkout, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        asked.extend(wanted := [*ids])
        return blobs(checkout, wanted)

    monkeypatch.setattr(reading, "blobs", noted)
    checkout = open_repository(shop)
    pages, read, _ = book(checkout, (), {}, None, processes=0)
    held = {file.path: file.blob for file in tracked(checkout)}
    assert held["src/a.py"] == held["src/b.py"]
    assert sorted(asked) == sorted({held["src/a.py"], held["web/c.js"]})
    one, two = (pages[Key(path, held[path], "")].starts[0] for path in ("src/a.py", "src/b.py"))
    assert (one.name, one.id == two.id) == (two.name, False)
    assert read == 3


def test_what_one_path_held_at_several_commits_are_several_pages(shop: Path) -> None:
    commit(shop, {"web/c.js": JS.replace("pick", "choose")})
    commit(shop, {"web/c.js": JS})
    every: Pages = {}
    places = (open_repository(shop, rev) for rev in ("HEAD~2", "HEAD~1", "HEAD"))
    assert [book(place, ["javascript"], every, None).read for place in places] == [1, 1, 0]
    assert names(every) == [("web/c.js", "choose"), ("web/c.js", "pick")]


def test_what_the_memory_has_is_not_read_and_is_the_same(shop: Path, place: Path) -> None:
    first = book(open_repository(shop), (), {}, place)
    again = book(open_repository(shop), (), {}, place)
    assert (first.read, again.read) == (3, 0)
    assert again.pages == first.pages
    commit(shop, {"src/b.py": ADD.replace("add", "later")})
    assert book(open_repository(shop), (), {}, place).read == 1


def test_what_was_read_before_a_fault_is_remembered_batch_by_batch(
    shop: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 1)
    checkout = open_repository(shop)
    blob = next(file.blob for file in tracked(checkout) if file.path == "web/c.js")
    lost = shop / ".git" / "objects" / blob[:2] / blob[2:]
    lost.rename(tmp_path / "lost")
    with pytest.raises(DataError):
        book(checkout, (), {}, place, processes=0)
    lost.parent.mkdir(exist_ok=True)
    (tmp_path / "lost").rename(lost)
    assert book(checkout, (), {}, place, processes=0).read == 1


def test_what_is_no_file_to_read_has_a_page_that_says_so_and_is_not_read(shop: Path) -> None:
    (shop / "src" / "link.py").symlink_to("a.py")
    commit(shop, {"src/huge.py": b"#" * 1_000_001})
    pages, read, _ = book(open_repository(shop), (), {}, None)
    unread = {key.path: page.unreadable for key, page in pages.items() if page.unreadable}
    assert unread == {"src/link.py": "symlink", "src/huge.py": "larger than 1,000,000 bytes"}
    assert read == 3


def test_what_is_hidden_is_read_but_nothing_in_it_is_one_to_start_from(shop: Path) -> None:
    (shop / ".seraignore").write_text("src/b.py\n")
    pages = book(open_repository(shop), (), {}, None).pages
    assert names(pages) == [("src/a.py", "add"), ("web/c.js", "pick")]
    assert [(one.path, one.reason) for page in pages.values() for one in page.left] == [("src/b.py", ".seraignore")]


def test_processes_beside_this_one_find_the_same(shop: Path) -> None:
    subprocess.run(["git", "-C", shop, "gc", "-q"], check=True)
    checkout = open_repository(shop)
    beside, here = (book(checkout, (), {}, None, processes) for processes in (2, 0))
    assert (beside.read, beside.harmless, beside.pages.keys()) == (here.read, here.harmless, here.pages.keys())
    for one, other in zip(beside.pages.values(), here.pages.values(), strict=True):
        assert said(one) == said(other)
        assert [*modules([one]), *calls([one])] == [*modules([other]), *calls([other])]
