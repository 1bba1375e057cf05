"""What goes out to the Messages API and what is made of its answers, over real HTTP."""

import json
from typing import Any

import pytest

from sera_cli.errors import ContextOverflow, ModelError
from sera_cli.harness.http.anthropic import Messages
from sera_cli.harness.model import Thought
from sera_cli.types import Message, Reply, ToolCall, Usage
from tests.chat_server import Answer, Body, in_turn, serving, streamed
from tests.teachers import ASK, TOOLS, asking

USAGE = {"input_tokens": 7, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 3, "output_tokens": 5}
THOUGHT = {"type": "thinking", "thinking": "Where am I?", "signature": "EqQBCg=="}
TEXT = {"type": "text", "text": "I look."}
USE = {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls é"}}
EPHEMERAL = {"type": "ephemeral"}


def said(*blocks: Body, stop: str = "tool_use") -> Answer:
    return Answer(200, {"type": "message", "content": blocks, "stop_reason": stop, "usage": USAGE})


def replied(answer: Answer, **terms: Any) -> Reply:
    with serving(in_turn(answer)) as server, asking(server, dialect=Messages(), **terms) as teacher:
        return teacher(7).reply(ASK, TOOLS)


def sent(messages: list[Message]) -> Body:
    with serving(in_turn(said(TEXT))) as server, asking(server, dialect=Messages()) as teacher:
        teacher(7).reply(messages, [])
    return server.asked[0]


def result(id_: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def called(id_: str, arguments: str = "{}", text: str = "") -> Message:
    function = {"name": "bash", "arguments": arguments}
    return {"role": "assistant", "content": text, "tool_calls": [{"id": id_, "type": "function", "function": function}]}


def test_a_request_says_model_terms_system_and_tools_and_has_no_seed() -> None:
    with serving(in_turn(said(TEXT))) as server, asking(server, dialect=Messages(), key="sesame") as teacher:
        teacher(7).reply([{"role": "system", "content": "Be brief."}, *ASK], TOOLS)
    hello = {"type": "text", "text": "hello", "cache_control": EPHEMERAL}
    assert server.asked[0] == {
        "model": "glm", "temperature": 0.6, "max_tokens": 100, "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [hello]}],
        "tools": [{"name": "bash", "description": "", "input_schema": {"type": "object"}}],
    }  # fmt: skip
    assert (server.headers[0]["x-api-key"], server.headers[0]["anthropic-version"]) == ("sesame", "2023-06-01")
    assert "authorization" not in server.headers[0]


def test_a_token_goes_out_as_a_bearer() -> None:
    with serving(in_turn(said(TEXT))) as server, asking(server, dialect=Messages(bearer=True), key="t0ken") as teacher:
        teacher(7).reply(ASK, [])
    assert server.headers[0]["authorization"] == "Bearer t0ken"
    assert "x-api-key" not in server.headers[0]


def test_the_address_is_the_same_with_and_without_the_version() -> None:
    for base in ("http://host", "http://host/v1"):
        assert Messages().address(base) == "http://host/v1/messages"
    assert Messages().address("http://host/gateway") == "http://host/gateway/v1/messages"


def test_thinking_text_and_calls_become_one_chat_message_that_keeps_its_blocks() -> None:
    reply = replied(said(THOUGHT, TEXT, USE))
    assert reply.calls == (ToolCall(id="t1", name="bash", arguments='{"command": "ls é"}'),)
    assert reply.usage == Usage(calls=1, prompt=100, cached=90, written=3, completion=5)
    assert reply.message == {
        "role": "assistant", "content": "I look.", "reasoning_content": "Where am I?", "blocks": [THOUGHT, TEXT, USE],
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls é"}'}}],
    }  # fmt: skip


def test_a_message_without_thinking_keeps_no_blocks_and_goes_back_the_same() -> None:
    reply = replied(said(TEXT, USE))
    assert "blocks" not in reply.message
    assert sent([*ASK, reply.message, result("t1", "a.py")])["messages"][1]["content"] == [TEXT, USE]


def test_blocks_go_back_as_they_came_but_for_an_empty_text_which_the_api_refuses() -> None:
    redacted = {"type": "redacted_thinking", "data": "EmwKAhgB"}
    reply = replied(said(redacted, THOUGHT, {"type": "text", "text": ""}, USE))
    assert sent([*ASK, reply.message, result("t1", "a.py")])["messages"][1]["content"] == [redacted, THOUGHT, USE]


def test_the_last_two_messages_to_answer_carry_a_cache_mark_and_no_other() -> None:
    history = [*ASK]
    for number in range(3):
        history += [called(f"t{number}"), result(f"t{number}", "ok")]
    turns = sent(history)["messages"]
    marked = [index for index, turn in enumerate(turns) if any("cache_control" in block for block in turn["content"])]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3 + ["user"]
    assert marked == [4, 6]
    assert turns[6]["content"][-1]["cache_control"] == EPHEMERAL


def test_results_of_one_turn_go_back_together() -> None:
    turns = sent([*ASK, called("a"), result("a", "one"), result("b", ""), {"role": "user", "content": "go on"}])
    assert turns["messages"][2] == {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "content": "one"},
        {"type": "tool_result", "tool_use_id": "b", "content": ""},
        {"type": "text", "text": "go on", "cache_control": EPHEMERAL},
    ]}  # fmt: skip


def test_what_the_api_does_not_take_is_said_in_another_way() -> None:
    turns = sent([*ASK, {"role": "assistant", "content": " "}, {"role": "user", "content": ""}, called("a", '{"n": ')])
    silent, nothing, malformed = turns["messages"][1:]
    assert silent["content"] == [{"type": "text", "text": "(no answer)"}]
    assert nothing["content"] == [{"type": "text", "text": "(no answer)", "cache_control": EPHEMERAL}]
    assert malformed["content"][0]["input"] == {"malformed": '{"n": '}


@pytest.mark.parametrize("stop", ["max_tokens", "model_context_window_exceeded"])
def test_a_reply_that_was_cut_off_is_a_problem_and_has_no_calls(stop: str) -> None:
    reply = replied(said(TEXT, USE, stop=stop))
    assert (reply.problem, reply.calls) == ("it was cut off at the token limit; be briefer", ())


def test_a_thought_that_was_cut_off_before_it_was_signed_does_not_go_back() -> None:
    unsigned = {**THOUGHT, "signature": ""}
    reply = replied(said(unsigned, stop="max_tokens"))
    assert (reply.message["reasoning_content"], reply.problem != "") == ("Where am I?", True)
    turns = sent([*ASK, reply.message, *ASK])
    assert turns["messages"][1]["content"] == [{"type": "text", "text": "(no answer)"}]
    both = replied(said(THOUGHT, unsigned, TEXT, stop="max_tokens")).message
    assert sent([*ASK, both, *ASK])["messages"][1]["content"] == [THOUGHT, TEXT]


def test_a_refusal_is_a_reply_without_calls() -> None:
    reply = replied(said(stop="refusal"))
    assert (reply.message, reply.calls, reply.problem) == ({"role": "assistant", "content": ""}, (), "")


@pytest.mark.parametrize("body", [
    b"<html>", {"hello": 1}, {"content": "hi"}, {"content": [{"text": "no type"}]}, {"content": [{"type": 3}]},
    {"content": [{"type": "text", "text": 3}]}, {"content": [{"type": "tool_use", "id": 1, "name": "x", "input": {}}]},
])
def test_an_answer_that_stays_no_message_is_an_error_on_one_line(body: object) -> None:
    with pytest.raises(ModelError, match="is not") as caught:
        replied(Answer(200, body))
    assert "\n" not in str(caught.value)


def stream(*pieces: Body) -> Answer:
    begun = {"type": "message", "content": [], "usage": USAGE | {"output_tokens": 1}}
    start = {"type": "message_start", "message": begun}
    stop = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5, "x": None}}
    return streamed(start, {"type": "ping"}, *pieces, stop, {"type": "message_stop"})


def block(index: int, start: Body, *deltas: Body) -> list[Body]:
    grown = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    begun = {"type": "content_block_start", "index": index, "content_block": start}
    return [begun, *grown, {"type": "content_block_stop", "index": index}]


def test_a_stream_makes_the_same_reply_as_a_whole_answer_and_is_told_as_it_comes() -> None:
    pieces = stream(
        *block(0, {"type": "thinking", "thinking": "", "signature": ""},
               {"type": "thinking_delta", "thinking": "Where "}, {"type": "thinking_delta", "thinking": "am I?"},
               {"type": "signature_delta", "signature": "EqQBCg=="}),
        *block(1, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in ("I ", "look."))),
        *block(2, USE | {"input": {}}, {"type": "input_json_delta", "partial_json": ""},
               {"type": "input_json_delta", "partial_json": '{"command": "ls'},
               {"type": "input_json_delta", "partial_json": ' é"}'}),
    )  # fmt: skip
    heard: list[str] = []
    answers = in_turn(pieces, said(THOUGHT, TEXT, USE))
    with serving(answers) as server, asking(server, dialect=Messages()) as teacher:
        first = teacher(7).reply(ASK, TOOLS, on_text=heard.append)
        second = teacher(7).reply(ASK, TOOLS)
    assert first == second
    assert heard == ["Where ", "am I?", "I ", "look."]
    assert [isinstance(piece, Thought) for piece in heard] == [True, True, False, False]
    assert server.asked[0]["stream"] is True and "stream_options" not in server.asked[0]


def test_arguments_that_a_stream_cut_off_stay_as_they_were_written() -> None:
    cut = stream(*block(0, USE | {"input": {}}, {"type": "input_json_delta", "partial_json": '{"comm'}))
    reply = replied(cut, stream=True)
    assert reply.calls[0].arguments == '{"comm'
    turn = sent([*ASK, reply.message, result("t1", "not JSON")])["messages"][1]
    assert turn["content"][0]["input"] == {"malformed": '{"comm'}


@pytest.mark.parametrize(("kind", "tried"), [("overloaded_error", 2), ("api_error", 2), ("invalid_request_error", 1)])
def test_an_error_in_a_stream_counts_as_its_status_would(kind: str, tried: int) -> None:
    broken = streamed({"type": "error", "error": {"type": kind, "message": "prompt is too long: 9 tokens > 8 maximum"}})
    with serving(in_turn(broken, said(TEXT))) as server, asking(server, dialect=Messages(), stream=True) as teacher:
        try:
            assert teacher(7).reply(ASK, []).message["content"] == "I look."
        except ContextOverflow as full:
            assert str(full) == "prompt is too long: 9 tokens > 8 maximum"
    assert len(server.asked) == tried


def test_a_stream_without_its_end_is_begun_again() -> None:
    half = streamed({"type": "message_start", "message": {"content": []}}, *block(0, {"type": "text", "text": "hal"}))
    with serving(in_turn(half, said(TEXT))) as server, asking(server, dialect=Messages(), stream=True) as teacher:
        assert teacher(7).reply(ASK, []).message["content"] == "I look."
    assert len(server.asked) == 2


def test_a_kept_message_can_be_stored_and_read_again() -> None:
    reply = replied(said(THOUGHT, TEXT, USE))
    assert Reply.model_validate_json(reply.model_dump_json()) == reply
    assert json.loads(json.dumps(reply.message)) == reply.message
