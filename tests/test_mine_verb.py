"""`sera mine`, as a person or a program asks it."""

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sera_cli import __main__ as door
from tests.test_mine import ADD, commit

Captured = pytest.CaptureFixture[str]
JS = "/** Picks. */\nexport function pick(a) {\n  return a ? none(a) : 2;\n}\nfunction none(a) {\n  return a;\n}\n"
FILES: dict[str, str | bytes] = {
    "src/a.py": ADD, "web/ui/deep/b.js": JS, "tests/test_a.py": "def test_a():\n    assert 1\n", "c.py": "def f(:\n"}


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return commit(tmp_path / "shop", FILES)


def mine(*arguments: object) -> int:
    return door.run(["mine", *map(str, arguments)])


def lines(capsys: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_was_mined_is_told_by_language_and_folder_and_what_was_left_out_by_reason(
    shop: Path, capsys: Captured
) -> None:
    assert mine(shop, "--run", "r") == 0
    said = capsys.readouterr()
    rows = [row.split() for row in said.out.splitlines()]
    assert ["python", "src", "1", "4"] in rows
    assert ["javascript", "web/ui", "1", "3"] in rows
    assert ["trivial", "body", "1"] in rows
    assert ["test", "1"] in rows
    assert ["not", "the", "Python", "of", "this", "interpreter", "1"] in rows
    told = " ".join(said.err.split())
    assert "2 functions in 4 files, 1 of them kept back for evaluation." in told
    assert "Not read: c.py (not the Python of this interpreter, line 1)." in told
    assert f"Every function, and why it is left out: sera mine {shop} --jsonl --all" in told
    assert "rehearsal" not in told
    assert (shop / ".sera/runs/r/1-functions.jsonl").exists()


def test_json_is_one_document_with_the_counts(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stages"]["functions"] == 2
    assert found["mined"] == {
        "files": 4, "languages": {"javascript": 1, "python": 1}, "left_out": {"test": 1, "trivial body": 1},
        "not_read": {"not the Python of this interpreter": 1}, "missing": {},
        "unread": {"c.py": "not the Python of this interpreter, line 1"},
    }  # fmt: skip


def test_a_function_a_line_and_no_run(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--jsonl") == 0
    one, two = lines(capsys)
    assert (one["path"], one["name"], one["line"], one["end_line"]) == ("src/a.py", "add", 1, 4)
    assert (one["language"], two["language"]) == ("python", "javascript")
    assert (two["name"], two["line"], two["end_line"]) == ("pick", 2, 4)
    assert (two["kept"], two["reason"], two["doc"], two["branches"]) == (True, "", "Picks.", 1)
    assert (two["callees"], two["age"]) == (["web/ui/deep/b.js::none"], 0)
    made = subprocess.run(["git", "-C", shop, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True)
    assert datetime.fromisoformat(two["changed"]).timestamp() == int(made.stdout)
    assert not (shop / ".sera").exists()


def test_all_tells_what_is_left_out_too(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--jsonl", "--all") == 0
    assert [(row["name"], row["line"], row["kept"], row["reason"]) for row in lines(capsys)] == [
        ("add", 1, True, ""), ("test_a", 1, False, "test"), ("pick", 2, True, ""), ("none", 5, False, "trivial body")]
    assert mine(shop, "--all") == 2
    assert capsys.readouterr().err == "error: --all tells more lines: say it with --jsonl\n"


def test_all_is_told_where_no_function_is_left_too(tmp_path: Path, capsys: Captured) -> None:
    shop = commit(tmp_path / "shop", {"tests/test_a.py": "def test_a():\n    assert add(1)\n", "b.py": "def f(:\n"})
    assert mine(shop, "--jsonl") == 1
    assert "(1 test, unreadable: 1, first b.py: not the Python of this" in capsys.readouterr().err
    assert mine(shop, "--jsonl", "--all") == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["name"], line["kept"], line["reason"]) == ("test_a", False, "test")


def test_only_a_language_or_a_folder(shop: Path, capsys: Captured) -> None:
    assert mine(shop, "--jsonl", "--language", "javascript") == 0
    assert [row["name"] for row in lines(capsys)] == ["pick"]
    assert mine(shop, "--jsonl", "--focus", "src") == 0
    assert [row["name"] for row in lines(capsys)] == ["add"]
    assert mine(shop, "--jsonl", "--language", "perl") == 2
    assert capsys.readouterr().err.startswith("error: no language 'perl' is known; those that are: c, cpp, csharp, go,")


def test_a_repository_at_a_commit_is_named_with_an_at(shop: Path, capsys: Captured) -> None:
    subprocess.run(["git", "-C", shop, "tag", "v1"], check=True)
    commit(shop, {"src/a.py": ADD.replace("add", "later")})
    assert mine(f"{shop}@v1", "--jsonl", "--language", "python") == 0
    assert [row["name"] for row in lines(capsys)] == ["add"]
    assert mine(shop, "--jsonl", "--language", "python") == 0
    assert [row["name"] for row in lines(capsys)] == ["later"]
    assert mine(f"{shop}@v1", "--at", "HEAD~1") == 2
    assert capsys.readouterr().err == "error: say --at HEAD~1 or @v1, not both\n"
    assert mine(f"{shop}@v2", "--jsonl") == 2
    assert "unknown revision 'v2'" in capsys.readouterr().err


def test_the_command_that_tells_every_function_can_be_pasted_whatever_the_commit_is_called(
    shop: Path, capsys: Captured
) -> None:
    subprocess.run(["git", "-C", shop, "tag", "it's-$HOME"], check=True)
    assert mine(f"{shop}@it's-$HOME", "--run", "r") == 0
    *_, told = capsys.readouterr().err.splitlines()
    assert told.endswith(f"""sera mine {shop} --at 'it'"'"'s-$HOME' --jsonl --all""")


def test_the_call_graph_is_drawn_in_the_language_that_the_ending_names(
    shop: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert mine(shop, "--graph", tmp_path / "g.dot") == 0
    text = (tmp_path / "g.dot").read_text()
    assert '  "web/ui/deep/b.js::pick" -> "web/ui/deep/b.js::none";\n' in text
    assert mine(shop, "--graph", tmp_path / "g.graphml") == 0
    tree = ElementTree.parse(tmp_path / "g.graphml")
    space = "{http://graphml.graphdrawing.org/xmlns}"
    nodes = [node.get("id") for node in tree.iter(f"{space}node")]
    edges = [(edge.get("source"), edge.get("target")) for edge in tree.iter(f"{space}edge")]
    assert nodes == ["src/a.py::add", "web/ui/deep/b.js::none", "web/ui/deep/b.js::pick"]
    assert edges == [("web/ui/deep/b.js::pick", "web/ui/deep/b.js::none")]
    capsys.readouterr()
    assert mine(shop, "--graph", tmp_path / "g.png") == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/g.png: its ending should say how to draw it: .dot, .gv, .graphml\n")


def test_json_is_one_document_beside_a_graph_and_no_lines(shop: Path, tmp_path: Path, capsys: Captured) -> None:
    assert mine(shop, "--graph", tmp_path / "g.dot", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "graph": f"{tmp_path}/g.dot", "functions": 2, "calls": 1, "ambiguous": 0}
    assert mine(shop, "--jsonl", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"] == (
        "--json prints one document and --jsonl a function a line: say one of them")


def test_a_limit_leaves_the_functions_that_rollouts_set_out_from_first(tmp_path: Path, capsys: Captured) -> None:
    files: dict[str, str | bytes] = {f"src/{letter}.py": ADD.replace("add", letter) for letter in "abcdefgh"}
    shop = commit(tmp_path / "many", files)
    assert mine(shop, "--limit", "3", "--run", "r") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "8 functions in 8 files, 1 of them kept back for evaluation; --limit leaves 3 to start from." in said
    written = [json.loads(line) for line in (shop / ".sera/runs/r/1-functions.jsonl").read_text().splitlines()[1:]]
    first = [row["name"] for row in written if not row["heldout"]][:3]
    assert mine(shop, "--limit", "3", "--jsonl") == 0
    assert [row["name"] for row in lines(capsys)] == sorted(first)
    assert mine(shop, "--limit", "3", "--jsonl", "--all") == 0
    assert [row["name"] for row in lines(capsys)] == [*"abcdefgh"]


def test_of_a_part_the_graph_has_what_is_around_it(tmp_path: Path) -> None:
    calls = "def {0}(x):\n    if x:\n        return {1}(x)\n    return {1}(1)\n"
    shop = commit(tmp_path / "calls", {
        "a/one.py": "from b.two import two\n" + calls.format("one", "two"),
        "b/two.py": "from c.three import three\n" + calls.format("two", "three"),
        "c/three.py": "def three(x):\n    return x + 1\n",
    })
    assert mine(shop, "--focus", "a", "--graph", tmp_path / "g.dot") == 0
    assert [row for row in (tmp_path / "g.dot").read_text().splitlines() if "->" in row] == [
        '  "a/one.py::one" -> "b/two.py::two";']


def test_a_folder_whose_name_has_a_space_can_be_the_focus(tmp_path: Path, capsys: Captured) -> None:
    shop = commit(tmp_path / "odd", {"my code/it's/a.py": ADD, "b.py": ADD})
    assert mine(shop, "--jsonl", "--focus", "my code/it's") == 0
    assert [row["path"] for row in lines(capsys)] == ["my code/it's/a.py"]
    assert mine(shop, "--jsonl", "--set", "generate.focus=it's") == 2
    assert "put quotes around what has a space in it" in capsys.readouterr().err


def test_what_was_left_out_of_a_commit_is_asked_for_at_that_commit(shop: Path, capsys: Captured) -> None:
    assert mine(f"{shop}@HEAD~0") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"why it is left out: sera mine {shop} --at HEAD~0 --jsonl --all" in told
