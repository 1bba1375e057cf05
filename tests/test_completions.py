"""What goes out to a chat completions server and what is made of its answers, over real HTTP."""

import threading
from typing import Any

import pytest

from sera_cli.errors import ModelError
from sera_cli.harness.model import Thought
from sera_cli.types import Reply, ToolCall, Usage
from tests.chat_server import Answer, Body, completion, in_turn, serving, streamed
from tests.teachers import ASK, TOOLS, Clock, asking


def called(name: str = "bash", arguments: object = '{"command": "ls"}', **more: object) -> Body:
    function = {"name": name, "arguments": arguments}
    return {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function, **more}]}


def replied(answer: Answer, **terms: Any) -> Reply:
    with serving(in_turn(answer)) as server, asking(server, **terms) as teacher:
        return teacher(7).reply(ASK, TOOLS)


def test_what_is_sent_says_model_sampling_seed_and_tools_and_the_key_goes_in_the_header() -> None:
    with serving(in_turn(completion({"content": "hi"}))) as server:
        with asking(server, key="sesame") as teacher:
            teacher(7).reply(ASK, TOOLS)
        with asking(server) as teacher:
            teacher(8).reply(ASK, [])
    first, second = server.asked
    assert first == {
        "model": "glm", "messages": ASK, "seed": 7, "temperature": 0.6, "max_tokens": 100, "tools": TOOLS,
    }  # fmt: skip
    assert "tools" not in second and second["seed"] == 8
    assert server.keys == ["Bearer sesame", None]


def test_a_tool_call_its_usage_and_its_thinking_come_back_verbatim() -> None:
    message = called() | {"reasoning_content": "I look around."}
    reply = replied(completion(message))
    assert reply.calls == (ToolCall(id="c1", name="bash", arguments='{"command": "ls"}'),)
    assert reply.usage == Usage(calls=1, prompt=10, cached=4, completion=3)
    assert reply.message["tool_calls"] == message["tool_calls"]
    assert reply.message["reasoning_content"] == "I look around."
    assert reply.problem == ""


@pytest.mark.parametrize("thinking", [
    {"reasoning_content": "Hm."}, {"reasoning": "Hm."}, {"thinking": "Hm."},
    {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]},
])
def test_thinking_is_kept_in_the_field_it_came_in(thinking: Body) -> None:
    assert replied(completion(called() | thinking)).message.items() >= thinking.items()


def test_thinking_inside_the_content_stays_there() -> None:
    assert replied(completion({"content": "<think>Hm.</think>hi"})).message["content"] == "<think>Hm.</think>hi"


def test_what_is_empty_is_left_out_of_a_message_that_has_to_be_sent_again() -> None:
    message = {"content": None, "tool_calls": [], "annotations": [], "audio": None, "refusal": "I will not."}
    assert replied(completion(message)).message == {"role": "assistant", "content": "", "refusal": "I will not."}


def test_arguments_that_come_as_an_object_are_kept_as_the_text_that_goes_back() -> None:
    reply = replied(completion(called(arguments={"command": "ls é"})))
    assert reply.calls[0].arguments == '{"command": "ls é"}'
    assert reply.message["tool_calls"][0]["function"]["arguments"] == '{"command": "ls é"}'


def test_a_call_without_id_or_type_gets_both() -> None:
    reply = replied(completion({"content": "", "tool_calls": [{"function": {"name": "submit", "arguments": ""}}]}))
    assert reply.calls == (ToolCall(id="x-0", name="submit", arguments="{}"),)
    call = {"id": "x-0", "type": "function", "function": {"name": "submit", "arguments": ""}}
    assert reply.message["tool_calls"] == [call]


def test_a_call_that_cannot_be_read_is_handed_on_as_it_came() -> None:
    assert replied(completion(called(arguments='{"command": '))).calls[0].arguments == '{"command": '


def test_a_reply_that_was_cut_off_is_a_problem_and_has_no_calls() -> None:
    reply = replied(completion(called(), finish="length"))
    assert (reply.problem, reply.calls) == ("it was cut off at the token limit; be briefer", ())


def test_content_in_parts_a_missing_role_and_half_a_pair_leave_a_message_that_can_be_sent_and_kept() -> None:
    body = b'{"choices": [{"message": {"content": [{"type": "text", "text": "a\\ud800"}, {"text": "b"}]}}]}'
    with serving(in_turn(Answer(200, body))) as server, asking(server) as teacher:
        reply = teacher(7).reply(ASK, [])
        teacher(7).reply([*ASK, reply.message], [])
    assert reply.message == {"role": "assistant", "content": "a?b"}
    assert Reply.model_validate_json(reply.model_dump_json()) == reply


@pytest.mark.parametrize(("usage", "read"), [
    (None, Usage(calls=1)),
    ([1], Usage(calls=1)),
    ({"prompt_tokens": "many", "completion_tokens": None}, Usage(calls=1)),
    ({"prompt_tokens": 5, "prompt_tokens_details": 3, "completion_tokens": 2}, Usage(calls=1, prompt=5, completion=2)),
    ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}, Usage(calls=1, prompt=9, cached=8)),
    ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 6}},
     Usage(calls=1, prompt=9, cached=2, written=6)),
])
def test_usage_is_read_as_far_as_it_can_be(usage: object, read: Usage) -> None:
    choice = {"message": {"content": "hi"}}
    assert replied(Answer(200, {"choices": [choice], "usage": usage})).usage == read


def answer(message: Any, **more: Any) -> Body:
    return {"choices": [{"message": message}], **more}


@pytest.mark.parametrize("body", [
    b"<html>", {"choices": []}, {"choices": None}, {"hello": 1}, [1], pytest.param(b"[" * 100_000, id="deep"),
    answer("hi"), answer(None), answer({"content": 7}), answer({"content": [{"image": "x"}]}),
    answer({"tool_calls": 5}), answer({"tool_calls": [{"id": None}]}),
    answer({"tool_calls": [{"id": "c", "function": {"name": None, "arguments": "{}"}}]}),
])
def test_an_answer_that_stays_no_completion_is_an_error_on_one_line(body: Any) -> None:
    with (
        serving(in_turn(Answer(200, body))) as server,
        asking(server) as teacher,
        pytest.raises(ModelError, match="is not") as caught,
    ):
        teacher(7).reply(ASK, [])
    assert "\n" not in str(caught.value)
    assert len(server.asked) == 4


def chunk(delta: Body, finish: str | None = None) -> Body:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def piece(arguments: str, **more: object) -> Body:
    return chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments}, **more}]})


USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}


def test_a_stream_makes_the_same_reply_as_a_whole_answer_and_is_told_as_it_comes() -> None:
    whole = {"content": "I look.", "reasoning_content": "Where am I?", **called()} | {"content": "I look."}
    begin = {"index": 0, "id": "c1", "type": "function", "function": {"name": "bash", "arguments": ""}}
    stream = streamed(
        chunk({"role": "assistant", "content": "", "reasoning_content": "Where "}),
        chunk({"reasoning_content": "am I?"}),
        chunk({"content": "I "}), chunk({"content": "look."}), chunk({"tool_calls": [begin]}),
        piece('{"comm'), piece('and": "ls"}'), chunk({}, "tool_calls"), {"choices": [], "usage": USAGE}, "[DONE]",
    )  # fmt: skip
    heard: list[str] = []
    with serving(in_turn(stream, completion(whole, finish="tool_calls"))) as server, asking(server) as teacher:
        first = teacher(7).reply(ASK, TOOLS, on_text=heard.append)
        second = teacher(7).reply(ASK, TOOLS)
    assert first == second
    assert heard == ["Where ", "am I?", "I ", "look."]
    assert [isinstance(piece, Thought) for piece in heard] == [True, True, False, False]
    assert (server.asked[0]["stream"], server.asked[0]["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in server.asked[1] and "stream_options" not in server.asked[1]


def test_a_stream_is_asked_for_when_the_settings_say_so() -> None:
    with serving(in_turn(streamed(chunk({"content": "hi"}, "stop")))) as server, asking(server, stream=True) as teacher:
        assert teacher(7).reply(ASK, []).message == {"role": "assistant", "content": "hi"}
    assert server.asked[0]["stream"] is True


def test_a_server_that_does_not_stream_is_understood_and_told_of_at_the_end() -> None:
    heard: list[str] = []
    with serving(in_turn(completion({"content": "hi"}))) as server, asking(server) as teacher:
        teacher(7).reply(ASK, [], on_text=heard.append)
    assert heard == ["hi"]


def test_calls_in_a_stream_are_told_apart_by_index_and_where_that_is_always_the_same_by_id() -> None:
    def part(index: int, id_: str, arguments: str) -> Body:
        function = {"name": "bash", "arguments": arguments}
        return chunk({"tool_calls": [{"index": index, "id": id_, "function": function}]})

    for second in (1, 0):
        stream = streamed(part(0, "a", '{"n":'), piece("1}"), part(second, "b", '{"n":2}'), chunk({}, "stop"))
        calls = replied(stream, stream=True).calls
        assert [(call.id, call.arguments) for call in calls] == [("a", '{"n":1}'), ("b", '{"n":2}')]


def test_two_halves_of_a_character_in_two_pieces_of_a_stream_are_one() -> None:
    stream = streamed(
        '{"choices": [{"delta": {"content": "\\ud83d"}}]}',
        '{"choices": [{"delta": {"content": "\\ude00!"}}]}',
        "[DONE]",
    )  # fmt: skip
    assert replied(stream, stream=True).message["content"] == "😀!"


@pytest.mark.parametrize("first", [
    streamed(chunk({"content": "hal"})),
    streamed(chunk({"content": "hal"}), '{"choices": [{"del'),
    streamed(chunk({"content": "half of it, and no more"}), "[DONE]", torn=True),
    streamed({"error": {"message": "overloaded", "code": 503}}),
    streamed(chunk({"content": "no"}, "error")),
])
def test_a_stream_that_breaks_off_is_begun_again(first: Answer) -> None:
    answers = in_turn(first, streamed(chunk({"content": "whole"}, "stop")))
    with serving(answers) as server, asking(server, stream=True) as teacher:
        assert teacher(7).reply(ASK, []).message["content"] == "whole"
    assert len(server.asked) == 2


def test_what_is_told_after_a_stream_broke_off_stands_on_a_line_of_its_own() -> None:
    heard: list[str] = []
    answers = in_turn(streamed(chunk({"content": "hal"})), streamed(chunk({"content": "whole"}, "stop")))
    with serving(answers) as server, asking(server) as teacher:
        teacher(7).reply(ASK, [], on_text=heard.append)
    assert heard == ["hal", "\n", "whole"]


def test_a_stream_that_never_ends_after_it_said_all_is_an_answer() -> None:
    clock = Clock()
    whole = streamed(chunk({"content": "hi"}, "stop"), {"choices": [], "usage": USAGE}, "[DONE]")
    assert isinstance(whole.body, bytes)
    open_ended = Answer(200, whole.body, {**whole.headers, "Content-Length": "100000"})
    with serving(in_turn(open_ended)) as server, asking(server, clock=clock, stream=True) as teacher:
        threading.Timer(0.4, clock.skip, [5]).start()
        reply = teacher(7).reply(ASK, [])
    assert (reply.message["content"], reply.usage, len(server.asked)) == (
        "hi", Usage(calls=1, prompt=10, cached=4, completion=3), 1)


@pytest.mark.parametrize(("written", "sent"), [
    ('{"command":  "ls"}', '{"command":  "ls"}'),
    ('{"command": ', '{"malformed": "{\\"command\\": "}'),
    ('["ls"]', '{"malformed": "[\\"ls\\"]"}'),
    ("", "{}"),
])
def test_arguments_that_a_server_could_not_read_again_go_back_inside_an_object(written: str, sent: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": written}}
    with serving(in_turn(completion({"content": None, "tool_calls": [call]}))) as server, asking(server) as teacher:
        model = teacher(7)
        said = model.reply(ASK, []).message
        assert said["tool_calls"] == [call]
        model.reply([*ASK, said, {"role": "tool", "tool_call_id": "c1", "content": "no"}], [])
    assert server.asked[1]["messages"][1]["tool_calls"] == [
        {**call, "function": {"name": "bash", "arguments": sent}}
    ]
