"""The server as its clients meet it: who is let in, what is refused and how, what reaches the engine, what ends it."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sera_cli.agents.serving.answer import Answer
from sera_cli.agents.serving.asked import Asked
from sera_cli.agents.serving.guard import LARGEST
from sera_cli.harness import tokens, wire
from sera_cli.harness.wire import Wire
from tests.serving import TOOLS, Scripted, agent, served, until
from tests.students import chat

pytest.importorskip("transformers", reason="needs the extra `train`, to read tokens")

GO = [{"role": "user", "content": "Go."}]
BODY = {"model": "shop@1", "messages": GO}
PATHS = {
    "/v1/chat/completions": BODY, "/v1/messages": {**BODY, "max_tokens": 9}, "/v1/responses": {"input": "Go."},
}  # fmt: skip


def post(url: str, path: str, body: object, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request("POST", path, sent, {name: value for name, value in said.items() if value})
    answer = connection.getresponse()
    read = answer.read()
    return answer.status, json.loads(read) if read.startswith(b"{") else read


def told(answer: Any) -> str:
    return str(answer["error"]["message"])


@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_this_machine_alone_is_answered(path: str) -> None:
    with served(Scripted()) as url:
        assert post(url, path, PATHS[path])[0] == 200
        for host in ("evil.example", "evil.example:8111", "127.0.0.1.evil.example"):
            assert post(url, path, PATHS[path], Host=host)[0] == 403
        assert post(url, path, PATHS[path], Origin="https://evil.example")[0] == 403
        assert post(url, path, PATHS[path], Origin="null")[0] == 403
        assert post(url, path, PATHS[path], Host="[")[0] == 403
        assert post(url, path, PATHS[path], Origin="http://[")[0] == 403
        assert post(url, path, PATHS[path], Origin="http://localhost:3000")[0] == 200
        assert post(url, path, PATHS[path], Content_Type="text/plain")[0] == 400


@pytest.mark.parametrize("path", PATHS)
def test_with_a_key_nobody_is_answered_without_it(path: str) -> None:
    engine = Scripted()
    with served(engine, key="sesame") as url:
        assert post(url, path, PATHS[path])[0] == 401
        assert post(url, path, PATHS[path], Authorization="Bearer sesam")[0] == 401
        assert post(url, f"{path}?key=sesame", PATHS[path])[0] == 401
        assert post(url, f"{path}?api_key=sesame", PATHS[path], x_api_key="sesame")[0] == 401
        assert engine.seen == []
        assert post(url, path, PATHS[path], Authorization="Bearer sesame")[0] == 200
        assert post(url, path, PATHS[path], x_api_key="sesame", Host="box.example")[0] == 200


def test_what_is_told_of_the_server_wants_the_key_too_but_not_whether_it_is_well() -> None:
    with served(Scripted(), key="sesame") as url:
        for path, status in (("/v1/models", 401), ("/metrics", 401), ("/health", 200)):
            connection = http.client.HTTPConnection(url.removeprefix("http://"))
            connection.request("GET", path)
            assert connection.getresponse().status == status


def test_a_body_too_large_is_refused_before_it_is_read_whole() -> None:
    with served(Scripted()) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as sent:
            sent.sendall(
                b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 104857600\r\n\r\n"
            )
            sent.sendall(b" " * (LARGEST + 1))
            assert sent.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/chat/completions", b"{", 400, "the body is not JSON"),
        ("/v1/chat/completions", b"[" * 100_000, 400, "the body is not JSON"),
        ("/v1/chat/completions", [], 400, "the body must be a JSON object"),
        ("/v1/chat/completions", {**BODY, "model": "shop"}, 404, "there is no model 'shop'; served are shop@1"),
        ("/v1/chat/completions", {**BODY, "messages": []}, 400, "messages must hold at least one message"),
        ("/v1/chat/completions", {**BODY, "n": 2}, 400, "n is not supported here; leave it out"),
        ("/v1/chat/completions", {**BODY, "max_tokens": 0}, 400, "max_tokens must be a whole number of at least 1"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": []}]}]}, 400,
         "messages[0].content[0] is of type []: the agent reads text alone"),
        ("/v1/messages", BODY, 400, "max_tokens: Field required"),
        ("/v1/responses", {"input": "x", "previous_response_id": "r"}, 400, "previous_response_id: this server keeps"),
        ("/v1/bogus", BODY, 404, "there is no POST /v1/bogus here; there are POST /v1/chat/completions, "),
        ("/v1/models", BODY, 405, "there is no POST /v1/models here; there are "),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(path: str, body: object, status: int, said: str) -> None:
    with served(Scripted()) as url:
        found, answer = post(url, path, body)
    assert (found, told(answer)[: len(said)]) == (status, said)


@pytest.mark.parametrize("path", PATHS)
def test_who_names_no_model_is_told_which_one_answers(path: str) -> None:
    unnamed = {key: value for key, value in PATHS[path].items() if key != "model"}
    with served(Scripted()) as url:
        assert post(url, path, unnamed)[1]["model"] == "shop@1"


def test_a_conversation_too_long_is_told_in_the_words_that_clients_act_on() -> None:
    long = [{"role": "user", "content": "word " * 9000}]
    with served(Scripted()) as url:
        openai = post(url, "/v1/chat/completions", {**BODY, "messages": long})
        anthropic = post(url, "/v1/messages", {**BODY, "max_tokens": 9, "messages": long})
        ours = post(url, "/v1/responses", {"input": "word " * 9000})
    assert (openai[0], openai[1]["error"]["code"]) == (400, "context_length_exceeded")
    assert told(openai[1]).startswith("This model's maximum context length is 3072 tokens")
    assert anthropic[0] == 400 and told(anthropic[1]).startswith("prompt is too long: ")
    assert told(anthropic[1]).endswith(" tokens > 3072 maximum")
    assert ours[1]["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("spoken", [Wire(), Wire(thinking="keep")])
def test_what_reaches_the_engine_is_token_for_token_what_training_rendered(spoken: Wire) -> None:
    one = agent(spoken=spoken)
    conversation = chat()
    whole = tokens.encode(wire.flatten(conversation, TOOLS, spoken), one.tokenizer, spoken).ids
    for end in (2, 4):
        asked = Asked(model="shop@1", messages=tuple(conversation[:end]), tools=tuple(TOOLS))
        prompt = Answer(asked, one).prompt
        assert list(prompt.ids) == list(whole[: len(prompt.ids)])
        assert prompt.room == one.context - len(prompt.ids)
        assert one.tokenizer.decode([prompt.end]) == "<|im_end|>"


def test_all_three_apis_ask_the_engine_the_same() -> None:
    engine = Scripted()
    tool = TOOLS[0]["function"]
    call = {"id": "c0", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    said = [
        {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": "a.py"},
    ]
    blocks: list[dict[str, Any]] = [
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I look.", "signature": "s"},
            {"type": "tool_use", "id": "c0", "name": "bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c0", "content": [{"type": "text", "text": "a.py"}]}]},
    ]  # fmt: skip
    items = [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c0", "name": "bash", "arguments": '{"command": "ls"}'},
        {"type": "function_call_output", "call_id": "c0", "output": "a.py"},
    ]
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", {"messages": [{"role": "system", "content": "Work."}, *GO, *said], "tools": TOOLS}),
        ("/v1/messages", {"system": "Work.", "messages": [*GO, *blocks], "max_tokens": 9, "tools": [
            {"name": "bash", "description": tool["description"], "input_schema": tool["parameters"]}]}),
        ("/v1/responses", {"instructions": "Work.", "input": [*GO, *items], "tools": [{"type": "function", **tool}]}),
    ]  # fmt: skip
    with served(engine) as url:
        for path, body in bodies:
            assert post(url, path, {"model": "shop@1", **body})[0] == 200
    first, *others = (list(prompt.ids) for prompt, _ in engine.seen)
    assert others == [first, first]


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_goes_away_ends_what_the_engine_does_for_it(path: str) -> None:
    for stream in (True, False):
        engine = Scripted("Hello, you.", stall=1)
        with served(engine) as url:
            connection = http.client.HTTPConnection(url.removeprefix("http://"))
            body = json.dumps({**PATHS[path], "stream": stream})
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            if stream:
                assert connection.getresponse().read(10)
            until(lambda engine=engine: engine.seen)
            assert engine.closed == 0
            connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
            until(lambda engine=engine: engine.closed == 1)


def test_an_engine_that_goes_away_in_mid_stream_is_an_error_and_the_next_request_works() -> None:
    engine = Scripted("Hello, you.", breaks=2)
    with served(engine) as url:
        for path, sign in (("/v1/chat/completions", b'"server_error"'), ("/v1/messages", b"event: error\n"),
                           ("/v1/responses", b"event: response.failed\n")):  # fmt: skip
            engine.breaks = 2
            status, answer = post(url, path, {**PATHS[path], "stream": True})
            assert (status, sign in answer, b"the engine went away" in answer) == (200, True, True)
            engine.breaks = 0
            assert post(url, path, {**PATHS[path], "stream": True})[0] == 502
            engine.breaks = -1
            assert post(url, path, PATHS[path])[0] == 200


@pytest.mark.parametrize(("path", "sign"), [
    ("/v1/chat/completions", b'"server_error"'), ("/v1/messages", b"event: error\n"),
    ("/v1/responses", b"event: response.failed\n"),
])  # fmt: skip
def test_what_nobody_foresaw_ends_a_stream_with_an_error_too(path: str, sign: bytes) -> None:
    with served(Scripted("Hello, you.", breaks=2, error=ZeroDivisionError("a bug"))) as url:
        status, answer = post(url, path, {**PATHS[path], "stream": True})
        assert (status, sign in answer, b"the server failed over this reply" in answer) == (200, True, True)
        assert b"a bug" not in answer


def test_one_request_too_many_is_told_to_come_again() -> None:
    engine = Scripted(stall=0)
    with served(engine, most=2) as url, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(post, url, "/v1/chat/completions", BODY) for _ in range(2)]
        until(lambda: len(engine.seen) == 2)
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("POST", "/v1/messages", json.dumps(PATHS["/v1/messages"]), {
            "Content-Type": "application/json"})  # fmt: skip
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("retry-after")) == (429, "1")
        assert json.loads(answer.read())["error"]["type"] == "rate_limit_error"
        assert not any(one.done() for one in waiting)
        engine.let_go()
        assert [one.result()[0] for one in waiting] == [200, 200]


def test_thirty_two_clients_at_once_are_each_told_their_own() -> None:
    def ask(url: str, number: int) -> tuple[int, object]:
        body = {**PATHS["/v1/messages"], "messages": [{"role": "user", "content": " x" * number}]}
        return number, post(url, "/v1/messages", body)[1]["content"][0]["text"]

    engine = Scripted("")
    with served(engine) as url, ThreadPoolExecutor(32) as pool:
        found = dict(pool.map(lambda number: ask(url, number), range(1, 33)))
    shortest = min(len(prompt.ids) for prompt, _ in engine.seen)
    assert found == {number: f"{shortest + 2 * number - 2} tokens" for number in range(1, 33)}


def test_metrics_count_requests_and_tokens_and_hold_nothing_that_was_said() -> None:
    with served(Scripted("Hello, secret.")) as url:
        post(url, "/v1/messages", PATHS["/v1/messages"])
        post(url, "/v1/messages", {})
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    assert 'sera_requests_total{api="/v1/messages",status="200"} 1.0' in text
    assert 'sera_requests_total{api="/v1/messages",status="400"} 1.0' in text
    assert 'sera_completion_tokens_total{agent="shop@1"} 6.0' in text
    assert "secret" not in text and "Go." not in text


def test_health_tells_of_an_engine_that_is_away() -> None:
    engine = Scripted(breaks=0)
    with served(engine) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (503, {"status": "the engine is away"})


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_pair_of_surrogates_that_an_agent_writes_does_not_end_its_reply(stream: bool) -> None:
    call = '<tool_call>\n{"name": "other", "arguments": {"x": "a\\ud800"}}\n</tool_call>'
    with served(Scripted(call)) as url:
        status, answer = post(url, "/v1/messages", {**BODY, "max_tokens": 99, "stream": stream})
    assert status == 200
    assert "message_stop" in answer.decode() if stream else answer["content"][0]["input"] == {"x": "a?"}
