"""Chat completions as OpenAI's own client hears them, and what of them cannot be read."""

from typing import Any

import openai
import pytest

from sera_cli.agents.serving.asked import Asked, Event, Refused, Sampling
from sera_cli.agents.serving.chat_completions import Voice, read
from sera_cli.harness.wire.live import Heard
from tests.serving import CALL, THOUGHT, TOOLS, Scripted, served, telling

GO: dict[str, Any] = {"model": "shop@1", "messages": [{"role": "user", "content": "Go."}]}
MIXES = ["Hello.", THOUGHT + "Hello.", CALL, THOUGHT + CALL, THOUGHT + "I look.\n" + CALL + "\n" + CALL]


@pytest.mark.parametrize("says", MIXES)
def test_the_official_client_hears_the_same_streamed_and_whole(says: str) -> None:
    with served(Scripted(says)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        whole = client.chat.completions.create(**GO, tools=TOOLS)
        with client.chat.completions.stream(**GO, tools=TOOLS, stream_options={"include_usage": True}) as stream:
            streamed = stream.get_final_completion()
    one, other = (found.choices[0] for found in (whole, streamed))
    thinking = "I look." if says.startswith(THOUGHT) else None
    calls = says.count("<tool_call>")
    said = says.removeprefix(THOUGHT).partition(CALL)[0].strip()
    for choice in (one, other):
        assert (choice.message.content or "") == said
        assert getattr(choice.message, "reasoning_content", None) == thinking
        assert [call.id for call in choice.message.tool_calls or []] == [f"call_0_{n}" for n in range(calls)]
        assert {call.function.arguments for call in choice.message.tool_calls or []} <= {'{"command": "ls -l é"}'}
        assert choice.finish_reason == ("tool_calls" if calls else "stop")
    assert whole.usage == streamed.usage
    assert whole.usage and whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_a_reply_cut_short_says_so() -> None:
    with served(Scripted("Hel", cut=True)) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        assert client.chat.completions.create(**GO).choices[0].finish_reason == "length"


def test_refusals_are_the_errors_that_the_official_client_knows() -> None:
    with served(Scripted(breaks=1), key="sesame") as url:
        asking = {"none": openai.AuthenticationError, "sesame": openai.NotFoundError}
        for key, kind in asking.items():
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
            with pytest.raises(kind):
                client.chat.completions.create(model="other", messages=GO["messages"])
        with pytest.raises(openai.APIError, match="the engine went away"):
            list(client.chat.completions.create(**GO, stream=True))


def test_the_chunks_of_a_stream_are_these() -> None:
    voice = Voice(Asked(model="shop@1", messages=tuple(GO["messages"]), told={"usage": False}))
    heard = [Heard("thinking", "I look."), Heard("said", "So."), Heard("name", "bash"), Heard("arguments", "{}")]
    found = telling(voice, heard, "calls")
    assert found[-1] == Event("", "[DONE]")
    choices = [event.data["choices"][0] for event in found[:-1] if isinstance(event.data, dict)]
    function = {"name": "bash", "arguments": ""}
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": ""}, {"reasoning_content": "I look."}, {"content": "So."},
        {"tool_calls": [{"index": 0, "id": "call_0_0", "type": "function", "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, {},
    ]  # fmt: skip
    assert [choice["finish_reason"] for choice in choices] == [None] * 5 + ["tool_calls"]


def test_a_body_with_all_that_clients_send_is_read() -> None:
    call = {"id": "c0", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
    asked = read({
        "model": "shop@1", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 7, "stop": "END",
        "temperature": 0.5, "top_p": 0.9, "seed": 3, "n": 1, "logprobs": False, "parallel_tool_calls": True,
        "response_format": {"type": "text"}, "user": "me", "tool_choice": "auto", "unknown": 1,
        "tools": [{"type": "function", "function": {"name": "bash", "parameters": {}, "strict": True}}],
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Wor"}, {"type": "text", "text": "k."}]},
            {"role": "user", "content": "Go.", "name": "me"},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning": "I look."},
            {"role": "tool", "tool_call_id": "c0", "content": [{"type": "text", "text": "a.py"}]},
        ],
    })  # fmt: skip
    assert asked.messages == (
        {"role": "system", "content": "Work."}, {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": "a.py"},
    )  # fmt: skip
    assert asked.sampling == Sampling(max_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop=("END",))
    assert asked.tools == ({"type": "function", "function": {"name": "bash", "parameters": {}}},)
    assert read({**GO, "tools": TOOLS, "tool_choice": "none"}).tools == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"messages": "Go."}, "messages must be a list"),
        ({"messages": ["Go."]}, "messages[0] must be an object"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role is 'robot'; known are system"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content must be a string or a list of parts"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
         "messages[0].content[0] is of type 'image_url': the agent reads text alone"),
        ({"messages": [{"role": "tool", "tool_call_id": "c9", "content": ""}]},
         "messages: the result of 'c9' has no call before it"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c0"}]}]},
         "messages[0].tool_calls[0].function must be an object"),
        ({"tools": [{"type": "custom"}]}, "tools[0] must be a function"),
        ({"tool_choice": "required"}, "tool_choice 'required' cannot be held"),
        ({"tool_choice": {"type": "function", "function": {"name": "bash"}}}, "tool_choice 'function' cannot be held"),
        ({"temperature": "hot"}, "temperature must be a number from 0 to 2"),
        ({"stop": [7]}, "stop must be a string or a list of strings"),
        ({"logprobs": True}, "logprobs is not supported here"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported here"),
        ({"model": 7}, "model must be a string"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as raised:
        read({**GO, **more})
    assert raised.value.sentence.startswith(said)
