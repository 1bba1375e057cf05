"""A conversation about a repository: its turns, the way back and forth, and going on after the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sera_cli.agents.talk.approval import Answer, Question, Rules, yes
from sera_cli.agents.talk.commits import commit as committed
from sera_cli.agents.talk.commits import subject, take_over
from sera_cli.agents.talk.folding import Folding
from sera_cli.agents.talk.places import Copied, Itself, Place
from sera_cli.agents.talk.preview import change
from sera_cli.agents.talk.session import find, fresh
from sera_cli.agents.talk.talk import Ear, Talk
from sera_cli.errors import DataError
from sera_cli.export import export
from sera_cli.git import open_repository
from sera_cli.harness import wire
from sera_cli.harness.loop import Limits
from sera_cli.harness.model import Thought
from sera_cli.harness.sandbox import Sandbox
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Reply, ToolCall, Usage
from tests.scripted import Line, Scripted, calls, says

Make = Callable[[dict[str, str]], Path]


class Seen:
    """Watches, and remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def heard(self, heard: Heard) -> None:
        self.said.append((heard.kind, heard.text))

    def replied(self, reply: Reply) -> None:
        self.said.append(("reply", str(reply.message["content"])))

    def calling(self, call: ToolCall, change: str) -> None:
        self.said.append((call.name, change))

    def called(self, call: ToolCall, outcome: str) -> None:
        self.said.append(("outcome", outcome))


def opened(root: Path) -> Callable[[str], "contextmanager[Sandbox]"]:
    @contextmanager
    def one(at: str) -> Iterator[Sandbox]:
        with TemporaryDirectory() as folder:
            export(open_repository(root, at), Path(folder) / "base")
            with FolderSandbox(Path(folder) / "base") as sandbox:
                yield sandbox

    return one  # type: ignore[return-value]


@contextmanager
def place(kind: str, root: Path, begun: str = "") -> Iterator[Place]:
    folder = root / ".sera" / "chat"
    made: Place
    made = Copied(opened(root), "HEAD") if kind == "copy" else Itself(root, folder / "snapshots", "one", begun)  # type: ignore[arg-type]
    with made as entered:
        yield entered


def talk(place: Place, root: Path, *lines: Line, rules: Rules | None = None) -> Talk:
    session = fresh(root / ".sera" / "chat", datetime(2026, 11, 20))
    made = Talk(place, session, rules or Rules(yes), Seen(), Limits())
    made.answer_by("scripted", Folding(Scripted(*lines), 0), None)
    return made


def edit(old: str, new: str) -> Reply:
    return calls("str_replace_editor", command="str_replace", path="/testbed/a.py", old_str=old, new_str=new)


def text(place: Place) -> str:
    return place.sandbox.read("/testbed/a.py")


both = pytest.mark.parametrize("kind", ["copy", "here"])


@both
def test_turns_are_taken_back_one_by_one_and_put_back(kind: str, repository: Make) -> None:
    root = repository({"a.py": "x = 1\n"})
    with place(kind, root) as at:
        one = talk(at, root, edit("1", "2"), says("It is 2."), edit("2", "3"), says("It is 3."))
        assert [len(list(one.say(said))) for said in ("Make it 2.", "Make it 3.")] == [2, 2]
        whole = list(one.messages)
        assert text(at) == "x = 3\n"
        assert [turn.said for turn in (one.undo(), one.undo()) if turn] == ["Make it 3.", "Make it 2."]
        assert (text(at), one.messages, one.turns, one.undo()) == ("x = 1\n", [], [], None)
        assert [turn.said for turn in (one.redo(), one.redo()) if turn] == ["Make it 2.", "Make it 3."]
        assert (text(at), one.messages, one.redo()) == ("x = 3\n", whole, None)
        assert one.place.diff().endswith("-x = 1\n+x = 3\n")


@both
def test_a_conversation_goes_on_after_its_end(kind: str, repository: Make) -> None:
    root = repository({"a.py": "x = 1\n"})
    with place(kind, root) as at:
        one = talk(at, root, edit("1", "2").model_copy(update={"usage": Usage(prompt=7)}), says("It is 2."))
        list(one.say("Make it 2."))
        messages = list(one.messages)
    kept = find(root / ".sera" / "chat", "last")
    with place(kind, root, kept.begun) as at:
        two = talk(at, root, says("Still 2."))
        two.go_on(kept)
        assert (text(at), two.messages, two.used["scripted"].prompt) == ("x = 2\n", messages, 8)
        list(two.say("What is it?"))
        assert two.place.diff().endswith("-x = 1\n+x = 2\n")
        assert [one.said for one in find(root / ".sera" / "chat", "last").turns] == ["Make it 2.", "What is it?"]
        two.undo()
        two.undo()
        assert text(at) == "x = 1\n"


@both
def test_a_turn_that_is_stopped_keeps_what_it_did_and_can_be_taken_back(kind: str, repository: Make) -> None:
    def stopped(_: object) -> Reply:
        raise KeyboardInterrupt

    root = repository({"a.py": "x = 1\n"})
    with place(kind, root) as at:
        one = talk(at, root, edit("1", "2"), stopped)
        with pytest.raises(KeyboardInterrupt):
            list(one.say("Make it 2."))
        assert (text(at), len(one.messages)) == ("x = 2\n", 4)
        assert len(find(root / ".sera" / "chat", "last").messages) == 4
        one.undo()
        assert text(at) == "x = 1\n"


def test_by_hand_stays_by_hand(repository: Make) -> None:
    root = repository({"a.py": "x = 1\n", "b.py": "1\n"})
    with place("here", root) as at:
        one = talk(at, root, edit("1", "2"), says("It is 2."))
        list(one.say("Make it 2."))
        (root / "b.py").write_text("by hand\n")
        one.undo()
        assert ((root / "a.py").read_text(), (root / "b.py").read_text()) == ("x = 1\n", "by hand\n")


def test_an_edit_of_an_ignored_file_can_be_taken_back(repository: Make) -> None:
    root = repository({".gitignore": "a.py\n"})
    (root / "a.py").write_text("x = 1\n")
    with place("here", root) as at:
        one = talk(at, root, edit("1", "2"), says("It is 2."))
        list(one.say("Make it 2."))
        assert one.place.diff().endswith("-x = 1\n+x = 2\n")
        one.undo()
        assert text(at) == "x = 1\n"


@both
def test_what_was_refused_did_not_happen_and_the_agent_is_told(kind: str, repository: Make) -> None:
    asked: list[Question] = []

    def no(question: Question) -> Answer:
        asked.append(question)
        return Answer("no", "leave it")

    root = repository({"a.py": "x = 1\n"})
    with place(kind, root) as at:
        one = talk(at, root, edit("1", "2"), says("As you wish."), rules=Rules(no))
        list(one.say("Make it 2."))
        assert text(at) == "x = 1\n"
        assert [question.kind for question in asked] == ["edits"]
        assert one.messages[3]["content"].endswith('They say: "leave it"')


@both
@pytest.mark.parametrize("way", ["", "/testbed/../.."])
@pytest.mark.parametrize("command", ["view", "create", "insert"])
def test_no_edit_reaches_outside_the_checkout(
    kind: str, command: str, way: str, repository: Make, tmp_path: Path
) -> None:
    root, secret = repository({"a.py": "x = 1\n"}), tmp_path / "secret"
    secret.write_text("outside\n")
    given = {"file_text": "x", "insert_line": 0, "new_str": "x"}
    with place(kind, root) as at:
        reply = calls("str_replace_editor", command=command, path=f"{way}{secret}" if way else "/etc/hostname", **given)
        one = talk(at, root, reply, says("No."))
        list(one.say("Look."))
    assert one.messages[3]["content"].endswith(
        "is outside the repository; only files in /testbed can be seen and edited.")
    assert secret.read_text() == "outside\n"


@both
def test_what_was_changed_is_committed_and_nothing_else(kind: str, repository: Make) -> None:
    root = repository({"a.py": "x = 1\n", "b.py": "1\n"})
    (root / "b.py").write_text("by hand\n")
    with place(kind, root) as at:
        one = talk(at, root, edit("1", "2"), says("It is 2."), edit("2", "3"), says("It is 3."))
        list(one.say("Make it 2."))
        patch = one.place.diff()
        if kind == "copy":
            take_over(root, patch)
        import subprocess

        for name, value in (("user.name", "A Person"), ("user.email", "person@example.com")):
            subprocess.run(["git", "config", name, value], cwd=root, check=True)
        one.settle(committed(root, patch, "Make it 2"))
        assert (at.diff(), text(at)) == ("", "x = 2\n")
        shown = subprocess.run(["git", "show", "--stat", "--format=%s"], cwd=root, capture_output=True, text=True)
        assert [line.split("|")[0].strip() for line in shown.stdout.splitlines()[:3]] == ["Make it 2", "", "a.py"]
        kept = find(root / ".sera" / "chat", "last")
        with place(kind, root, kept.begun) as later:
            two = talk(later, root, says("Yes."))
            two.go_on(kept)
            assert (later.diff(), text(later)) == ("", "x = 2\n")
        list(one.say("Make it 3."))
        assert at.diff().endswith("-x = 2\n+x = 3\n")
        with pytest.raises(DataError, match="do not fit the files as they are"):
            take_over(root, patch + "x")


def test_subjects_are_short() -> None:
    assert subject(" Make  it 2.\nPlease") == "Make it 2."
    assert subject("word " * 30) == "word " * 13 + "word…"


def test_a_file_is_shown_with_what_is_said_next(repository: Make) -> None:
    root = repository({"a.py": "x = 1\n"})
    with place("copy", root) as at:
        one = talk(at, root, says("I see."))
        assert one.add("a.py").endswith("     1\tx = 1")
        assert one.add("../etc").startswith("The path /testbed/../etc does not exist")
        list(one.say("Look."))
        assert "     1\tx = 1" in one.messages[1]["content"]


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"command": "str_replace", "old_str": "x", "new_str": "y"}, ["-x = 1", "+y = 1"]),
        ({"command": "str_replace", "old_str": "none", "new_str": "y"}, []),
        ({"command": "insert", "insert_line": 1, "new_str": "y = 1\n"}, ["+y = 1"]),
        ({"command": "insert", "insert_line": 9, "new_str": "y = 1\n"}, []),
        ({"command": "create", "file_text": "1\n2\n"}, ["+1", "+2"]),
        ({"command": "view"}, []),
    ],
)  # fmt: skip
def test_an_edit_is_shown_as_the_change_it_would_make(
    given: dict[str, object], lines: list[str], repository: Make
) -> None:
    with place("here", repository({"a.py": "x = 1\n"})) as at:
        (call,) = calls("str_replace_editor", path="/testbed/a.py", **given).calls
        found = change(call, at.sandbox).splitlines()
        assert [line for line in found if line[:1] in "+-" and line[:3] not in ("---", "+++")] == lines


def test_an_ear_tells_thinking_from_text_and_calls() -> None:
    heard: list[Heard] = []
    ear = Ear(wire.DEFAULT, heard.append)
    for letter in '<think>\nHm.\n</think>\n\nSo.\n<tool_call>\n{"name": "submit", "arguments": {}}\n</tool_call>':
        ear(letter)
    ear.end()
    joined = {kind: "".join(one.text for one in heard if one.kind == kind) for kind in ("thinking", "said", "name")}
    assert joined == {"thinking": "Hm.", "said": "So.", "name": "submit"}
    Ear(None, heard.append)("plain")
    assert heard[-1] == Heard("said", "plain")
    Ear(None, heard.append)(Thought("Hm."))
    assert heard[-1] == Heard("thinking", "Hm.")
