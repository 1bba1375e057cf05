"""Files that were read once are taken from memory; whatever is wrong with that, they are read anew."""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.git import open_repository, tracked
from sera_cli.svg import memory, reading
from sera_cli.svg.memory import Key, recall, remember
from sera_cli.svg.mine import Mined, mine
from sera_cli.svg.pages import read
from sera_cli.svg.pages import told as as_bytes
from tests.test_mine import ADD, commit

JS = "import { b } from './b.js';\n/** Picks. */\nexport function pick(a) {\n  return a ? b(a) : none(a);\n}\n"
PY = (
    "import os\nfrom . import a as c\n\nclass A(c.B):\n    x = 1\n\n    def one(self, y):\n"
    "        from os import path as p\n        return self.two(y) + p.join(y) + c.f(y)\n\n"
    "    def two(self, y):\n        return [z for z in y if z]\n"
)
FILES: dict[str, str | bytes] = {
    "pkg/__init__.py": "", "pkg/a.py": PY, "pkg/b.py": ADD, "web/b.js": JS, "broken.py": "def f(:\n",
    "tests/test_a.py": "def test_add():\n    assert add(1)\n", "huge.py": b"#" * 1_000_001,
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "pages.sqlite"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return commit(tmp_path / "shop", FILES)


def told(found: Mined) -> tuple[object, ...]:
    return found.functions, found.left, found.calls, found.files, found.unreadable, found.missing


def mined(shop: Path, place: Path | None) -> Mined:
    return mine(open_repository(shop), seed=0, memory=place)


def test_a_file_is_read_once_and_what_is_remembered_is_what_was_read(shop: Path, place: Path) -> None:
    alone = mined(shop, None)
    first, again = mined(shop, place), mined(shop, place)
    assert (alone.read, first.read, again.read) == (6, 6, 0)
    assert told(alone) == told(first) == told(again)


def test_after_a_change_only_what_changed_is_read_and_a_renamed_file(shop: Path, place: Path) -> None:
    mined(shop, place)
    commit(shop, {"pkg/b.py": ADD.replace("a + b", "a - b")})
    assert mined(shop, place).read == 1
    (shop / "web/b.js").rename(shop / "web/c.js")
    found = mined(commit(shop, {}), place)
    assert (found.read, told(found)) == (1, told(mined(shop, None)))


def test_what_a_repository_declares_of_a_file_decides_what_its_page_says(shop: Path, place: Path) -> None:
    assert "pick" in [one.name for one in mined(shop, place).functions]
    found = mined(commit(shop, {".gitattributes": "web/* linguist-generated\n"}), place)
    assert (found.read, found.skipped["generated"]) == (1, 1)
    assert mined(shop, place).skipped["generated"] == 1


def test_a_file_that_is_hidden_at_one_commit_is_none_to_start_from_there(tmp_path: Path, place: Path) -> None:
    old = open_repository(commit(tmp_path / "shop", {"a.py": ADD, "b.py": ADD})).commit
    commit(tmp_path / "shop", {".seraignore": "a.py\n"})
    subprocess.run(["git", "clone", "-q", "--bare", tmp_path / "shop", tmp_path / "bare.git"], check=True)
    bare = open_repository(tmp_path / "bare.git")
    found = mine(bare, seed=0, commits=[old, bare.commit], memory=place)
    at = {(one.path, one.commit) for one in found.functions if one.path == "a.py"}
    assert (at, found.skipped) == ({("a.py", old)}, {".seraignore": 1})


def test_a_page_with_a_secret_is_read_every_time(tmp_path: Path, place: Path) -> None:
    text = "def enter(password='Tr0ub4dor-x3'):\n    'Enters.'\n    x = 1\n    return x\n"
    shop = commit(tmp_path / "shop", {"a.py": text, "b.py": ADD})
    assert (mined(shop, place).read, mined(shop, place).read) == (2, 1)
    assert b"Tr0ub4dor" not in place.read_bytes()


def test_what_became_a_secret_since_is_not_taken_from_memory(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = commit(tmp_path / "shop", {"a.py": ADD.replace("Adds two numbers", 'Like "open\\sesame" does'), "b.py": ADD})
    mined(shop, place)
    monkeypatch.setenv("CAVE_PASSWORD", '"open\\sesame"')
    found = mined(shop, place)
    assert (found.read, "sesame" in found.functions[0].doc) == (1, False)


def test_the_memory_is_its_owners_alone(shop: Path, place: Path) -> None:
    mined(shop, place)
    assert place.stat().st_mode & 0o777 == 0o600
    place.chmod(0o644)
    mined(shop, place)
    assert place.stat().st_mode & 0o777 == 0o600


def no_database(place: Path) -> None:
    place.write_bytes(b"no database, but more than a few bytes of something else\n" * 100)


def cut(place: Path) -> None:
    os.truncate(place, place.stat().st_size // 2)


def another_table(place: Path) -> None:
    place.unlink()
    with sqlite3.connect(place) as base:
        base.execute("CREATE TABLE pages (word TEXT)")


def changed(place: Path) -> None:
    with sqlite3.connect(place) as base:
        base.execute("UPDATE pages SET page = replace(CAST(page AS TEXT), 'add', 'sub')")


def emptied(place: Path) -> None:
    with sqlite3.connect(place) as base:
        base.execute("UPDATE pages SET page = NULL, seal = 7, used = 'never'")


@pytest.mark.parametrize("harm", [no_database, cut, another_table, changed, emptied])
def test_a_memory_that_was_harmed_costs_reading_anew_and_nothing_else(
    shop: Path, place: Path, harm: Callable[[Path], None]
) -> None:
    before = mined(shop, place)
    harm(place)
    found = mined(shop, place)
    assert (told(found), found.read > 0) == (told(before), True)
    mined(shop, place)
    assert mined(shop, place).read == 0


def test_a_memory_from_another_machine_is_not_believed(
    shop: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mined(shop, place)
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "elsewhere"))
    assert mined(shop, place).read == 6


def test_a_memory_that_cannot_be_written_is_done_without(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "link").symlink_to(tmp_path / "away")
    for place in (tmp_path / "file" / "pages.sqlite", tmp_path / "link"):
        assert mined(shop, place).read == 6
    assert not (tmp_path / "away").exists()


def test_what_was_not_asked_for_the_longest_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [Key("a.py", f"{number:040}", "") for number in range(300)]
    page = as_bytes(read("a.py", (ADD * 9).encode(), ""))
    remember(place, dict.fromkeys(keys[:100], page))
    with sqlite3.connect(place) as base:
        base.execute("UPDATE pages SET used = 0")
    recall(place, keys[:50])
    monkeypatch.setattr(memory, "MOST", 200_000)
    remember(place, dict.fromkeys(keys[100:], page))
    left = set(recall(place, keys))
    assert not left & set(keys[50:100])
    assert 100 < len(left) < 300
    assert place.stat().st_size < 1_000_000


def test_while_another_process_holds_the_memory_files_are_read_anew_and_it_stays_whole(
    shop: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mined(shop, place)
    monkeypatch.setattr(memory, "PATIENCE", 0)
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert mined(shop, place).read == 6
        other.execute("ROLLBACK")
    assert mined(shop, place).read == 0


def test_what_was_read_before_an_end_is_not_read_again(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 2)
    shop = commit(tmp_path / "shop", {f"{letter}.py": f"{ADD}# {letter}\n" for letter in "abcdef"})
    blob = next(file.blob for file in tracked(open_repository(shop)) if file.path == "f.py")
    lost = shop / ".git" / "objects" / blob[:2] / blob[2:]
    lost.rename(tmp_path / "lost")
    with pytest.raises(DataError, match="some of its objects cannot be read"):
        mined(shop, place)
    lost.parent.mkdir(exist_ok=True)
    (tmp_path / "lost").rename(lost)
    assert mined(shop, place).read == 2
