"""Anthropic's messages: `POST /v1/messages`, and what its `count_tokens` counts."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from sera_cli.agents.serving import fields
from sera_cli.agents.serving.asked import Asked, Ended, Event, Finish, Kind, Refused, turn
from sera_cli.harness.wire import thought
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message

FINISH: dict[Finish, str] = {"stop": "end_turn", "calls": "tool_use", "length": "max_tokens"}
KINDS: dict[Kind, str] = {
    "invalid": "invalid_request_error", "key": "authentication_error", "forbidden": "permission_error",
    "unknown": "not_found_error", "large": "request_too_large", "context": "invalid_request_error",
    "busy": "rate_limit_error", "engine": "api_error",
}
SIGNATURE = "sera"
"""Thinking is signed for a server that must trust it; this one reads it as it comes."""


def read(body: dict[str, Any]) -> Asked:
    """Thinking is always told, whether `thinking` asks for it or not: the agent has to see it again in later turns.

    Tools that Anthropic's own servers run are left out of the offer.
    """
    if body.get("max_tokens") is None:
        raise Refused("invalid", "max_tokens: Field required")
    return _read(body)


def count(body: dict[str, Any]) -> Asked:
    """The body of a count, which lacks the most tokens."""
    return _read(body)


def voice(asked: Asked) -> "Voice":
    return Voice(asked)


def refusal(refused: Refused) -> dict[str, Any]:
    text = refused.sentence
    if refused.kind == "context":
        text = f"prompt is too long: {refused.tokens} tokens > {refused.context} maximum"
    return {"type": "error", "error": {"type": KINDS[refused.kind], "message": text}}


class Voice:
    """Blocks one after the other, each begun, grown and ended, in a message that is begun and ended."""

    def __init__(self, asked: Asked) -> None:
        self._turn = turn(asked)
        self._head = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant", "model": asked.model}
        self._block, self._open = -1, ""

    def begin(self, prompt: int) -> Iterator[Event]:
        begun: dict[str, Any] = {
            **self._head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(prompt, 0),
        }  # fmt: skip
        yield _event("message_start", message=begun)

    def hear(self, heard: Heard) -> Iterator[Event]:
        match heard.kind:
            case "thinking":
                yield from self._in("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                yield self._delta({"type": "thinking_delta", "thinking": heard.text})
            case "said":
                yield from self._in("text", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": heard.text})
            case "name":
                id_ = f"call_{self._turn}_{heard.call}"
                yield from self._in(id_, {"type": "tool_use", "id": id_, "name": heard.text, "input": {}})
            case "arguments":
                yield self._delta({"type": "input_json_delta", "partial_json": heard.text})

    def end(self, ended: Ended) -> Iterator[Event]:
        yield from self._close()
        used = ended.reply.usage
        delta = {"stop_reason": FINISH[ended.finish], "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage=_usage(used.prompt, used.completion))
        yield _event("message_stop")

    def fail(self, refused: Refused) -> Iterator[Event]:
        yield Event("error", refusal(refused))

    def whole(self, ended: Ended) -> dict[str, Any]:
        message, used = ended.reply.message, ended.reply.usage
        blocks: list[dict[str, Any]] = []
        if thinking := thought(message):
            blocks.append({"type": "thinking", "thinking": thinking, "signature": SIGNATURE})
        if message["content"]:
            blocks.append({"type": "text", "text": message["content"]})
        blocks += [_use(call.id, call.name, call.arguments) for call in ended.reply.calls]
        return {
            **self._head, "content": blocks, "stop_reason": FINISH[ended.finish], "stop_sequence": None,
            "usage": _usage(used.prompt, used.completion),
        }  # fmt: skip

    def _in(self, block: str, empty: dict[str, Any]) -> Iterator[Event]:
        """Sees to it that the block is open that the next delta belongs to."""
        if self._open != block:
            yield from self._close()
            self._open, self._block = block, self._block + 1
            yield _event("content_block_start", index=self._block, content_block=empty)

    def _close(self) -> Iterator[Event]:
        if self._open == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        if self._open:
            yield _event("content_block_stop", index=self._block)
        self._open = ""

    def _delta(self, delta: dict[str, Any]) -> Event:
        return _event("content_block_delta", index=self._block, delta=delta)


def _read(body: dict[str, Any]) -> Asked:
    system = fields.text(body.get("system"), "system")
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for where, row in fields.rows(body.get("messages"), "messages"):
        messages += _messages(row, where)
    tools = [
        fields.tool(fields.word(row, "name", where), row.get("description"), row.get("input_schema"))
        for where, row in fields.rows(body.get("tools"), "tools") if row.get("type") in (None, "custom")
    ]  # fmt: skip
    return Asked(
        model=fields.model(body), messages=fields.conversation(messages, "messages"),
        tools=fields.offered(body.get("tool_choice"), tools),
        sampling=fields.sampling(body, "max_tokens", stop="stop_sequences"), stream=bool(body.get("stream")),
    )  # fmt: skip


def _messages(row: dict[str, Any], where: str) -> list[Message]:
    """A message of theirs as ours: the results in a user's message are messages of their own, before its text."""
    content = row.get("content")
    blocks = [(where, {"type": "text", "text": content})] if isinstance(content, str) else fields.rows(
        content, f"{where}.content")
    match role := row.get("role"):
        case "user":
            return _asked(blocks)
        case "assistant":
            return [_answered(blocks)]
        case "system":
            return [{"role": "system", "content": fields.text(content, f"{where}.content")}]
    raise Refused("invalid", f"{where}.role is {role!r}; known are user and assistant")


def _asked(blocks: list[tuple[str, dict[str, Any]]]) -> list[Message]:
    results: list[Message] = []
    said: list[str] = []
    for where, block in blocks:
        if block.get("type") == "tool_result":
            id_ = fields.word(block, "tool_use_id", where)
            results.append({"role": "tool", "tool_call_id": id_, "content": fields.text(block.get("content"), where)})
        else:
            said.append(fields.text([block], where))
    return [*results, {"role": "user", "content": "\n".join(said)}] if said else results


def _answered(blocks: list[tuple[str, dict[str, Any]]]) -> Message:
    made: Message = {"role": "assistant", "content": ""}
    calls = []
    for where, block in blocks:
        match block.get("type"):
            case "thinking":
                made["reasoning_content"] = made.get("reasoning_content", "") + str(block.get("thinking") or "")
            case "redacted_thinking":
                continue
            case "tool_use":
                name = fields.word(block, "name", where)
                calls.append(fields.call(fields.word(block, "id", where), name, block.get("input")))
            case _:
                made["content"] += fields.text([block], where)
    return made | {"tool_calls": calls} if calls else made


def _use(id_: str, name: str, arguments: str) -> dict[str, Any]:
    import json

    return {"type": "tool_use", "id": id_, "name": name, "input": json.loads(arguments)}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "input_tokens": prompt, "output_tokens": completion, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }  # fmt: skip


def _event(kind: str, **data: Any) -> Event:
    return Event(kind, {"type": kind, **data})
