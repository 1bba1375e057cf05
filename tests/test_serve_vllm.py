"""Agents behind a real vLLM: what their clients are told, what reaches the engine, and what a crash of it leaves."""

import json
import os
import shlex
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from sera_cli.agents.serving import engine as engines
from sera_cli.agents.serving.answer import Agent
from sera_cli.agents.serving.engine import Remote
from sera_cli.agents.serving.stand import Served, ordered
from sera_cli.data import formats
from sera_cli.harness import tokens, wire
from sera_cli.harness.vllm.engine import serving
from sera_cli.train.rows import rows
from sera_cli.types import Sample
from tests import families, students
from tests.conversations import CONVERSATIONS
from tests.serving import served
from tests.test_chat import CARD
from tests.test_engine import ours
from tests.test_formats import ROW
from tests.test_vllm import SMALL, servers, taught

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("SERA_VLLM_CMD"), reason="needs vLLM: set SERA_VLLM_CMD to its command line"),
]
pytest.importorskip("transformers", reason="needs the extra `train`, to make a model")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Remote]]:
    """A server of two adapters, each of which knows a conversation by heart, and of their base."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        with standing(tmp_path_factory.mktemp("served")) as found:
            yield found
    assert ours() == []


@contextmanager
def standing(folder: Path) -> Iterator[tuple[str, Remote]]:
    student = families.student("qwen3")
    card = CARD.model_copy(update={"context": student.context})
    adapters = [
        Served(
            card.model_copy(update={"version": number}), taught("lora-8b", number, folder / f"{number}"), student.base,
            student.wire,
        )
        for number in (1, 2)
    ]  # fmt: skip
    order = ordered(adapters, folder / "log", os.environ, flags=shlex.split(SMALL), offline=True)
    read = tokens.load(student.base)
    names = [*((one.name, one.name) for one in adapters), ("base", order.name)]
    agents = tuple(Agent(name, model, student.context, student.wire, read) for name, model in names)
    with serving(order) as engine:
        remote = Remote(engine)
        with served(remote, agents=agents) as url:
            yield url, remote


def test_each_adapter_calls_what_it_learned_by_every_api_streamed_and_whole(place: tuple[str, Remote]) -> None:
    url, _ = place
    ai = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    claude = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    function = students.TOOLS[0]["function"]
    tool: Any = {"name": "bash", "description": function["description"], "input_schema": function["parameters"]}
    for number in (1, 2):
        system, user = (str(message["content"]) for message in students.chat(number)[:2])
        said: Any = students.chat(number)[:2]
        asked: Any = {"model": f"shop@{number}", "max_tokens": 120}
        begun: Any = {**asked, "system": system, "messages": [{"role": "user", "content": user}], "tools": [tool]}
        whole = ai.chat.completions.create(**asked, messages=said, tools=students.TOOLS)
        with ai.chat.completions.stream(**asked, messages=said, tools=students.TOOLS) as stream:
            streamed = stream.get_final_completion()
        for completion in (whole, streamed):
            message = completion.choices[0].message
            assert [call.function.arguments for call in message.tool_calls or []] == [f'{{"command": "ls {number}"}}']
            assert message.reasoning_content == "I look."  # type: ignore[union-attr]
        with claude.messages.stream(**begun) as events:
            final = events.get_final_message()
        for reply in (claude.messages.create(**begun), final):
            assert [block.type for block in reply.content] == ["thinking", "tool_use"]
            assert reply.content[1].input == {"command": f"ls {number}"}
            assert reply.usage.input_tokens == whole.usage.prompt_tokens
        response = ai.responses.create(
            model=f"shop@{number}", instructions=system, input=user, tools=[{"type": "function", **function}])
        assert [item.type for item in response.output] == ["reasoning", "function_call"]


def test_what_reaches_vllm_is_token_for_token_what_training_laid_down(
    place: tuple[str, Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty conversations, each up to every turn of the assistant's: rows of AI2's shape and of ours."""
    seen: list[list[int]] = []
    pieces = engines._pieces

    def noting(event: dict[str, Any]) -> Iterator[engines.Piece]:
        seen.extend(choice["prompt_token_ids"] for choice in event["choices"] if choice.get("prompt_token_ids"))
        return pieces(event)

    monkeypatch.setattr(engines, "_pieces", noting)
    url, _ = place
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    student = families.student("qwen3")
    imported = formats.read(json.loads(ROW.read_text(encoding="utf-8")))
    talks = [(list(imported.messages), list(imported.tools)), *CONVERSATIONS.values()]
    talks += [(students.chat(number), students.TOOLS) for number in range(50 - len(talks))]
    for number, (messages, tools) in enumerate(talks):
        flat = tuple(wire.flatten(messages, tools, student.wire))
        sample = Sample(id=f"{number}", messages=flat, origin="first", kept=1, steps=1, tokens=1)
        if not any(message["train"] for message in flat):
            continue
        laid = list(rows([sample], student)[0].input_ids)
        for at, message in enumerate(messages):
            if message["role"] == "assistant":
                asked: Any = {"messages": messages[:at]} | ({"tools": tools} if tools else {})
                client.chat.completions.create(model="shop@1", max_tokens=1, **asked)
                assert seen[-1] == laid[: len(seen[-1])]
    assert len(talks) == 50 and len(seen) > 100


def test_thirty_two_clients_at_once_are_each_answered(place: tuple[str, Remote]) -> None:
    url, _ = place
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=300)

    def ask(number: int) -> str:
        said: Any = students.chat(number)[:2]
        made = client.chat.completions.create(
            model=f"shop@{number}", messages=said, tools=students.TOOLS, max_tokens=120)
        return str((made.choices[0].message.tool_calls or [None])[0].function.arguments)  # type: ignore[union-attr]

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, [1, 2] * 16)) == ['{"command": "ls 1"}', '{"command": "ls 2"}'] * 16


def test_a_crash_in_mid_stream_is_told_and_the_next_request_is_answered(
    place: tuple[str, Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is noise that goes on as long as there is room, and far more of it than a connection takes unread.

    For this process may get no turn while the engine is busy, and would find the whole reply waiting for it.
    """
    import httpcore

    asked, (url, remote) = engines._asked, place
    endless = {"ignore_eos": True, "stop_token_ids": [], "logprobs": 20}
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)]
    narrow = httpcore.AsyncConnectionPool(uds=str(remote._engine.socket), socket_options=small)
    monkeypatch.setattr(engines, "_asked", lambda prompt, sampling: asked(prompt, sampling) | endless)
    monkeypatch.setattr(remote, "_pool", narrow)
    pieces, doomed = engines._pieces, servers()[:1]

    def killing(event: dict[str, Any]) -> Iterator[engines.Piece]:
        if doomed and any(choice.get("token_ids") for choice in event["choices"]):
            os.kill(doomed.pop(), signal.SIGKILL)
        return pieces(event)

    monkeypatch.setattr(engines, "_pieces", killing)
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=300)
    said: Any = {"messages": [{"role": "user", "content": "Go."}], "model": "base"}
    said["extra_body"] = {"temperature": 1.0}
    assert doomed
    with pytest.raises(anthropic.APIStatusError, match="the engine went away while it wrote"):
        list(client.messages.create(**said, max_tokens=20_000, stream=True))
    assert client.messages.create(**said, max_tokens=3).usage.output_tokens == 3
