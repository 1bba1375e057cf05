"""Reading in processes of its own: the same pages, whoever reads them and whatever becomes of them; none is left."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sera_cli.git import Checkout, open_repository, tracked
from sera_cli.redact import restore
from sera_cli.svg import workers
from sera_cli.svg.found import LeftOut
from sera_cli.svg.memory import Key
from sera_cli.svg.mine import mine
from sera_cli.svg.pages import Page, calls, heard, modules, read
from sera_cli.svg.reading import book
from sera_cli.svg.workers import KILLED, LARGEST, LEAST, answers, chunks, many
from tests.conftest import ROOT
from tests.processes import running
from tests.test_mine import ADD, commit

JS = "export function pick(a) {\n  return a ? b(a) : none(a);\n}\n"
FILES: dict[str, str | bytes] = {
    "pkg/__init__.py": "", "pkg/a.py": "from pkg.b import add\n\ndef use(x):\n    return add(x) + 1\n", "pkg/b.py": ADD,
    "web/b.js": JS, "broken.py": "def f(:\n", "same.py": ADD, "tests/test_a.py": "def test_add():\n    assert add(1)\n",
    "名前.py": "def 計算(数):\n    return 数 + 1\n",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Checkout:
    return open_repository(commit(tmp_path / "shop", FILES))


def at_work(here: Checkout) -> list[int]:
    """The workers that read there: each leads a session, and the git that it reads through does not."""
    found = []
    for process in map(int, running(str(here.root))):
        with suppress(ProcessLookupError):
            found += [process] if os.getsid(process) == process else []
    return found


def keys(here: Checkout) -> list[Key]:
    return [Key(file.path, file.blob, "") for file in tracked(here)]


def said(page: Page) -> tuple[Page, list[LeftOut]]:
    """A page without who calls whom, which each process writes down in an order of its own, and with what is left out,
    which each writes down in bytes of its own.
    """
    return page._replace(links=b"", out=b""), [*page.left]


def ending(here: Checkout, folder: Path, how: str) -> tuple[str, ...]:
    """How to start a worker that ends in this way before it tells of `web/b.js`."""
    script = folder / "worker.py"
    script.write_text(
        "import os, sys, json\nsys.path.extend(json.loads(sys.argv[1]))\nfrom sera_cli.svg import workers\n"
        "def read(path, content, declared, known=workers.read):\n"
        f"    if path == 'web/b.js':\n        {how}\n"
        "    return known(path, content, declared)\nworkers.read = read\nworkers.serve(sys.argv[2])\n"
    )
    return (sys.executable, "-I", "-S", str(script))


def test_what_workers_find_is_what_one_process_finds(shop: Checkout) -> None:
    alone, shared = mine(shop, seed=0, processes=0), mine(shop, seed=0, processes=3)
    assert (alone, alone.left) == (shared, shared.left)
    assert [one.name for one in shared.functions] == ["use", "add", "add", "pick", "計算"]


def test_few_bytes_are_worth_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 64)
    assert [many([size]) for size in (0, 1_000_000, 1_400_000, 5_000_000, 10**9)] == [0, 0, 2, 7, 16]
    monkeypatch.setattr(workers, "cores", lambda: 1)
    assert many([10**9]) == 0


def test_chunks_hold_all_files_in_order_and_get_smaller() -> None:
    files = [(Key(f"folder/file{number}.py", "0" * 40, ""), 20_000) for number in range(1000)]
    made = list(chunks(files, 4))
    assert [key for some in made for key in some] == [key for key, _ in files]
    sizes = [20_000 * len(some) for some in made]
    assert max(sizes) <= LARGEST + 20_000
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-2] <= LEAST + 20_000


def test_many_names_make_a_chunk_too() -> None:
    files = [(Key(f"{'folder/' * 500}{number}.py", "0" * 40, ""), 1) for number in range(100)]
    assert {len(some) for some in chunks(files, 2)} == {9, 1}


def test_a_worker_that_is_killed_costs_no_file(shop: Checkout) -> None:
    todo = [[key] for key in keys(shop)]
    found: dict[Key, tuple[Page, list[LeftOut]]] = {}
    for key, answer in answers(shop, iter(todo), 1):
        assert isinstance(answer, bytes) and key not in found
        if not found:
            (process,) = at_work(shop)
            os.kill(process, signal.SIGKILL)
        found[key] = said(heard(answer))
    assert {key.path: page for key, page in found.items()} == {
        path: said(read(path, text.encode() if isinstance(text, str) else text, "")) for path, text in FILES.items()}
    assert running(str(shop.root)) == []


def test_a_file_that_ends_two_workers_is_named_and_the_rest_is_read(shop: Checkout, tmp_path: Path) -> None:
    command = ending(shop, tmp_path, "os.kill(os.getpid(), 9)")
    found = dict(answers(shop, iter([keys(shop)]), 1, command))
    assert {key.path for key, answer in found.items() if not isinstance(answer, bytes)} == {"web/b.js"}
    assert [answer for answer in found.values() if isinstance(answer, Page)] == [Page("web/b.js", unreadable=KILLED)]


def test_what_a_worker_fails_at_by_itself_is_left_to_who_asked(shop: Checkout, tmp_path: Path) -> None:
    found = dict(answers(shop, iter([keys(shop)]), 2, ending(shop, tmp_path, "raise ValueError")))
    assert {key.path for key, answer in found.items() if answer is None} == {"web/b.js", "名前.py"}
    nobody = dict(answers(shop, iter([keys(shop)]), 2, (sys.executable, "-c", "raise SystemExit(1)")))
    assert nobody == dict.fromkeys(keys(shop))


def test_a_secret_that_a_worker_found_can_be_put_back_here(tmp_path: Path) -> None:
    text = "def enter(password='Tr0ub4dor-w7'):\n    'Enters.'\n    x = 1\n    return x\n"
    here = open_repository(commit(tmp_path / "shop", {"a.py": text, "b.py": ADD}))
    found = mine(here, seed=0, memory=tmp_path / "pages.sqlite", processes=2)
    assert "Tr0ub4dor" not in found.functions[0].signature
    assert restore(found.functions[0].signature) == "def enter(password='Tr0ub4dor-w7')"
    assert mine(here, seed=0, memory=tmp_path / "pages.sqlite", processes=2).read == 1


def test_who_stops_asking_leaves_no_worker(shop: Checkout) -> None:
    asking = answers(shop, iter([keys(shop)]), 2)
    next(asking)
    assert len(at_work(shop)) == 2
    asking.close()  # type: ignore[attr-defined]
    assert running(str(shop.root)) == []


MINE = """
import sys
from pathlib import Path
from sera_cli.git import open_repository
from sera_cli.svg.reading import book
here = open_repository(Path(sys.argv[1]))
while True:
    book(here, (), {}, None, 2)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_whoever_is_stopped_leaves_no_worker(shop: Checkout, how: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", MINE, shop.root], cwd=ROOT, stderr=subprocess.DEVNULL)
    while len(at_work(shop)) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    process.wait()
    while running(str(shop.root)):  # those of one that was killed notice it when nobody asks any more
        time.sleep(0.01)


def test_a_book_is_the_same_in_any_number_of_hands(shop: Checkout) -> None:
    books = [book(shop, (), {}, None, count) for count in (0, 1, 4)]
    assert [one.read for one in books] == [8, 8, 8]
    heads = [{key: said(page) for key, page in one.pages.items()} for one in books]
    links = [[[*modules(one.pages.values())], [*calls(one.pages.values())]] for one in books]
    assert heads[0] == heads[1] == heads[2] and links[0] == links[1] == links[2]
