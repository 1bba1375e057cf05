import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sera_cli.errors import DataError
from sera_cli.harness.wire import Wire, flatten, parse, render, thought
from sera_cli.harness.wire.family import Thinking
from sera_cli.types import Message

BASH: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "bash", "description": "Runs <a> \"command\" – é.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}
SUBMIT: dict[str, Any] = {"type": "function", "function": {"name": "submit", "description": "Ends.", "parameters": {}}}


def call(name: str, arguments: object, id_: str = "c1") -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}


def said(*calls: dict[str, Any], **fields: object) -> Message:
    return {"role": "assistant", "content": "", **fields, "tool_calls": list(calls)}


CONVERSATION: list[Message] = [
    {"role": "system", "content": "You fix things."},
    {"role": "user", "content": "Fix <it>."},
    said(call("bash", {"command": "ls \"a b\"\n{}"}), reasoning_content="Look first."),
    {"role": "tool", "tool_call_id": "c1", "content": "OBSERVATION:\na.py"},
    said(
        call("bash", {"command": "cat a.py"}), call("bash", {"command": "ls", "ü": [1, 2.5, None]}),
        reasoning_content="Then\n\nread.",
    ),
    {"role": "tool", "tool_call_id": "c1", "content": "OBSERVATION:\nx = 1"},
    {"role": "tool", "tool_call_id": "c1", "content": "OBSERVATION:\na.py"},
    said(call("submit", {}), reasoning_content="Done."),
]


def test_an_assistant_turn_is_its_thinking_and_its_calls() -> None:
    assert render(CONVERSATION[4]) == (
        "<think>\nThen\n\nread.\n</think>\n\n"
        '<tool_call>\n{"name": "bash", "arguments": {"command": "cat a.py"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "bash", "arguments": {"command": "ls", "ü": [1, 2.5, null]}}\n</tool_call>'
    )


def test_a_conversation_becomes_three_roles_and_only_the_assistant_is_trained_on() -> None:
    flat = flatten(CONVERSATION)
    assert [(m["role"], m["train"]) for m in flat] == [
        ("system", False), ("user", False), ("assistant", True), ("user", False),
        ("assistant", True), ("user", False), ("assistant", True),
    ]
    assert flat[5]["content"] == (
        "<tool_response>\nOBSERVATION:\nx = 1\n</tool_response>\n<tool_response>\nOBSERVATION:\na.py\n</tool_response>"
    )


def test_a_turn_marked_untrained_stays_untrained() -> None:
    assert flatten([said(call("submit", {}), train=False)])[0]["train"] is False


def template(name: str) -> str:
    trl = importlib.util.find_spec("trl")
    if trl is None or trl.origin is None:
        pytest.skip("trl, which ships Qwen's chat templates, is not installed")
    return (Path(trl.origin).parent / "chat_templates" / name).read_text(encoding="utf-8")


def by_template(name: str, messages: list[Message]) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(template(name)).render(messages=messages, tools=[BASH, SUBMIT])


def chatml(messages: list[Message]) -> str:
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)


def test_qwen3_own_template_gives_the_same_text() -> None:
    assert chatml(flatten(CONVERSATION, [BASH, SUBMIT])) == by_template("qwen3.jinja", CONVERSATION)


def test_qwen2_5_own_template_gives_the_same_system_message() -> None:
    assert chatml(flatten(CONVERSATION[:2], [BASH, SUBMIT])) == by_template("qwen2_5.jinja", CONVERSATION[:2])


def test_tools_without_a_system_message_get_one() -> None:
    assert [m["role"] for m in flatten([{"role": "user", "content": "hi"}], [BASH])] == ["system", "user"]
    assert flatten([{"role": "user", "content": "hi"}], [BASH])[0]["content"].startswith("# Tools\n\nYou may call")


def test_commentary_becomes_the_thinking_when_there_is_none() -> None:
    text = render(said(call("submit", {}), content="All is well. "))
    assert text == '<think>\nAll is well.\n</think>\n\n<tool_call>\n{"name": "submit", "arguments": {}}\n</tool_call>'


@pytest.mark.parametrize("fields", [
    {"content": "Let me see.", "reasoning_content": "Hm."},
    {"content": "Let me see.", "reasoning": "Hm."},
    {"content": "Let me see.", "reasoning_content": " ", "reasoning": "Hm."},
    {"content": "<think>\nHm.</think>\nLet me see."},
    {"content": [{"type": "text", "text": "<think>Hm.</think>"}, {"type": "text", "text": "Let me see."}]},
])
def test_commentary_is_left_out_beside_thinking_whatever_field_that_came_in(fields: dict[str, Any]) -> None:
    assert render(said(call("submit", {}), **fields)).startswith("<think>\nHm.\n</think>\n\n<tool_call>")


def test_an_answer_without_calls_keeps_both_thinking_and_text() -> None:
    message = {"role": "assistant", "content": "It is 4.", "reasoning_content": "2 + 2"}
    assert render(message) == "<think>\n2 + 2\n</think>\n\nIt is 4."
    reply = parse(render(message))
    assert (reply.message, reply.calls, reply.problem) == (message, (), "")


def test_a_malformed_reply_is_shown_again_as_it_was() -> None:
    text = "<think>\nHm.</think> I run\n<tool_call>\n{\"name\": \"bash\", oops}\n</tool_call>"
    reply = parse(text)
    assert reply.message == {"role": "assistant", "content": text}
    assert flatten([reply.message])[0]["content"] == text


def test_arguments_that_are_no_json_are_shown_again_as_they_were() -> None:
    text = render(said(call("bash", '{"command": ls')))
    assert text == '<tool_call>\n{"name": "bash", "arguments": {"command": ls}\n</tool_call>'
    assert parse(text).problem == "the tool call is not JSON: Expecting value at character 42"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert parse(render(said(call("submit", "")))).calls[0].arguments == "{}"


def test_tags_inside_thinking_and_arguments_delimit_nothing() -> None:
    grep = call("bash", {"command": "grep '</tool_call>' <think>"})
    text = render(said(grep, reasoning_content="Is </think> split?"))
    assert (text.count("</tool_call>"), text.count("<think>"), text.count("</think>")) == (1, 1, 1)
    reply = parse(text)
    assert json.loads(reply.calls[0].arguments) == {"command": "grep '</tool_call>' <think>"}
    assert reply.message["reasoning_content"] == "Is </think> split?"


def test_a_closing_tag_that_a_model_left_inside_a_string_is_no_end() -> None:
    reply = parse('<tool_call>\n{"name": "bash", "arguments": {"command": "echo </tool_call>"}}\n</tool_call>')
    assert json.loads(reply.calls[0].arguments) == {"command": "echo </tool_call>"}


def test_calls_are_numbered_within_their_turn() -> None:
    reply = parse(render(CONVERSATION[4]), turn=3)
    assert [c.id for c in reply.calls] == ["call_3_0", "call_3_1"]
    assert [c["id"] for c in reply.message["tool_calls"]] == ["call_3_0", "call_3_1"]


@pytest.mark.parametrize(("text", "problem"), [
    ("<think>on and on", "the thinking is not closed with </think>"),
    ("<think>a <tool_call> b</think>", "the thinking holds <tool_call>, which is written <tool_call\\> there"),
    ("<think>a <think> b</think>", "the thinking holds <think>, which is written <think\\> there"),
    ("<think></think><think>a</think>", "thinking stands once, between <think> and </think>, at the beginning"),
    ("a</think>b", "thinking stands once, between <think> and </think>, at the beginning"),
    ('a</think>\n<tool_call>\n{"name": "bash", "arguments": {}}\n</tool_call>', "thinking stands once"),
    ('</tool_call><tool_call>\n{"name": "bash", "arguments": {}}\n</tool_call>', "</tool_call> has no <tool_call>"),
    ('<tool_call>\n{"name": "bash", "arguments": {"a": 1, "a": 1}}\n</tool_call>', 'has the key "a" twice'),
    ('<tool_call>\n{"name": "bash", "name": "bash", "arguments": {}}\n</tool_call>', 'has the key "name" twice'),
    ('<tool_call>\n{"name": "bash", "arguments": {"a": 1e999}}\n</tool_call>', "a number that JSON cannot hold"),
    ('<tool_call>\n{"name": "bash", "arguments": null}\n</tool_call>', '"arguments" (an object)'),
    ('<tool_call>\n[{"name": "bash", "arguments": {}}]\n</tool_call>', "the tool call must be a JSON object"),
    ('<tool_call>\n\u00a0{"name": "bash", "arguments": {}}\n</tool_call>', "the tool call is not JSON"),
    ('{"name": "bash", "arguments": {}}\n</tool_call>', "</tool_call> has no <tool_call> before it"),
    ('<tool_call>\n{"name": "bash", "arguments": {"command": "ls', "the tool call is not JSON: Unterminated string"),
    ('<tool_call>\n{"name": "bash", "arguments": {}}', "the JSON of the tool call must be followed by </tool_call>"),
    ('<tool_call>\n{"name": "bash", "arguments": {}}}}\n</tool_call>', "must be followed by </tool_call>"),
    ('<tool_call>\n{"name": "bash", "arguments": {}}\n</tool_call> Done.', "nothing but another <tool_call> may"),
    ('<tool_call>\n{"name": "bash", "arguments": "ls"}\n</tool_call>', "must be a JSON object, not a string"),
    ('<tool_call>\n{"name": "bash"}\n</tool_call>', 'exactly "name" (a string) and "arguments" (an object)'),
    ('<tool_call>\n["bash"]\n</tool_call>', 'exactly "name" (a string) and "arguments" (an object)'),
    ('<tool_call>\n{"name": "", "arguments": {}}\n</tool_call>', 'exactly "name" (a string)'),
    ('<tool_call>\n{"name": "\\ud800", "arguments": {}}\n</tool_call>', 'exactly "name" (a string)'),
    ('<tool_call>\n{"name": "b", "arguments": {}, "id": 1}\n</tool_call>', 'exactly "name" (a string)'),
    ('<tool_call>\n{"name": "b", "arguments": {"a": "x\ny"}}\n</tool_call>', "Invalid control character"),
    ('<tool_call>\n{"name": "b", "arguments": {"a": NaN}}\n</tool_call>', "holds NaN, which JSON does not know"),
    ("<tool_call>\n" + "[" * 100_000, "the tool call is nested too deeply"),
    ("<tool_call>", "the tool call is not JSON: Expecting value at character 0"),
])
def test_a_malformed_call_is_named_and_not_repaired(text: str, problem: str) -> None:
    reply = parse(text)
    assert problem in reply.problem
    assert reply.calls == ()
    assert reply.message == {"role": "assistant", "content": text}


def test_one_bad_call_spoils_the_good_one_before_it() -> None:
    good = '<tool_call>\n{"name": "submit", "arguments": {}}\n</tool_call>'
    assert parse(good).problem == ""
    assert parse(good + "\n<tool_call>\n{}\n</tool_call>").calls == ()


def test_half_a_surrogate_pair_survives_as_an_escape() -> None:
    reply = parse(render(said(call("bash", '{"command": "\\ud83d"}'))))
    assert reply.calls[0].arguments == '{"command": "\\ud83d"}'
    reply.model_dump_json().encode()


def test_what_text_cannot_hold_is_refused() -> None:
    with pytest.raises(DataError, match="something other than text"):
        flatten([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])
    with pytest.raises(DataError, match="role 'critic'"):
        flatten([{"role": "critic", "content": "x"}])


TRICKY = st.sampled_from(["</tool_call>", "<tool_call>\n", "<think>", "</think>", "}\n", '"', "\\", "{", "\u2028", "é"])
TEXT = st.lists(TRICKY | st.text(max_size=5), max_size=6).map("".join)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists, max_leaves=4)
CALL = st.tuples(st.text(min_size=1, max_size=8), st.dictionaries(TEXT, JSON, max_size=3))
CALLS = st.lists(CALL, min_size=1, max_size=3)


@given(CALLS, TEXT, TEXT)
def test_what_is_rendered_parses_back(calls: list[tuple[str, dict[str, Any]]], thinking: str, content: str) -> None:
    message = said(*(call(name, arguments) for name, arguments in calls), reasoning_content=thinking, content=content)
    text = render(message)
    reply = parse(text)
    assert reply.problem == ""
    assert [(c.name, json.loads(c.arguments)) for c in reply.calls] == calls
    assert reply.message.get("reasoning_content", "") == (thinking.strip() or content.strip())
    assert render(reply.message) == text


TRAINED = '<tool_call>\n{"name": "submit", "arguments": {}}\n</tool_call>'


@pytest.mark.parametrize("message", [
    {"role": "assistant", "content": TRAINED},
    {"role": "assistant", "content": "<think>on and on"},
    {"role": "assistant", "content": "It is </think> that ends it."},
    {"role": "assistant", "content": "Half \ud83d."},
    {"role": "assistant", "content": "<think>x</think>y"},
    said(call("bash", '{"command": ls')),
    said(call("bash", '["ls"]')),
    said(call("bash", '{"a": 1, "a": 2}')),
    said(call("bash", '{"a": NaN}')),
    said(call("", {})),
])
def test_a_turn_that_its_text_does_not_hold_is_history(message: Message) -> None:
    assert flatten([message])[0]["train"] is False


@pytest.mark.parametrize("message", [
    {"role": "assistant", "content": " It is <think> that begins it.\n"},
    {"role": "assistant", "content": "<think>\nx\n</think>\n\ny"},
    said(call("submit", {}), content="<think>x</think>y"),
    said(call("bash", ' { "command" : "ls" } '), call("submit", "")),
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "submit", "arguments": {}}}]},
])
def test_a_turn_that_its_text_holds_is_trained_on(message: Message) -> None:
    assert flatten([message])[0]["train"] is True


@pytest.mark.parametrize("thinking", ["keep", "fold", "empty"])
def test_there_is_nothing_to_learn_in_saying_nothing(thinking: Thinking) -> None:
    for content in ("", " \n", None):
        assert flatten([{"role": "assistant", "content": content}], (), Wire(thinking=thinking))[0]["train"] is False


def test_the_observation_is_announced_once() -> None:
    results: list[Message] = [{"role": "tool", "content": "a"}, {"role": "tool", "content": "OBSERVATION:\nb"}]
    assert flatten(results)[0]["content"] == (
        "<tool_response>\nOBSERVATION:\na\n</tool_response>\n<tool_response>\nOBSERVATION:\nb\n</tool_response>"
    )
    assert [one["content"] for one in flatten(results, (), Wire(family="mistral"))] == [
        "OBSERVATION:\na", "OBSERVATION:\nb",
    ]


KEEP, EMPTY = Wire(thinking="keep"), Wire(thinking="empty")


def test_those_who_keep_write_commentary_beside_a_call() -> None:
    assert render(said(call("submit", {}), content="I am done."), KEEP) == f"I am done.\n{TRAINED}"
    both = said(call("submit", {}), content="I am done.", reasoning_content="Hm.")
    assert render(both, KEEP) == f"<think>\nHm.\n</think>\n\nI am done.\n{TRAINED}"


def test_those_who_add_empty_thinking_never_begin_without() -> None:
    assert render(said(call("submit", {})), EMPTY) == f"<think>\n\n</think>\n\n{TRAINED}"
    assert render({"role": "assistant", "content": " It is 4. "}, EMPTY) == "<think>\n\n</think>\n\nIt is 4."
    assert render(said(call("submit", {}), content="Done."), EMPTY) == f"<think>\nDone.\n</think>\n\n{TRAINED}"
    assert "reasoning_content" not in parse("<think>\n\n</think>\n\nIt is 4.", spoken=EMPTY).message


def test_thinking_whose_end_a_server_took_with_the_calls_is_thinking() -> None:
    assert render(said(call("submit", {}), content="<think>\nHm.")) == f"<think>\nHm.\n</think>\n\n{TRAINED}"


def test_thinking_in_a_content_is_quoted_already() -> None:
    text = render(said(call("submit", {}), reasoning_content="Is </think> split?"))
    served = said(call("submit", {}), content=text.removesuffix(TRAINED))
    assert render(served) == text


def test_a_call_that_names_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="a tool call has no name"):
        render({"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]})


def test_many_blanks_are_read_in_one_go() -> None:
    blanks = "\n " * 200_000
    assert parse(TRAINED.replace("\n", blanks) + blanks).calls == parse(TRAINED).calls


@pytest.mark.parametrize("fields", [
    {"reasoning_content": " Look first.\n"}, {"reasoning": "Look first."}, {"thinking": "Look first."},
    {"reasoning_content": "", "reasoning": "Look first."},
    {"reasoning_details": [{"type": "reasoning.text", "text": "Look "}, {"data": "gAAA"}, 7, {"summary": "first."}]},
])
def test_thinking_is_found_in_whichever_field_it_arrived(fields: Message) -> None:
    assert thought(fields) == "Look first."
    assert render(said(call("submit", {}), **fields)).startswith("<think>\nLook first.\n</think>\n\n<tool_call>")


@pytest.mark.parametrize("fields", [{}, {"reasoning": None}, {"thinking": 3}, {"reasoning_details": "x"}])
def test_a_message_without_thinking_apart_has_none(fields: Message) -> None:
    assert thought(fields) == ""
