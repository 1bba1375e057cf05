"""What is asked before a call is carried out, and what an answer covers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.agents.talk.approval import Answer, Question, Rules, kind_of, privileged
from sera_cli.types import ToolCall


def bash(command: str) -> ToolCall:
    return ToolCall(id="c", name="bash", arguments=json.dumps({"command": command}))


def edit(command: str) -> ToolCall:
    return ToolCall(id="c", name="str_replace_editor", arguments=json.dumps({"command": command, "path": "/testbed/a"}))


class Person:
    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question.kind)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("pytest tests -x", "pytest"), ("pytest /testbed/tests", "pytest"), ("git status --short", "git status"),
        ("npm test", "npm test"),
        ("git -C /x push", "git -C /x push"), ("pytest; rm -rf .", "pytest; rm -rf ."), ("cat ../x", "cat ../x"),
        ("cat ~/.ssh/id", "cat ~/.ssh/id"), ("cat --file=/etc/x", "cat --file=/etc/x"),
        ("python -c 1", "python -c 1"), ("X=1 make", "X=1 make"), ("./run", "./run"), ("echo $(id)", "echo $(id)"),
        ("bash -c ls", "bash -c ls"), ("export PATH=x", "export PATH=x"), ("echo 'x", "echo 'x"), ("", ""),
        ("ls\nid", "ls\nid"),
    ],
)  # fmt: skip
def test_a_standing_answer_covers_one_plain_program_or_the_very_command(command: str, kind: str) -> None:
    assert kind_of(bash(command)) == f"command `{kind}`"


def test_looking_is_never_asked_about() -> None:
    assert [kind_of(edit(one)) for one in ("view", "create", "str_replace", "insert", "undo_edit")] == [
        "", "edits", "edits", "edits", "edits"]
    assert kind_of(ToolCall(id="c", name="submit", arguments="")) == ""


def test_once_is_asked_again_and_always_is_not() -> None:
    person = Person(Answer("once"), Answer("always"), Answer("once"))
    rules = Rules(person)
    assert [rules.refusal(bash("pytest")) for _ in range(4)] == ["", "", "", ""]
    assert rules.refusal(bash("pytest; id")) == ""
    assert person.asked == ["command `pytest`", "command `pytest`", "command `pytest; id`"]


def test_a_refusal_tells_the_agent_what_was_said() -> None:
    rules = Rules(Person(Answer("no", "use ruff"), Answer("no"), Answer("never")))
    assert rules.refusal(edit("create")) == 'This was not run: the user did not allow it. They say: "use ruff"'
    assert rules.refusal(edit("create")) == (
        "This was not run: the user did not allow it. Do something else, or ask what they want.")
    rules.refusal(edit("create"))
    assert rules.refusal(edit("insert")) == "This was not run: the user allows no edits here. Do without."


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("sudo ls", "sudo"), ("ls && /usr/bin/sudo id", "/usr/bin/sudo"), ("echo $(doas id)", "doas"),
        (r"\sudo id", "sudo"), ("s''udo id", "sudo"), (r"su\do id", "sudo"), ("{sudo,id}", "sudo"),
        ("su\\\ndo id", "sudo"), ("run0 id", "run0"), ("systemd-run --pty id", "systemd-run"), ("cat<su.txt", ""),
        ("bash -c 'su root'", "su"), ("x=sudo; $x id", "sudo"), ("ls sudoku", ""), ("cat su.py", ""),
    ],
)  # fmt: skip
def test_what_gains_privileges_is_refused_without_asking(command: str, word: str) -> None:
    assert privileged(command) == word
    said = Rules(Person(Answer("once"))).refusal(bash(command))
    assert said == (f"This was not run: commands that gain privileges ({word}) are not allowed here. Do without."
                    if word else "")


@given(st.text(max_size=40), st.text(max_size=40))
def test_always_for_a_program_never_covers_a_command_that_joins_another(one: str, other: str) -> None:
    for joint in (";", "&&", "|", "\n", "`"):
        joined = f"pytest {one}{joint}x{other}x"
        assert kind_of(bash(joined)) == f"command `{joined}`"
