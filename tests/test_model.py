import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from sera_cli.errors import AuthError, ConfigError, ContextOverflow, ModelError, Unreachable
from sera_cli.harness.model import ChatCompletions, chat_client
from sera_cli.types import Reply, ToolCall, Usage
from tests.chat_server import Answer, Body, Server, completion, serving

ASK = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "bash", "description": "", "parameters": {"type": "object"}}}]


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def teacher(server: Server, key: str = "") -> ChatCompletions:
    return ChatCompletions(chat_client(server.url, key, 5.0, 2), "glm", seed=7, temperature=0.6, max_tokens=100)


def called(name: str = "bash", arguments: str = '{"command": "ls"}') -> Body:
    function = {"name": name, "arguments": arguments}
    return {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}


def in_turn(*answers: Answer) -> Callable[[Body], Answer]:
    left = list(answers)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def test_a_tool_call_its_usage_and_its_thinking_come_back_verbatim() -> None:
    message = called() | {"reasoning_content": "I look around."}
    with serving(in_turn(completion(message))) as server:
        reply = teacher(server).reply(ASK, TOOLS)
    assert reply.calls == (ToolCall(id="c1", name="bash", arguments='{"command": "ls"}'),)
    assert reply.usage == Usage(prompt=10, cached=4, completion=3)
    assert reply.message["reasoning_content"] == "I look around."
    assert reply.message["tool_calls"] == message["tool_calls"]
    assert reply.problem == ""


def test_thinking_in_the_other_field_is_kept_too() -> None:
    with serving(in_turn(completion(called() | {"reasoning": "Hm."}))) as server:
        assert teacher(server).reply(ASK, TOOLS).message["reasoning"] == "Hm."


def test_what_is_sent_says_model_sampling_seed_and_tools_and_the_key_goes_in_the_header() -> None:
    with serving(in_turn(completion({"content": "hi"}))) as server:
        teacher(server, "sesame").reply(ASK, TOOLS)
        teacher(server).reply(ASK, [])
    first, second = server.asked
    assert first == {
        "model": "glm", "messages": ASK, "seed": 7, "temperature": 0.6, "max_tokens": 100, "tools": TOOLS,
    }  # fmt: skip
    assert "tools" not in second
    assert server.keys == ["Bearer sesame", None]


def test_text_is_told_as_it_comes() -> None:
    heard: list[str] = []
    with serving(in_turn(completion({"content": "hi"}))) as server:
        teacher(server).reply(ASK, [], on_text=heard.append)
    assert heard == ["hi"]


def test_a_call_that_cannot_be_read_is_handed_on_as_it_came() -> None:
    with serving(in_turn(completion(called(arguments='{"command": ')))) as server:
        reply = teacher(server).reply(ASK, TOOLS)
    assert reply.calls[0].arguments == '{"command": '


def test_a_reply_that_was_cut_off_is_a_problem() -> None:
    with serving(in_turn(completion(called(), finish="length"))) as server:
        assert teacher(server).reply(ASK, TOOLS).problem == "it was cut off at the token limit; be briefer"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_or_broken_server_is_asked_again(status: int) -> None:
    with serving(in_turn(Answer(status, {}), Answer(status, {}), completion({"content": "hi"}))) as server:
        assert teacher(server).reply(ASK, []).message["content"] == "hi"
    assert len(server.asked) == 3


def test_a_server_that_stays_broken_is_an_error_that_quotes_it() -> None:
    with (
        serving(in_turn(Answer(500, {"error": {"message": "out of\nmemory"}}))) as server,
        pytest.raises(ModelError, match="the teacher answered 500: out of memory"),
    ):
        teacher(server).reply(ASK, [])
    assert len(server.asked) == 3


def test_retry_after_is_honoured() -> None:
    from sera_cli.harness import model

    waits: list[bool | float] = []
    real = model._again

    def noted(error: Exception) -> bool | float:
        waits.append(real(error))
        return waits[-1]

    patch = pytest.MonkeyPatch()
    patch.setattr(model, "_again", noted)
    try:
        with serving(in_turn(Answer(429, {}, {"Retry-After": "7"}), completion({"content": "hi"}))) as server:
            teacher(server).reply(ASK, [])
    finally:
        patch.undo()
    assert waits == [7.0]


@pytest.mark.parametrize(
    ("status", "text", "kind", "ends_run", "said"),
    [
        (
            401,
            "bad key",
            AuthError,
            True,
            "the teacher refuses the key (401: bad key); set OPENAI_API_KEY",
        ),
        (403, "no", AuthError, True, "the teacher refuses the key"),
        (404, "no such model", Unreachable, True, "the teacher has no model 'glm' or no such path"),
        (400, "maximum context length is 10", ContextOverflow, False, "maximum context length is 10"),
        (400, "Prompt exceeds max length", ContextOverflow, False, "Prompt exceeds"),
        (400, "bad tools", ModelError, False, "the teacher answered 400: bad tools"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, text: str, kind: type[ModelError], ends_run: bool, said: str) -> None:
    with serving(in_turn(Answer(status, {"error": {"message": text}}))) as server, pytest.raises(kind) as caught:
        teacher(server).reply(ASK, [])
    assert str(caught.value).startswith(said)
    assert caught.value.ends_run is ends_run
    assert len(server.asked) == 1


def test_nobody_there_ends_the_run_with_a_line_that_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    nobody = ChatCompletions(chat_client(url, "", 5.0, 1), "glm", seed=0, temperature=0.6, max_tokens=10)
    with pytest.raises(Unreachable, match="is it running\\? Check --teacher-url, then run the same command again"):
        nobody.reply(ASK, [])


def answer(message: Any, **more: Any) -> Body:
    return {"choices": [{"message": message}], **more}


@pytest.mark.parametrize("body", [
    b"<html>", {"choices": []}, {"hello": 1}, [1], pytest.param(b"[" * 100_000, id="deep"),
    answer("hi"), answer({"content": 7}),
    answer({"content": [{"image": "x"}]}), answer({"tool_calls": 5}), answer({"tool_calls": [{"id": None}]}),
    answer({"content": "hi"}, usage=[1]), answer({"content": "hi"}, usage={"prompt_tokens": "many"}),
    answer({"content": "hi"}, usage={"prompt_tokens_details": 3}),
])
def test_an_answer_that_is_no_completion_is_an_error(body: Any) -> None:
    with serving(in_turn(Answer(200, body))) as server, pytest.raises(ModelError, match=r"is not|not JSON") as caught:
        teacher(server).reply(ASK, [])
    assert "\n" not in str(caught.value)


def test_content_in_parts_a_missing_role_and_half_a_pair_leave_a_message_that_can_be_sent_and_kept() -> None:
    body = b'{"choices": [{"message": {"content": [{"type": "text", "text": "a\\ud800"}, {"text": "b"}]}}]}'
    with serving(in_turn(Answer(200, body))) as server:
        reply = teacher(server).reply(ASK, [])
        teacher(server).reply([*ASK, reply.message], [])
    assert reply.message == {"role": "assistant", "content": "a?b"}
    assert Reply.model_validate_json(reply.model_dump_json()) == reply


def test_a_key_is_stripped_refused_when_no_header_can_hold_it_and_never_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "open-sesame")
    with serving(in_turn(Answer(400, {"error": "not for open-sesame"}))) as server:
        with pytest.raises(ModelError, match=r"400: not for \[redacted:environment\]"):
            teacher(server, "open-sesame\r\n").reply(ASK, [])
        assert server.keys == ["Bearer open-sesame"]
        for key in ("open-sésame", "open\nsesame"):
            with pytest.raises(ConfigError, match="OPENAI_API_KEY holds a character that no key has"):
                teacher(server, key)


def test_an_url_that_is_none_is_an_error() -> None:
    with pytest.raises(ModelError, match="URL"):
        ChatCompletions(chat_client("nonsense", "", 5.0, 1), "glm", seed=0, temperature=0, max_tokens=1).reply(ASK, [])


def test_a_wait_may_be_named_as_a_date() -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    from sera_cli.harness.model import _named_wait

    assert 50 < _named_wait(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)) <= 60
    assert _named_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (_named_wait("7"), _named_wait("9999"), _named_wait("soon"), _named_wait("")) == (7.0, 600.0, 0.0, 0.0)
