"""What clients that bring their own tools see, and what the agent sees of them: the tools it was trained on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.agents.serving.asked import Asked
from sera_cli.agents.serving.mapping import SUBMITTED, Mapping, Plain, calls, mapping, paths
from sera_cli.agents.serving.mapping.clients import CLIENTS, client
from sera_cli.agents.serving.mapping.results import STALE, Known, observation
from sera_cli.harness.editor import Editor
from sera_cli.harness.loop import opening
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.harness.tools import SILENT, specs
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message, Reply, ToolCall
from tests.rollouts import exported

CLAUDE = next(one for one in CLIENTS if one.name == "Claude Code")
CODEX = next(one for one in CLIENTS if one.name == "Codex")
CLAUDE = next(one for one in CLIENTS if one.name == "Claude Code")
ENV = "You are Claude Code.\n<env>\nWorking directory: /home/me/shop\nPlatform: linux\n</env>"


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {}}}


def called(id_: str, name: str, **arguments: object) -> Message:
    return {"role": "assistant", "content": "", "tool_calls": [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]}  # fmt: skip


TOOLS = ("Bash", "Read", "Edit", "Write", "Task", "mcp__db__query")


def asked(*messages: Message, tools: tuple[str, ...] = TOOLS) -> Asked:
    begin: tuple[Message, ...] = ({"role": "system", "content": ENV}, {"role": "user", "content": "Mend a.py."})
    return Asked(model="", messages=(*begin, *messages), tools=tuple(map(tool, tools)))


def seen(*messages: Message) -> list[Message]:
    """What the agent is shown behind its opening."""
    return list(mapping(asked(*messages)).asked.messages[2:])


def result(id_: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def heard(found: Plain | Mapping, name: str, **arguments: object) -> tuple[str, dict[str, Any]]:
    """The call that the client is told, of one that the agent makes piece by piece."""
    text = json.dumps(arguments)
    told = [*found.hear(Heard("name", name)), *found.hear(Heard("arguments", text[:7])),
            *found.hear(Heard("arguments", text[7:]))]  # fmt: skip
    return told[0].text, json.loads("".join(one.text for one in told[1:]))


paths_of = st.sampled_from(["/testbed/a.py", "/testbed/docs", "/testbed/dir/b c.txt", "/testbed"])
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
edits = st.one_of(
    st.fixed_dictionaries({"command": st.just("view"), "path": paths_of}),
    st.fixed_dictionaries({"command": st.just("view"), "path": paths_of,
                           "view_range": st.tuples(st.integers(1, 9), st.just(-1) | st.integers(9, 99)).map(list)}),
    st.fixed_dictionaries({"command": st.just("create"), "path": paths_of, "file_text": words}),
    st.fixed_dictionaries({"command": st.just("str_replace"), "path": paths_of, "old_str": words, "new_str": words}),
    st.fixed_dictionaries({"command": st.just("insert"), "path": paths_of, "insert_line": st.integers(0, 9),
                           "new_str": words}),
    st.fixed_dictionaries({"command": st.just("undo_edit"), "path": paths_of}),
)  # fmt: skip
ours = st.tuples(st.just("str_replace_editor"), edits) | st.tuples(
    st.just("bash"), st.fixed_dictionaries({"command": words | st.just("cd /testbed && ls '/testbed'; cat x/testbed")}))


@settings(max_examples=200)
@given(st.sampled_from(CLIENTS), ours)
def test_a_call_that_goes_there_comes_back_as_it_was(which: Any, call: tuple[str, dict[str, Any]]) -> None:
    name, made = calls.there(*call, which)
    assert name in which.tools
    assert calls.here(name, json.loads(json.dumps(made)), which) == call


@given(words | st.lists(st.sampled_from(["/testbed", "/testbed/a", " ", "x", "/", "'", ":", "\n", "s"])).map("".join))
def test_a_path_that_goes_there_comes_back(text: str) -> None:
    assert paths.here(paths.there(text, "/home/me/shop"), "/home/me/shop") == text


def test_only_where_a_path_begins_is_it_the_clients_folder() -> None:
    said = "cd /testbed && cat /testbed/a.py x/testbed /testbed2 '/testbed' /testbed."
    there = "cd /home/me/shop && cat /home/me/shop/a.py x/testbed /testbed2 '/home/me/shop' /home/me/shop."
    assert paths.there(said, "/home/me/shop") == there


@pytest.mark.parametrize(
    ("call", "name", "told"),
    [
        ({"command": "view", "path": "/testbed/a.py"}, "Read", {"file_path": "/home/me/shop/a.py"}),
        ({"command": "view", "path": "/testbed/a.py", "view_range": [3, 7]}, "Read",
         {"file_path": "/home/me/shop/a.py", "offset": 3, "limit": 5}),
        ({"command": "view", "path": "/testbed/a.py", "view_range": [3, -1]}, "Read",
         {"file_path": "/home/me/shop/a.py", "offset": 3}),
        ({"command": "create", "path": "/testbed/b.py", "file_text": "x = '/testbed'\n"}, "Write",
         {"file_path": "/home/me/shop/b.py", "content": "x = '/testbed'\n"}),
    ],
)  # fmt: skip
def test_the_editor_is_claude_codes_tools_for_files(call: dict[str, Any], name: str, told: dict[str, Any]) -> None:
    assert heard(mapping(asked()), "str_replace_editor", **call) == (name, told)


EDIT = {"command": "str_replace", "path": "/testbed/a.py", "old_str": "x", "new_str": "y"}
INSERT = {"command": "insert", "path": "/home/me/shop/a.py", "insert_line": 0, "new_str": "y"}
READ = (called("c0", "Read", file_path="/home/me/shop/a.py"), result("c0", "1\tx\n2\t"))
EDITED = called("c1", "Edit", file_path="/home/me/shop/a.py", old_string="x", new_string="y")
REFUSAL = result("c1", "<tool_use_error>File has been modified since read. Read it again.</tool_use_error>")


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ((), "Bash"),
        (READ, "Edit"),
        ((*READ, EDITED, result("c1", "The file /home/me/shop/a.py has been updated.")), "Edit"),
        ((*READ, EDITED, REFUSAL), "Bash"),
        ((*READ, called("c1", "Bash", command="ls"), result("c1", "a.py")), "Edit"),
        ((*READ, called("c1", "Bash", **calls.there("str_replace_editor", INSERT, CLAUDE)[1]),
          result("c1", "The file /home/me/shop/a.py has been edited. Here are lines 1 to 1")), "Bash"),
    ],
)  # fmt: skip
def test_a_file_is_edited_by_the_clients_own_tool_once_that_has_read_it(before: Any, name: str) -> None:
    assert heard(mapping(asked(*before)), "str_replace_editor", **EDIT)[0] == name


def test_an_edit_that_the_client_refuses_for_want_of_reading_is_to_be_made_again() -> None:
    assert seen(*READ, EDITED, REFUSAL)[-1]["content"] == STALE


@pytest.mark.parametrize(
    "odd",
    [
        {"path": "/tmp/a.py", "view_range": [1]}, {"path": "/tmp/a.py", "view_range": "1-2"},
        {"path": "/tmp/a.py", "view_range": ["1", "2"]}, {"path": "/tmp/a.py", "view_range": [5, 2]},
        {"path": ["/tmp/a.py"]}, {"path": {}}, {"path": None},
    ],
)  # fmt: skip
def test_a_view_that_no_tool_takes_is_answered_by_the_program(odd: dict[str, Any]) -> None:
    name, told = heard(mapping(asked()), "str_replace_editor", command="view", **odd)
    assert name == "Bash"
    assert calls.here(name, told, CLAUDE) == ("str_replace_editor", {"command": "view", **odd})


def test_what_is_wrong_with_a_call_is_told_in_our_words() -> None:
    odd = {"command": "view", "path": "/testbed/a.py", "view_range": [1]}
    _, told = calls.there("str_replace_editor", odd, CLAUDE)
    done = subprocess.run(["bash", "-c", told["command"]], capture_output=True, text=True, check=True)
    assert done.stdout == "The argument `view_range` of `str_replace_editor` must be a list of two integers.\n"


def test_lines_that_a_client_asked_for_in_words_are_a_view_of_the_whole() -> None:
    assert calls.here("Read", {"file_path": "/a.py", "offset": "first"}, CLAUDE) == (
        "str_replace_editor", {"command": "view", "path": "/a.py"})


def test_a_command_is_run_where_the_client_stands() -> None:
    name, told = heard(mapping(asked()), "bash", command="cd /testbed && ls")
    command = "cd /home/me/shop && ls"
    assert (name, told) == ("Bash", {"command": command, "description": command, "timeout": 300_000})


def test_the_agent_sees_its_own_opening_tools_and_folder() -> None:
    reminder = "<system-reminder>\nBe nice.\n</system-reminder>\n"
    one = Asked(model="", tools=asked().tools, messages=(
        {"role": "system", "content": ENV}, {"role": "user", "content": f"{reminder}Mend /home/me/shop/a.py."},
        {"role": "assistant", "content": "So?"}, {"role": "user", "content": f"Go on.\n{reminder}"}))  # fmt: skip
    found = mapping(one).asked
    assert list(found.messages) == [
        *opening("Mend /testbed/a.py."), {"role": "assistant", "content": "So?"}, {"role": "user", "content": "Go on."}]
    assert found.tools == (*specs(), tool("mcp__db__query"))


def test_what_the_client_did_reads_as_if_our_tools_had_done_it() -> None:
    messages = seen(
        called("c0", "Read", file_path="/home/me/shop/a.py"),
        result("c0", "     1→x = 1\n     2→y = 2\n\n<system-reminder>\nNo malware.\n</system-reminder>"),
        called("c1", "Edit", file_path="/home/me/shop/a.py", old_string="x = 1", new_string="x = 3"),
        result("c1", "The file /home/me/shop/a.py has been updated successfully."),
        called("c2", "Bash", command="cd /home/me/shop && python a.py", description="Run it"),
        result("c2", ""),
    )
    assert [json.loads(message["tool_calls"][0]["function"]["arguments"]) for message in messages[::2]] == [
        {"command": "view", "path": "/testbed/a.py"},
        {"command": "str_replace", "path": "/testbed/a.py", "old_str": "x = 1", "new_str": "x = 3"},
        {"command": "cd /testbed && python a.py"},
    ]
    listing = "Here are lines 1 to 2 of /testbed/a.py, which has 2:\n     1\tx = {}\n     2\ty = 2"
    assert [message["content"] for message in messages[1::2]] == [
        listing.format(1), f"The file /testbed/a.py has been edited. {listing.format(3)}", SILENT]


@pytest.mark.parametrize(
    ("name", "call", "said", "told"),
    [
        ("bash", {"command": "false"}, "Exit code 1", "The command printed nothing and ended with exit status 1."),
        ("bash", {"command": "x"}, "Exit code 2\nsh: no", "sh: no"),
        ("bash", {"command": "x"}, "Tool ran without output or errors", SILENT),
        ("bash", {"command": "x"}, "(Bash completed with no output)", SILENT),
        ("bash", {"command": "x"}, "The user doesn't want to proceed with this tool use. The tool use was rejected. "
         "To tell you how to proceed, the user said:\nuse rg",
         "The user refused this call, and it was not carried out. They say: use rg"),
        ("view", {"path": "/a"}, "<tool_use_error>File does not exist.</tool_use_error>",
         "The path /a does not exist."),
        ("view", {"path": "/a"}, "EISDIR: illegal operation on a directory, read",
         "The path /a is a directory; only `view` works on directories."),
        ("view", {"path": "/a"}, "<system-reminder>Warning: the file's contents are empty.</system-reminder>",
         "The file /a is empty."),
        ("view", {"path": "/a", "view_range": [7, 8]}, "     7→a\n     8→b",
         "Here are lines 7 to 8 of /a:\n     7\ta\n     8\tb"),
        ("view", {"path": "/a"}, "1\ta\n2\t\n3\t", "Here are lines 1 to 2 of /a, which has 2:\n     1\ta\n     2\t"),
        ("view", {"path": "/a", "view_range": [1, 3]}, "1\ta\n2\t", "Here are lines 1 to 1 of /a:\n     1\ta"),
        ("view", {"path": "/a", "view_range": [1, 2]}, "1\ta\n2\t",
         "Here are lines 1 to 2 of /a:\n     1\ta\n     2\t"),
        ("view", {"path": "/a"}, "<content>\n1: a\n2: \n\n(End of file - total 2 lines)\n</content>",
         "Here are lines 1 to 2 of /a, which has 2:\n     1\ta\n     2\t"),
        ("bash", {"command": "x"}, "Chunk ID: 84c6d6\nWall time: 0.0 seconds\nProcess exited with code 0\n"
         "Original token count: 1\nOutput:\n3\n", "3"),
        ("bash", {"command": "x"}, "Chunk ID: 84c6d6\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\n",
         SILENT),
        ("bash", {"command": "x"}, "Exit code: 2\nWall time: 0.1 seconds\nOutput:\n",
         "The command printed nothing and ended with exit status 2."),
        ("bash", {"command": "x"}, "Wall time: 30.0 seconds\nProcess running with session ID 5\nOutput:\n1 passed\n",
         "1 passed\nThe command still runs. Call `write_stdin` with session_id 5 to wait for the rest."),
        ("create", {"path": "/a", "file_text": "x"}, "File created successfully at: /a",
         "The file /a has been created."),
        ("str_replace", {"path": "/a", "old_str": "x"}, "<tool_use_error>String to replace not found in file.",
         "No replacement was performed: old_str does not appear verbatim in /a."),
        ("str_replace", {"path": "/a", "old_str": "x"}, "Found 3 matches of the string to replace",
         "No replacement was performed: old_str appears in several places of /a. Make it unique."),
        ("str_replace", {"path": "/a", "old_str": "x"}, "The file /a has been updated.",
         "The file /a has been edited."),
    ],
)  # fmt: skip
def test_what_clients_answer_is_told_in_our_words(name: str, call: dict[str, Any], said: str, told: str) -> None:
    given = call if name == "bash" else {"command": name, **call}
    assert observation("bash" if name == "bash" else "str_replace_editor", given, said, Known()) == told


def test_what_was_known_of_a_file_is_not_told_after_a_command_that_may_have_changed_it() -> None:
    known = Known()
    view = {"command": "view", "path": "/a"}
    observation("str_replace_editor", view, "1→x", known)
    observation("bash", {"command": "sed -i s/x/z/ /a"}, "", known)
    edit = {"command": "str_replace", "path": "/a", "old_str": "x", "new_str": "y"}
    told = observation("str_replace_editor", edit, "The file /a has been updated.", known)
    assert told == "The file /a has been edited."


def test_a_submission_ends_the_turn_with_a_word() -> None:
    found = mapping(asked())
    call = ToolCall(id="call_0_0", name="submit", arguments="{}")
    function = {"name": "submit", "arguments": "{}"}
    message: Message = {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call_0_0", "type": "function", "function": function}]}  # fmt: skip
    told = [*found.hear(Heard("name", "submit")), *found.hear(Heard("arguments", "{}"))]
    owed, reply = found.end(Reply(message=message, calls=(call,)))
    assert (told, owed, reply.calls) == ([], [Heard("said", SUBMITTED)], ())
    assert reply.message == {"role": "assistant", "content": SUBMITTED}


def test_tools_of_other_servers_stream_as_they_are_and_keep_their_place() -> None:
    found = mapping(asked())
    pieces = [Heard("name", "submit"), Heard("arguments", "{}"), Heard("name", "mcp__db__query", 1),
              Heard("arguments", '{"a', 1), Heard("arguments", '": 1}', 1)]  # fmt: skip
    assert [told for piece in pieces for told in found.hear(piece)] == [
        Heard("name", "mcp__db__query"), Heard("arguments", '{"a'), Heard("arguments", '": 1}')]


def test_of_what_else_a_client_brings_only_tools_from_elsewhere_are_offered() -> None:
    told = {
        "Claude Code": ["Agent", "Glob", "Workflow", "mcp__db__query"],
        "opencode": ["glob", "task", "db_query"],
        "Codex": ["request_user_input", "write_stdin", "mcp__db__query"],
        "Codex, older": ["apply_patch", "mcp__db__query"],
    }
    offered = {one.name: [name for name in told[one.name] if one.offers(name)] for one in CLIENTS}
    assert offered == {
        "Claude Code": ["mcp__db__query"], "opencode": ["db_query"], "Codex": ["write_stdin", "mcp__db__query"],
        "Codex, older": ["mcp__db__query"],
    }  # fmt: skip


def test_the_agents_own_tools_and_strange_ones_are_left_alone() -> None:
    for tools in (("bash", "str_replace_editor", "submit", "read", "edit", "write"), ("get_weather",), ()):
        one = asked(tools=tools)
        found = mapping(one)
        assert isinstance(found, Plain) and found.asked is one


def test_clients_are_known_by_their_tools() -> None:
    assert [found and found.name for found in (
        client(["Bash", "Read", "Edit", "Write", "Glob"]), client(["bash", "read", "edit", "write"]),
        client(["exec_command", "write_stdin"]), client(["shell"]), client(["Bash"]))
    ] == ["Claude Code", "opencode", "Codex", "Codex, older", None]  # fmt: skip


def carried_out(call: dict[str, Any], last: dict[str, Any] | None = None) -> str:
    """What a client that has only a shell answers to a call of the editor."""
    _, made = calls.there("str_replace_editor", call, CODEX, last)
    command = made["cmd"].replace("python3", sys.executable, 1)
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.removesuffix("\n")


def test_the_program_that_a_shell_runs_answers_as_our_editor_does(tmp_path: Path) -> None:
    sandbox = FolderSandbox(exported(tmp_path / "base"))
    with sandbox as place:
        editor = Editor(place)
        folder = tmp_path / "client"
        folder.mkdir()
        steps: list[dict[str, Any]] = [
            {"command": "create", "path": "{}/new.txt", "file_text": "".join(f"line {n}\n" for n in range(1, 13))},
            {"command": "create", "path": "{}/new.txt", "file_text": ""},
            {"command": "view", "path": "{}/new.txt"}, {"command": "view", "path": "{}/new.txt", "view_range": [3, -1]},
            {"command": "view", "path": "{}/new.txt", "view_range": [9, 99]},
            {"command": "str_replace", "path": "{}/new.txt", "old_str": "line 6", "new_str": "line six\nand more"},
            {"command": "str_replace", "path": "{}/new.txt", "old_str": "absent", "new_str": ""},
            {"command": "str_replace", "path": "{}/new.txt", "old_str": "line", "new_str": ""},
            {"command": "insert", "path": "{}/new.txt", "insert_line": 0, "new_str": "é first\n"},
            {"command": "insert", "path": "{}/new.txt", "insert_line": 99, "new_str": "x"},
            {"command": "undo_edit", "path": "{}/new.txt"}, {"command": "view", "path": "{}/new.txt"},
            {"command": "undo_edit", "path": "{}/new.txt"}, {"command": "view", "path": "{}/new.txt"},
            {"command": "view", "path": "{}/absent.txt"}, {"command": "undo_edit", "path": "{}/other.txt"},
            {"command": "create", "path": "{}/empty.txt", "file_text": ""}, {"command": "view", "path": "{}/empty.txt"},
        ]  # fmt: skip
        edits: list[dict[str, Any]] = []
        for step in steps:
            here = {**step, "path": step["path"].format(folder)}
            undo = step["command"] == "undo_edit"
            last = edits.pop() if undo and edits and "new.txt" in step["path"] else None
            told = carried_out(here, last).replace(str(folder), "/testbed")
            assert told == editor(**{**step, "path": step["path"].format("/testbed")}), step
            if " has been created." in told or " has been edited." in told:
                edits.append(here)


def test_an_edit_is_taken_back_by_what_the_conversation_tells_of_it() -> None:
    edit = {"command": "insert", "path": "/testbed/a.py", "insert_line": 1, "new_str": "z"}
    _, made = calls.there("str_replace_editor", {**edit, "path": "/home/me/shop/a.py"}, CLAUDE)
    done = result("c0", "The file /home/me/shop/a.py has been edited. Here")
    found = mapping(asked(called("c0", "Bash", **made), done))
    name, told = heard(found, "str_replace_editor", command="undo_edit", path="/testbed/a.py")
    assert name == "Bash"
    last = {**edit, "path": "/home/me/shop/a.py"}
    assert f'"last": {json.dumps(last)}' in told["command"]
