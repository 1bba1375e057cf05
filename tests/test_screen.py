"""What is shown of a turn, where no terminal breaks lines."""

import json
from io import StringIO

import pytest
from rich.console import Console

from sera_cli.cli.talk import screen as screens
from sera_cli.cli.talk.keys import answer
from sera_cli.cli.talk.screen import Screen, cut, in_words, painted
from sera_cli.harness.loop import NO_CALL
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Reply, ToolCall
from tests.scripted import calls, says

THOUGHT = "I look.\nThen I change it."


def hear(screen: Screen, *pieces: Heard) -> None:
    for piece in pieces:
        screen.heard(piece)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_reply_is_shown_as_it_comes_its_thinking_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    for letter in THOUGHT:
        screen.heard(Heard("thinking", letter))
    hear(screen, Heard("said", "\n\n"), Heard("said", "It i"), Heard("said", "s 2."), Heard("name", "bash"))
    screen.replied(says("It is 2."))
    assert shown(capsys) == "· I look. … 2 lines, /think\nIt is 2.\n"
    assert screen.thought == THOUGHT


def test_a_folded_thought_tells_how_long_it_grows_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = StringIO()
    terminal = Console(file=heard, force_terminal=True, width=60, color_system=None, _environ={"TERM": "xterm"})
    monkeypatch.setattr(screens, "err", lambda: terminal)
    screen = Screen()
    for _ in range(60):
        hear(screen, Heard("thinking", "why "))
    hear(screen, Heard("said", "So."))
    screen.over()
    assert heard.getvalue() == (
        "· " + "why " * 9 + "\x1b7 … 25 words\x1b[K\x1b8\x1b7 … 50 words\x1b[K\x1b8\x1b[K… /think\nSo.\n"
    )


def test_a_thought_that_fits_on_a_line_is_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    hear(screen, Heard("thinking", "I look."))
    screen.replied(calls("submit"))
    assert shown(capsys) == "· I look.\n"


def test_thinking_is_shown_whole_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.unfolded = True
    hear(screen, Heard("thinking", THOUGHT), Heard("said", "Yes."))
    screen.over()
    assert shown(capsys) == f"· {THOUGHT}\nYes.\n"


def test_what_was_not_heard_is_shown_once_the_reply_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    thinking = says("Yes.").model_copy(update={"message": says("Yes.").message | {"reasoning_content": "Hm."}})
    screen.replied(thinking)
    hear(screen, Heard("said", "Heard."))
    screen.replied(says("Heard."))
    assert shown(capsys) == "· Hm.\nYes.\nHeard.\n"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (says("Hello.").model_copy(update={"problem": NO_CALL}), "Hello.\n"),
        (says("").model_copy(update={"problem": NO_CALL}), f"! {NO_CALL}\n"),
        (says("So: {").model_copy(update={"problem": "bad JSON"}), "    So: {\n! bad JSON\n"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said(reply: Reply, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Screen().replied(reply)
    assert shown(capsys) == said


def test_a_call_that_was_heard_half_is_not_shown_again_raw(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    hear(screen, Heard("thinking", "Hm."), Heard("name", "bash"), Heard("arguments", '{"com'))
    raw = says('<think>\nHm.\n</think>\n\n<tool_call>\n{"name": "bash", "arguments": {"com')
    screen.replied(raw.model_copy(update={"problem": "the call is cut off"}))
    assert shown(capsys) == "· Hm.\n! the call is cut off\n"


def test_calls_are_shown_as_they_will_be_carried_out() -> None:
    def words(name: str, **given: object) -> str:
        return in_words(ToolCall(id="c", name=name, arguments=json.dumps(given)))

    assert words("bash", command="ls -l | wc") == "$ ls -l | wc"
    seen = words("str_replace_editor", command="view", path="/testbed/a.py", view_range=[1, -1])
    assert seen == "→ view a.py 1 to -1"
    assert words("str_replace_editor", command="create", path="/etc/x", file_text="y") == "→ create /etc/x"
    assert words("submit") == "→ submit"


def test_outputs_are_cut_and_refusals_said(capsys: pytest.CaptureFixture[str]) -> None:
    screen, (bash,), (edit,) = Screen(), calls("bash", command="ls").calls, calls("str_replace_editor").calls
    screen.called(bash, "\n".join(map(str, range(20))))
    screen.called(edit, "The file /testbed/a.py has been edited. Here are…")
    screen.called(edit, "No replacement was performed: old_str does not appear")
    screen.called(bash, "This was not run: the user did not allow it.")
    lines = shown(capsys).splitlines()
    assert (lines[0], lines[12], lines[13:]) == (
        "    0", "    … 8 more lines",
        ["    No replacement was performed: old_str does not appear", "    not run: the user did not allow it."])
    assert cut("one") == "    one"


def test_nothing_in_a_reply_reaches_the_terminal_as_a_control(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    hear(screen, Heard("said", "\x1b[2Jgone\r "), Heard("thinking", "\x1b]0;title\x07"))
    screen.calling(calls("bash", command="echo \x1b[31m").calls[0], "--- a\n+++ b\n+\x1b[0m")
    assert "\x1b" not in shown(capsys)


def test_what_is_to_be_allowed_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().calling(calls("bash", command="ls \u202egpj.sh\u200b").calls[0], "--- a\n+++ b\n+x = 'é\u2066'")
    assert shown(capsys) == "$ ls \\u{202e}gpj.sh\\u{200b}\n+x = 'é\\u{2066}'\n"


def test_a_long_change_is_cut_with_its_length_said(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().calling(calls("submit").calls[0], "--- a\n+++ b\n" + "+x\n" * 100)
    assert shown(capsys).splitlines()[-2:] == ["+x", "… 20 more lines"]


def test_a_patch_is_painted_line_by_line() -> None:
    assert [style for style, _ in painted("--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n z\n")] == [
        "bold", "bold", "cyan", "red", "green", ""]


def test_an_answer_that_is_none_of_the_known_is_for_the_agent() -> None:
    assert [answer(said).verdict for said in ("y", "Always", "n", "v")] == ["once", "always", "no", "never"]
    assert answer("use ruff") == ("no", "use ruff")
