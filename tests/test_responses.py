"""Responses as OpenAI's own client hears them, and what of them cannot be read."""

from typing import Any

import openai
import pytest

from sera_cli.agents.serving.asked import Asked, Refused, Sampling
from sera_cli.agents.serving.responses import Voice, read
from sera_cli.harness.wire.live import Heard
from tests.serving import CALL, THOUGHT, Scripted, served, telling
from tests.test_chat_completions import MIXES

TOOLS: list[Any] = [{"type": "function", "name": "bash", "description": "Runs it.", "parameters": {"type": "object"}}]


@pytest.mark.parametrize("says", MIXES)
def test_the_official_client_hears_the_same_streamed_and_whole(says: str) -> None:
    with served(Scripted(says)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        whole = client.responses.create(model="shop@1", input="Go.", tools=TOOLS)
        with client.responses.stream(model="shop@1", input="Go.", tools=TOOLS) as stream:
            streamed = stream.get_final_response()
    calls, said = says.count("<tool_call>"), says.removeprefix(THOUGHT).partition(CALL)[0].strip()
    kinds = ["reasoning"] * says.startswith(THOUGHT) + ["message"] * bool(said) + ["function_call"] * calls
    for response in (whole, streamed):
        assert (response.status, response.output_text) == ("completed", said)
        assert [item.type for item in response.output] == kinds
        for item in response.output:
            match item.type:
                case "reasoning":
                    assert item.content and item.content[0].text == "I look."
                case "function_call":
                    assert (item.name, item.arguments) == ("bash", '{"command": "ls -l é"}')
        assert response.usage and response.usage.output_tokens == len(says) // 5 * 2 + 2 * bool(len(says) % 5)


def test_a_reply_cut_short_is_incomplete_and_one_that_breaks_off_has_failed() -> None:
    with served(Scripted("Hel", cut=True)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        found = client.responses.create(model="shop@1", input="Go.")
    assert found.status == "incomplete" and found.incomplete_details
    assert found.incomplete_details.reason == "max_output_tokens"
    with served(Scripted("Hello, you.", breaks=1)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        *_, last = client.responses.create(model="shop@1", input="Go.", stream=True)
    assert last.type == "response.failed"
    assert last.response.error and last.response.error.message == "the engine went away"


def test_the_events_of_a_stream_are_these() -> None:
    voice = Voice(Asked(model="shop@1", messages=({"role": "user", "content": "Go."},), told={"sealed": True}))
    heard = [Heard("thinking", "I look."), Heard("said", "So."), Heard("name", "bash"), Heard("arguments", "{}")]
    found = telling(voice, heard, "calls")
    assert [event.name.removeprefix("response.") for event in found] == [
        "created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.delta",
        "reasoning_text.done", "content_part.done", "output_item.done", "output_item.added", "content_part.added",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "output_item.added",
        "function_call_arguments.delta", "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip
    datas = [event.data for event in found if isinstance(event.data, dict)]
    assert [data["sequence_number"] for data in datas] == list(range(19))
    assert [data["output_index"] for data in datas if data["type"].endswith("item.done")] == [0, 1, 2]
    assert [item["type"] for item in datas[-1]["response"]["output"]] == ["reasoning", "message", "function_call"]
    assert datas[2]["item"]["content"] == []


def test_reasoning_that_a_client_sends_back_sealed_is_read_again() -> None:
    voice = Voice(Asked(model="", messages=({"role": "user", "content": "Go."},), told={"sealed": True}))
    heard = [Heard("thinking", "Sealed é."), Heard("name", "bash"), Heard("arguments", "{}")]
    last = telling(voice, heard, "calls")[-1]
    assert isinstance(last.data, dict)
    reasoning, call = last.data["response"]["output"]
    del reasoning["content"]
    asked = read({"input": [{"role": "user", "content": "Go."}, reasoning, call]})
    assert asked.messages[1]["reasoning_content"] == "Sealed é."
    assert [one["id"] for one in asked.messages[1]["tool_calls"]] == ["call_0_0"]


def test_a_body_with_all_that_clients_send_is_read() -> None:
    asked = read({
        "model": "shop@1", "instructions": "Work.", "max_output_tokens": 9, "store": False, "include": [],
        "reasoning": {"effort": "high"}, "text": {"verbosity": "low"}, "tool_choice": "auto", "stream": True,
        "parallel_tool_calls": False, "prompt_cache_key": "k", "tools": [*TOOLS, {"type": "web_search"}],
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Well."}]},
            {"role": "user", "content": "Go."},
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "I look."}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
            {"type": "function_call", "call_id": "c0", "name": "bash", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c0", "output": "a.py"},
        ],
    })  # fmt: skip
    call = {"id": "c0", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
    assert asked.messages == (
        {"role": "system", "content": "Work."}, {"role": "system", "content": "Well."},
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "So.", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": "a.py"},
    )  # fmt: skip
    assert asked.sampling == Sampling(max_tokens=9)
    assert [tool["function"]["name"] for tool in asked.tools] == ["bash"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": []}, "input must hold at least one message"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0] is of type 'item_reference', which this server"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": ""}]}, "input: the result of 'c' has"),
        ({"input": "Go.", "background": True}, "background is not supported here"),
        ({"input": "Go.", "conversation": "c"}, "conversation is not supported here"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(body: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as raised:
        read(body)
    assert raised.value.sentence.startswith(said)
