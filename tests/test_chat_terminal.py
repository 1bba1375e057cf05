"""`sera chat` as a person meets it: a real terminal, real keys, a scripted agent."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import commit
from tests.terminal import Terminal, terminal

THOUGHT = "I look at the file that is named, and then I change what was asked for.\nThen I am done.\t"
COLOUR = re.compile(r"\x1b\[3[0-7]m.*")
ROOT = ["bash", {"command": "sudo id"}]
LOOK = ["bash", {"command": "cat a.py"}]


def edit(old: str, new: str) -> list[Any]:
    return ["str_replace_editor", {"command": "str_replace", "path": "/testbed/a.py", "old_str": old, "new_str": new}]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\ny = 2\n")
    commit(folder)
    for name, value in (("user.name", "A Person"), ("user.email", "person@example.com")):
        subprocess.run(["git", "config", name, value], cwd=folder, check=True)
    return folder


Open = Callable[..., "contextmanager[Terminal]"]


@pytest.fixture
def chat(shop: Path, tmp_path: Path) -> Open:
    @contextmanager
    def opened(*options: str, lines: list[Any], columns: int = 80, **environ: str) -> Iterator[Terminal]:
        command = [sys.executable, "-m", "tests.chatting", "chat", str(shop), *options]
        told = {"CHATTING": json.dumps(lines), "TERM": "xterm-256color", "LANG": "C.UTF-8"} | environ
        with terminal(tmp_path, command, told, columns=columns) as made:
            yield made

    return opened  # type: ignore[return-value]


def test_an_edit_in_the_checkout_is_shown_allowed_undone_and_committed(chat: Open, shop: Path) -> None:
    with chat("--here", lines=[f"{THOUGHT}Now.", edit("x = 1", "x = 2"), "It is 2."]) as at:
        at.ready()
        at.type("Hello", "Enter")
        at.ready("Now.")
        at.type("Make x 2", "Enter")
        shown = at.until("allow?")
        assert "· I look at the file that is named, and then I change what … 2 lines, /think" in shown
        assert "→ str_replace a.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n y = 2\n" in shown
        coloured = [re.sub(r"\x1b\[\d+m", "", found) for found in COLOUR.findall(at.screen("-e"))]
        assert coloured == ["@@ -1,2 +1,2 @@", "-x = 1", "+x = 2"]
        assert (shop / "a.py").read_text() == "x = 1\ny = 2\n"
        at.type("y", "Enter")
        at.ready("It is 2.")
        assert (shop / "a.py").read_text() == "x = 2\ny = 2\n"
        at.type("/undo", "Enter")
        at.ready("taken back: Make x 2; /redo puts it back")
        assert (shop / "a.py").read_text() == "x = 1\ny = 2\n"
        at.type("/redo", "Enter")
        at.ready("put back: Make x 2")
        at.type("/commit", "Enter")
        at.ready("committed as ")
        at.press("C-d")
        at.until("done 0")
    log = subprocess.run(["git", "log", "-1", "--format=%s"], cwd=shop, capture_output=True, text=True).stdout
    assert (log, (shop / "a.py").read_text()) == ("Make x 2\n", "x = 2\ny = 2\n")


def test_no_and_never_and_words_of_ones_own_refuse(chat: Open, shop: Path) -> None:
    lines = [edit("x = 1", "x = 2"), "As you wish.", LOOK, LOOK, LOOK, "So be it.", ROOT, "No root."]
    with chat("--here", lines=lines) as at:
        at.ready()
        at.type("Make x 2", "Enter")
        at.until("allow?")
        at.type("leave it alone", "Enter")
        at.ready("As you wish.")
        at.type("Look", "Enter")
        at.until("allow?", 2)
        at.type("a", "Enter")
        shown = at.ready("So be it.")
        assert shown.count("$ cat a.py\n") == 3
        assert shown.count("allow?") == 2
        at.type("Root", "Enter")
        at.ready("    not run: commands that gain privileges (sudo) are not allowed here")
        assert "y once, a always for command `cat`, n no, v never, or say what to do instead" in shown
        assert shown.count("    not run: the user did not allow it\n") == 1
    (kept,) = (shop / ".sera" / "chat").glob("*.jsonl")
    assert 'They say: \\"leave it alone\\"' in kept.read_text().replace('\\\\"', '\\"')
    assert (shop / "a.py").read_text() == "x = 1\ny = 2\n"


def test_ctrl_c_stops_the_turn_and_the_conversation_goes_on_another_day(chat: Open, shop: Path) -> None:
    with chat("--yolo", "--sandbox", "folder", lines=[edit("x = 1", "x = 2"), LOOK, 1000, "Again."]) as at:
        at.ready()
        at.type("Make x 2", "Enter")
        at.until("    x = 2\n")
        at.until(" writing")
        at.press("C-c")
        assert "writing" not in at.ready("stopped; say what to do instead, /undo takes it back")
        at.type("/save wait", "Enter")
        at.ready("go on with: sera chat --resume wait")
        at.type("/quit", "Enter")
        shown = at.until("done 0")
        assert "what was changed is in" in shown
    assert (shop / "a.py").read_text() == "x = 1\ny = 2\n"
    with chat("--yolo", "--sandbox", "folder", "--resume", "wait", lines=[LOOK, "Still there."]) as at:
        at.ready("going on with wait: Make x 2")
        at.type("Look", "Enter")
        assert "    x = 2\n" in at.ready("Still there.")
        at.type("/undo", "Enter")
        at.ready("taken back: Look")
        at.type("/undo", "Enter")
        at.ready("taken back: Make x 2")
        at.type("/diff", "Enter")
        at.until("nothing is changed")


def test_a_prompt_at_a_terminal_gives_its_patch_and_leaves_nothing_moving(chat: Open) -> None:
    with chat("--sandbox", "folder", "-p", "Make x 2", lines=[edit("x = 1", "x = 2"), ["submit", {}]]) as at:
        shown = at.until("done 0")
        assert shown.endswith("@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n y = 2\n\ndone 0")
        assert "writing" not in shown


def test_ctrl_c_at_a_question_stops_the_turn_too(chat: Open, shop: Path) -> None:
    with chat("--here", lines=[edit("x = 1", "x = 2"), "Something else."]) as at:
        at.ready()
        at.type("Make x 2", "Enter")
        at.until("allow?")
        at.press("C-c")
        at.ready("stopped; say what to do instead")
        at.type("What else?", "Enter")
        at.ready("Something else.")
    assert (shop / "a.py").read_text() == "x = 1\ny = 2\n"


def test_a_narrow_terminal_breaks_between_words_and_shows_no_colour_where_none_is_wanted(chat: Open) -> None:
    said = "I changed what you asked me to change, in the file that you named, and nothing else at all was touched."
    with chat("--yolo", "--sandbox", "folder", lines=[edit("x = 1", "x = 2"), f"{THOUGHT}{said}"], columns=60,
              NO_COLOR="1") as at:
        at.ready()
        at.type("Make x 2", "Enter")
        shown = at.ready("touched.")
        assert "· I look at the file that is named, an … 2 lines, /think\n" in shown
        assert "in the file that you\nnamed, and nothing else at all was touched.\n" in shown
        at.type("/help", "Enter")
        assert all(len(line) <= 60 for line in at.ready("end; so does Ctrl-D").splitlines())
        assert COLOUR.findall(at.screen("-e")) == []


def test_several_lines_are_one_thing_said_and_history_comes_back(chat: Open) -> None:
    with chat("--yolo", "--sandbox", "folder", lines=["Yes."]) as at:
        at.ready()
        at.type("one", "M-Enter")
        at.type("two", "Enter")
        at.ready("Yes.")
        at.press("Up")
        at.until("two", 2)
        at.press("Enter")
        at.ready("Yes.", 2)
        at.type("/cost", "Enter")
        at.until("context: about")
