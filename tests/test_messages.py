"""Messages as Anthropic's own client hears them, and what of them cannot be read."""

import json
from typing import Any

import anthropic
import pytest

from sera_cli.agents.serving.asked import Asked, Refused, Sampling
from sera_cli.agents.serving.messages import Voice, read
from sera_cli.harness.wire.live import Heard
from tests.serving import CALL, THOUGHT, Scripted, served, telling
from tests.test_chat_completions import MIXES

GO: dict[str, Any] = {"model": "shop@1", "max_tokens": 99, "messages": [{"role": "user", "content": "Go."}]}
TOOLS: list[Any] = [{"name": "bash", "description": "Runs it.", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize("says", MIXES)
def test_the_official_client_hears_the_same_streamed_and_whole(says: str) -> None:
    with served(Scripted(says)) as url:
        client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        whole = client.messages.create(**GO, tools=TOOLS)
        with client.messages.stream(**GO, tools=TOOLS) as stream:
            streamed = stream.get_final_message()
    calls, said = says.count("<tool_call>"), says.removeprefix(THOUGHT).partition(CALL)[0].strip()
    kinds = ["thinking"] * says.startswith(THOUGHT) + ["text"] * bool(said) + ["tool_use"] * calls
    for message in (whole, streamed):
        assert [block.type for block in message.content] == kinds
        for block in message.content:
            match block.type:
                case "thinking":
                    assert (block.thinking, block.signature) == ("I look.", "sera")
                case "text":
                    assert block.text == said
                case "tool_use":
                    assert (block.name, block.input) == ("bash", {"command": "ls -l é"})
        assert message.stop_reason == ("tool_use" if calls else "end_turn")
        assert (message.usage.input_tokens, message.usage.output_tokens) == (
            whole.usage.input_tokens, whole.usage.output_tokens)  # fmt: skip
    ids = [block.id for block in streamed.content if block.type == "tool_use"]
    assert ids == [f"call_0_{number}" for number in range(calls)]


def test_a_count_is_of_what_the_engine_is_given() -> None:
    engine = Scripted()
    with served(engine) as url:
        client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        asked: dict[str, Any] = {"model": "shop@1", "messages": GO["messages"], "system": "Work.", "tools": TOOLS}
        counted = client.messages.count_tokens(**asked).input_tokens
        used = client.messages.create(**asked, max_tokens=9).usage.input_tokens
    assert counted == used == len(engine.seen[0][0].ids)


def test_refusals_are_the_errors_that_the_official_client_knows() -> None:
    with served(Scripted(breaks=1), key="sesame") as url:
        stranger = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        with pytest.raises(anthropic.AuthenticationError, match="send the server's key"):
            stranger.messages.create(**GO)
        friend = anthropic.Anthropic(base_url=url, auth_token="sesame", max_retries=0)
        with pytest.raises(anthropic.NotFoundError):
            friend.messages.create(**{**GO, "model": "other"})
        with pytest.raises(anthropic.APIStatusError, match="the engine went away"):
            friend.messages.create(**GO, stream=True).response.read()
            list(friend.messages.create(**GO, stream=True))


def test_the_events_of_a_stream_are_these() -> None:
    voice = Voice(Asked(model="shop@1", messages=tuple(GO["messages"])))
    heard = [
        Heard("thinking", "I "), Heard("thinking", "look."), Heard("said", "So."), Heard("name", "bash"),
        Heard("arguments", "{}"), Heard("name", "bash", 1), Heard("arguments", '{"a":', 1), Heard("arguments", "1}", 1),
    ]  # fmt: skip
    found = telling(voice, heard, "length")
    assert [event.name for event in found] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_delta",
        "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop",
        "content_block_start", "content_block_delta", "content_block_stop", "content_block_start",
        "content_block_delta", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    datas = [event.data for event in found if isinstance(event.data, dict)]
    assert all(event.name == data["type"] for event, data in zip(found, datas, strict=True))
    assert datas[0]["message"]["usage"]["input_tokens"] == 7
    assert [data["delta"] for data in datas if data["type"] == "content_block_delta"][:3] == [
        {"type": "thinking_delta", "thinking": "I "}, {"type": "thinking_delta", "thinking": "look."},
        {"type": "signature_delta", "signature": "sera"},
    ]  # fmt: skip
    assert [data["index"] for data in datas if data["type"] == "content_block_stop"] == [0, 1, 2, 3]
    assert datas[-2]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}


def test_a_body_with_all_that_clients_send_is_read() -> None:
    blocks = [
        {"type": "thinking", "thinking": "I look.", "signature": "s"}, {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "So.", "cache_control": {"type": "ephemeral"}},
        {"type": "tool_use", "id": "t0", "name": "bash", "input": {"command": "ls"}},
        {"type": "tool_use", "id": "t1", "name": "submit", "input": {}},
    ]  # fmt: skip
    results = [
        {"type": "tool_result", "tool_use_id": "t0", "content": [{"type": "text", "text": "a.py"}]},
        {"type": "tool_result", "tool_use_id": "t1", "is_error": True},
        {"type": "text", "text": "Go on."},
    ]  # fmt: skip
    asked = read({
        "model": "shop@1", "max_tokens": 9, "stop_sequences": ["END"], "top_k": 5, "metadata": {"user_id": "me"},
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "system": [{"type": "text", "text": "Work."}],
        "tool_choice": {"type": "auto"}, "tools": [*TOOLS, {"type": "web_search_20250305", "name": "web_search"}],
        "messages": [{"role": "user", "content": "Go."}, {"role": "assistant", "content": blocks},
                     {"role": "user", "content": results}],
    })  # fmt: skip
    calls = [
        {"id": "t0", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}},
        {"id": "t1", "type": "function", "function": {"name": "submit", "arguments": "{}"}},
    ]
    assert asked.messages == (
        {"role": "system", "content": "Work."}, {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "So.", "reasoning_content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t0", "content": "a.py"},
        {"role": "tool", "tool_call_id": "t1", "content": ""}, {"role": "user", "content": "Go on."},
    )  # fmt: skip
    assert [tool["function"]["name"] for tool in asked.tools] == ["bash"]
    assert asked.sampling == Sampling(max_tokens=9, top_k=5, stop=("END",))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role is 'robot'"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
         "messages[0].content[0][0] is of type 'image': the agent reads text alone"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9"}]}]},
         "messages: the result of 't9' has no call before it"),
        ({"tool_choice": {"type": "any"}}, "tool_choice 'any' cannot be held"),
        ({"system": 7}, "system must be a string or a list of parts"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name must be a string that is not empty"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as raised:
        read({**GO, **more})
    assert raised.value.sentence.startswith(said)


def test_a_call_that_was_never_finished_is_not_handed_on_as_one() -> None:
    half = CALL.removesuffix("}}\n</tool_call>")
    with served(Scripted(half)) as url:
        client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
        whole = client.messages.create(**GO, tools=TOOLS)
    assert [block.type for block in whole.content] == ["text"]
    assert json.loads(json.dumps(whole.content[0].to_dict()))["text"] == half
