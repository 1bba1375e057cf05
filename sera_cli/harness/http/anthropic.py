"""Anthropic's Messages API. Conversations are kept in OpenAI chat form and written for it here.

Thinking comes in signed blocks, which the API wants to see again exactly as they were: a message that holds any keeps
all its blocks beside its text, as `blocks`.
"""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sera_cli.errors import DataError, ModelError
from sera_cli.harness.http.dialect import CUT, Options, Turn, dumps, given
from sera_cli.harness.http.faults import Fault
from sera_cli.harness.model import OnText, Thought
from sera_cli.harness.wire import plain
from sera_cli.types import Message, Reply, ToolCall, Usage

VERSION = "2023-06-01"
MARK = b',"cache_control":{"type":"ephemeral"}}'
MARKED = 2
"""How many messages, of those that the model is to answer, carry a cache mark: the last is written, the one before it
was written by the request before (as SWE-agent's harness does in the SERA paper).
"""
SILENT = "(no answer)"
"""Stands for an empty message, which the API does not take."""


class Messages:
    """`POST {url}/v1/messages`. A `bearer` token goes into another header than an API key."""

    variable = "ANTHROPIC_API_KEY"
    seeded = False

    def __init__(self, *, bearer: bool = False) -> None:
        self._bearer = bearer

    def address(self, base: str) -> str:
        return f"{base}/messages" if base.endswith("/v1") else f"{base}/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        named = {"Authorization": f"Bearer {key}"} if self._bearer else {"x-api-key": key}
        return {"anthropic-version": VERSION, **(named if key else {})}

    def encode(self, message: Message) -> Turn:
        match message.get("role"):
            case "system":
                return Turn("system", (_text(message.get("content")),))
            case "assistant":
                return Turn("assistant", tuple(_said(message)))
            case "tool":
                content = plain(message.get("content"))
                result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}
                return Turn("user", (dumps(result),))
            case _:
                return Turn("user", (_text(message.get("content")),))

    def body(self, history: Iterable[Turn], options: Options) -> bytes:
        turns = list(history)
        system = [block for turn in turns if turn.role == "system" for block in turn.blocks]
        grouped = groupby((turn for turn in turns if turn.role != "system"), key=lambda turn: turn.role)
        groups = [(role, [block for turn in group for block in turn.blocks]) for role, group in grouped]
        for _, blocks in [group for group in groups if group[0] == "user"][-MARKED:]:
            blocks[-1] = blocks[-1][:-1] + MARK
        messages = b",".join(
            b'{"role":"%s","content":[%s]}' % (role.encode(), b",".join(blocks)) for role, blocks in groups
        )
        rest: dict[str, Any] = {"model": options.model, **options.asked}
        if options.tools:
            rest["tools"] = [_tool(tool["function"]) for tool in options.tools]
        if options.stream:
            rest["stream"] = True
        return b'{"system":[%s],"messages":[%s],%s' % (b",".join(system), messages, dumps(rest)[1:])

    def usage(self, answer: dict[str, Any]) -> Usage:
        """The API counts new, cached and written input apart."""
        usage = answer.get("usage")
        count = {name: n for name, n in usage.items() if isinstance(n, int)} if isinstance(usage, dict) else {}
        cached, written = count.get("cache_read_input_tokens", 0), count.get("cache_creation_input_tokens", 0)
        return Usage(
            calls=1,
            prompt=count.get("input_tokens", 0) + cached + written,
            cached=cached,
            written=written,
            completion=count.get("output_tokens", 0),
        )

    def read(self, answer: dict[str, Any]) -> Reply:
        try:
            blocks = [_whole(block) for block in answer["content"]]
            message: Message = {"role": "assistant", "content": _joined(blocks, "text", "")}
            if thinking := _joined(blocks, "thinking", "\n\n"):
                message["reasoning_content"] = thinking
            uses = [block for block in blocks if block["type"] == "tool_use"]
            calls = [ToolCall(id=use["id"], name=use["name"], arguments=_arguments(use["input"])) for use in uses]
            cut = answer.get("stop_reason") in ("max_tokens", "model_context_window_exceeded")
        except (KeyError, TypeError, ValueError, AttributeError, DataError) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise Fault("garbled", ModelError(f"the teacher's answer is not a message ({why})")) from error
        if calls:
            message["tool_calls"] = [_kept(call) for call in calls]
        kept = [block for block in blocks if not (cut and _unsigned(block))]
        if any(block["type"] not in ("text", "tool_use") for block in kept):
            message["blocks"] = kept
        return Reply(
            message=message, calls=() if cut else tuple(calls), usage=self.usage(answer), problem=CUT if cut else ""
        )

    def assembly(self, on_text: OnText | None) -> "Events":
        return Events(on_text)


class Events:
    """Events to a message: blocks begin, grow by deltas and end; usage comes at both ends, and counts up."""

    def __init__(self, on_text: OnText | None) -> None:
        self.whole = False
        self._on_text = on_text
        self._message: dict[str, Any] = {"content": []}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}

    def add(self, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                self._message = {**event["message"], "content": []}
            case "content_block_start":
                self._blocks[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                self._grow(event["index"], event["delta"])
            case "message_delta":
                usage = {name: n for name, n in (event.get("usage") or {}).items() if n is not None}
                self._message |= {**event["delta"], "usage": {**(self._message.get("usage") or {}), **usage}}
            case "message_stop":
                self.whole = True

    def answer(self) -> dict[str, Any]:
        blocks = [block | self._input(index) for index, block in sorted(self._blocks.items())]
        return {**self._message, "content": blocks}

    def _grow(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
                self._tell(delta["text"])
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
                self._tell(Thought(delta["thinking"]))
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]

    def _tell(self, text: str) -> None:
        if self._on_text and text:
            self._on_text(text)

    def _input(self, index: int) -> dict[str, Any]:
        """The arguments of a call, put together; as a text where that is no JSON object, as when it was cut off."""
        text = self._inputs.get(index, "")
        return {"input": _object(text)} if text else {}


def _said(message: Message) -> Iterable[bytes]:
    """An assistant's message as blocks: those it came in, or its text and its calls."""
    if blocks := message.get("blocks"):
        full = [block for block in blocks if block["type"] != "text" or block["text"].strip()]
        return [dumps(block | {"input": given(block["input"])} if "input" in block else block) for block in full]
    said = plain(message.get("content"))
    calls = [
        dumps({"type": "tool_use", "id": call["id"], "name": call["function"]["name"],
               "input": given(call["function"].get("arguments"))})
        for call in message.get("tool_calls") or ()
    ]  # fmt: skip
    return [_text(said), *calls] if said.strip() or not calls else calls


def _object(text: str) -> dict[str, Any] | str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) else text


def _arguments(given: object) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(block["type"], str):
        raise DataError("a block has no type")
    return block


def _unsigned(block: dict[str, Any]) -> bool:
    """Whether it is a thought that was cut off before its signature came: the API does not take that back."""
    return block["type"] == "thinking" and not block.get("signature")


def _joined(blocks: list[dict[str, Any]], kind: str, between: str) -> str:
    return between.join(plain(block[kind]) for block in blocks if block["type"] == kind)


def _kept(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _text(content: object) -> bytes:
    said = plain(content)
    return dumps({"type": "text", "text": said if said.strip() else SILENT})


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "description": function["description"], "input_schema": function["parameters"]}
