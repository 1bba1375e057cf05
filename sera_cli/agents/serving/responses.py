"""OpenAI's responses: `POST /v1/responses`. Nothing is stored: each request brings its whole conversation."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from time import time
from typing import Any
from uuid import uuid4

from sera_cli.agents.serving import chat_completions, fields
from sera_cli.agents.serving.asked import Asked, Ended, Event, Refused, turn
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message, Usage

UNSUPPORTED = {"background": False, "conversation": None, "prompt": None, "top_logprobs": 0}
SEALED = "reasoning.encrypted_content"
"""What a client includes that keeps no reasoning itself. Ours is not encrypted: it is the thinking, for this server."""


def read(body: dict[str, Any]) -> Asked:
    """Tools other than functions are left out of the offer: OpenAI's servers run them, or no schema tells of them."""
    fields.unsupported(body, UNSUPPORTED)
    if body.get("previous_response_id"):
        raise Refused("invalid", "previous_response_id: this server keeps no conversations; send the whole input")
    tools = [
        fields.tool(fields.word(row, "name", where), row.get("description"), row.get("parameters"))
        for where, row in fields.rows(body.get("tools"), "tools") if row.get("type") == "function"
    ]  # fmt: skip
    include = body.get("include")
    return Asked(
        model=fields.model(body), messages=fields.conversation(_messages(body), "input"),
        tools=fields.offered(body.get("tool_choice"), tools), sampling=fields.sampling(body, "max_output_tokens"),
        stream=bool(body.get("stream")), told={"sealed": isinstance(include, list) and SEALED in include},
    )  # fmt: skip


def voice(asked: Asked) -> "Voice":
    return Voice(asked)


def refusal(refused: Refused) -> dict[str, Any]:
    return chat_completions.refusal(refused)


class Voice:
    """Items one after the other, each added, grown and done, in a response that is created and completed."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._turn, self._number = asked, turn(asked), -1
        self._id, self._created = f"resp_{uuid4().hex}", int(time())
        self._done: list[dict[str, Any]] = []
        self._item: dict[str, Any] = {}

    def begin(self, prompt: int) -> Iterator[Event]:  # noqa: ARG002
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response("in_progress", []))

    def hear(self, heard: Heard) -> Iterator[Event]:
        kind = {"thinking": "reasoning", "said": "message"}.get(heard.kind, "function_call")
        if self._item.get("type") != kind or heard.kind == "name":
            yield from self._close()
            yield from self._open(heard)
        if heard.kind == "arguments":
            self._item["arguments"] += heard.text
            yield self._at("response.function_call_arguments.delta", delta=heard.text)
        elif heard.kind != "name":
            self._item["content"][0]["text"] += heard.text
            name = "reasoning_text" if kind == "reasoning" else "output_text"
            more: dict[str, Any] = {} if kind == "reasoning" else {"logprobs": []}
            yield self._at(f"response.{name}.delta", content_index=0, delta=heard.text, **more)

    def end(self, ended: Ended) -> Iterator[Event]:
        yield from self._close()
        status = "incomplete" if ended.finish == "length" else "completed"
        told = self._response(status, self._done, ended.reply.usage)
        yield self._event(f"response.{status}", response=told)

    def fail(self, refused: Refused) -> Iterator[Event]:
        told = self._response("failed", self._done)
        yield self._event("response.failed", response={
            **told, "error": {"code": "server_error", "message": refused.sentence}})  # fmt: skip

    def whole(self, ended: Ended) -> dict[str, Any]:
        """As it would have been streamed: the response that its last event holds."""
        message, pieces = ended.reply.message, []
        if thinking := message.get("reasoning_content"):
            pieces.append(Heard("thinking", thinking))
        if message["content"]:
            pieces.append(Heard("said", message["content"]))
        for number, call in enumerate(ended.reply.calls):
            pieces += [Heard("name", call.name, number), Heard("arguments", call.arguments, number)]
        *_, last = [event for piece in pieces for event in self.hear(piece)] + [*self.end(ended)]
        assert isinstance(last.data, dict)
        return dict(last.data["response"])

    def _open(self, heard: Heard) -> Iterator[Event]:
        match heard.kind:
            case "thinking":
                self._item = {"id": f"rs_{uuid4().hex}", "type": "reasoning", "summary": [], "content": []}
            case "said":
                self._item = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "content": []}
            case _:
                id_ = f"call_{self._turn}_{heard.call}"
                self._item = {
                    "id": f"fc_{uuid4().hex}", "type": "function_call", "call_id": id_, "name": heard.text,
                    "arguments": "",
                }  # fmt: skip
        self._item["status"] = "in_progress"
        yield self._at("response.output_item.added", item=_copied(self._item))
        if "content" in self._item:
            part = _part(self._item["type"])
            yield self._at("response.content_part.added", content_index=0, part=dict(part))
            self._item["content"].append(part)

    def _close(self) -> Iterator[Event]:
        if not self._item:
            return
        item = self._item
        if item["type"] == "function_call":
            yield self._at("response.function_call_arguments.done", name=item["name"], arguments=item["arguments"])
        else:
            part = item["content"][0]
            name = "reasoning_text" if item["type"] == "reasoning" else "output_text"
            more: dict[str, Any] = {} if item["type"] == "reasoning" else {"logprobs": []}
            yield self._at(f"response.{name}.done", content_index=0, text=part["text"], **more)
            yield self._at("response.content_part.done", content_index=0, part=dict(part))
        item["status"] = "completed"
        if item["type"] == "reasoning" and self._asked.told["sealed"]:
            item["encrypted_content"] = b64encode(item["content"][0]["text"].encode()).decode()
        yield self._at("response.output_item.done", item=_copied(item))
        self._done.append(item)
        self._item = {}

    def _response(self, status: str, output: list[dict[str, Any]], used: Usage | None = None) -> dict[str, Any]:
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self._id, "object": "response", "created_at": self._created, "status": status, "error": None,
            "incomplete_details": cut, "model": self._asked.model, "output": output, "usage": _usage(used),
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": False, "metadata": {},
            "instructions": None, "temperature": self._asked.sampling.temperature,
            "top_p": self._asked.sampling.top_p,
        }  # fmt: skip

    def _at(self, kind: str, **data: Any) -> Event:
        where = {"output_index": len(self._done)}
        return self._event(kind, **({} if "item" in data else {"item_id": self._item["id"]}), **where, **data)

    def _event(self, kind: str, **data: Any) -> Event:
        self._number += 1
        return Event(kind, {"type": kind, "sequence_number": self._number, **data})


def _messages(body: dict[str, Any]) -> list[Message]:
    """The conversation. Reasoning, text and calls that stand together are one turn of the assistant."""
    said = body.get("input")
    rows = [("input", {"role": "user", "content": said})] if isinstance(said, str) else fields.rows(said, "input")
    instructions = fields.text(body.get("instructions"), "instructions")
    made: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    for where, row in rows:
        message = _message(row, where)
        if message["role"] == "assistant" and made and made[-1]["role"] == "assistant":
            made[-1] = _together(made[-1], message)
        else:
            made.append(message)
    return made


def _message(row: dict[str, Any], where: str) -> Message:
    match row.get("type", "message"):
        case "message":
            return chat_completions.message(row, where)
        case "function_call":
            called = fields.call(
                fields.word(row, "call_id", where), fields.word(row, "name", where), row.get("arguments"))
            return {"role": "assistant", "content": "", "tool_calls": [called]}
        case "function_call_output":
            id_ = fields.word(row, "call_id", where)
            return {"role": "tool", "tool_call_id": id_, "content": fields.text(row.get("output"), f"{where}.output")}
        case "reasoning":
            return {"role": "assistant", "content": "", "reasoning_content": _thinking(row)}
        case kind:
            raise Refused("invalid", f"{where} is of type {kind!r}, which this server does not read")


def _together(one: Message, other: Message) -> Message:
    made: Message = {"role": "assistant", "content": one["content"] + other["content"]}
    if thinking := one.get("reasoning_content", "") + other.get("reasoning_content", ""):
        made["reasoning_content"] = thinking
    calls = [*one.get("tool_calls", ()), *other.get("tool_calls", ())]
    return made | {"tool_calls": calls} if calls else made


def _thinking(row: dict[str, Any]) -> str:
    """Of reasoning that a client sends back: its text, what it was sealed as, or its summary."""
    for name in ("content", "summary"):
        parts = row.get(name)
        texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        if found := "".join(text for text in texts if isinstance(text, str)):
            return found
    try:
        return b64decode(str(row.get("encrypted_content") or ""), validate=True).decode()
    except ValueError:
        return ""


def _part(kind: str) -> dict[str, Any]:
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _usage(used: Usage | None) -> dict[str, Any] | None:
    if used is None:
        return None
    return {
        "input_tokens": used.prompt, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": used.completion, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt + used.completion,
    }  # fmt: skip


def _copied(item: dict[str, Any]) -> dict[str, Any]:
    """As it is now: it grows on."""
    copy: dict[str, Any] = json.loads(json.dumps(item))
    return copy
