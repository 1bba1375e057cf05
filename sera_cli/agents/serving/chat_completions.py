"""OpenAI's chat completions: `POST /v1/chat/completions`."""

from collections.abc import Iterator
from time import time
from typing import Any
from uuid import uuid4

from sera_cli.agents.serving import fields
from sera_cli.agents.serving.asked import Asked, Ended, Event, Finish, Kind, Refused, turn
from sera_cli.harness.wire import thought
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message, Usage

FINISH: dict[Finish, str] = {"stop": "stop", "calls": "tool_calls", "length": "length"}
KINDS: dict[Kind, tuple[str, str | None]] = {
    "invalid": ("invalid_request_error", None), "key": ("authentication_error", "invalid_api_key"),
    "forbidden": ("permission_error", None), "unknown": ("invalid_request_error", "model_not_found"),
    "large": ("invalid_request_error", "request_too_large"),
    "context": ("invalid_request_error", "context_length_exceeded"),
    "busy": ("rate_limit_error", "rate_limit_exceeded"), "engine": ("server_error", None),
}
UNSUPPORTED = {
    "n": 1, "logprobs": 0, "top_logprobs": 0, "response_format": {"type": "text"}, "functions": [], "audio": None,
    "prediction": None, "web_search_options": None,
}


def read(body: dict[str, Any]) -> Asked:
    """Thinking may stand in `reasoning_content` or `reasoning` of an assistant's message."""
    fields.unsupported(body, UNSUPPORTED)
    messages = [message(row, where) for where, row in fields.rows(body.get("messages"), "messages")]
    tools = [_tool(row, where) for where, row in fields.rows(body.get("tools"), "tools")]
    options = body.get("stream_options") or {}
    return Asked(
        model=fields.model(body), messages=fields.conversation(messages, "messages"),
        tools=fields.offered(body.get("tool_choice"), tools),
        sampling=fields.sampling(body, "max_completion_tokens", "max_tokens"), stream=bool(body.get("stream")),
        told={"usage": isinstance(options, dict) and bool(options.get("include_usage"))},
    )  # fmt: skip


def voice(asked: Asked) -> "Voice":
    return Voice(asked)


def refusal(refused: Refused) -> dict[str, Any]:
    kind, code = KINDS[refused.kind]
    text = refused.sentence
    if refused.kind == "context":
        text = f"This model's maximum context length is {refused.context} tokens, and {text}."
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


class Voice:
    """Chunks with a delta each; the message grows by them."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._turn, self._prompt = asked, turn(asked), 0
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time()), "model": asked.model}

    def begin(self, prompt: int) -> Iterator[Event]:
        self._prompt = prompt
        yield self._chunk({"role": "assistant", "content": ""})

    def hear(self, heard: Heard) -> Iterator[Event]:
        match heard.kind:
            case "thinking":
                yield self._chunk({"reasoning_content": heard.text})
            case "said":
                yield self._chunk({"content": heard.text})
            case "name":
                begun = {"name": heard.text, "arguments": ""}
                yield self._call(heard.call, {"id": self._id(heard.call), "type": "function", "function": begun})
            case "arguments":
                yield self._call(heard.call, {"function": {"arguments": heard.text}})

    def end(self, ended: Ended) -> Iterator[Event]:
        yield self._chunk({}, FINISH[ended.finish])
        if self._asked.told["usage"]:
            yield Event("", {**self._head, "object": "chat.completion.chunk", "choices": [],
                             "usage": usage(ended.reply.usage)})  # fmt: skip
        yield Event("", "[DONE]")

    def fail(self, refused: Refused) -> Iterator[Event]:
        yield Event("", refusal(refused))

    def whole(self, ended: Ended) -> dict[str, Any]:
        message = ended.reply.message
        told: Message = {"role": "assistant", "content": message["content"] or (None if ended.reply.calls else "")}
        if thinking := thought(message):
            told["reasoning_content"] = thinking
        if ended.reply.calls:
            told["tool_calls"] = message["tool_calls"]
        choice = {"index": 0, "message": told, "logprobs": None, "finish_reason": FINISH[ended.finish]}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage(ended.reply.usage)}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Event("", {**self._head, "object": "chat.completion.chunk", "choices": [choice]})

    def _call(self, number: int, piece: dict[str, Any]) -> Event:
        return self._chunk({"tool_calls": [{"index": number, **piece}]})

    def _id(self, number: int) -> str:
        return f"call_{self._turn}_{number}"


def usage(used: Usage) -> dict[str, Any]:
    total = used.prompt + used.completion
    return {"prompt_tokens": used.prompt, "completion_tokens": used.completion, "total_tokens": total}


def message(row: dict[str, Any], where: str) -> Message:
    """A message of OpenAI's, be it of this API or of responses."""
    content = fields.text(row.get("content"), f"{where}.content")
    match role := row.get("role"):
        case "system" | "developer":
            return {"role": "system", "content": content}
        case "user":
            return {"role": "user", "content": content}
        case "tool":
            return {"role": "tool", "tool_call_id": fields.word(row, "tool_call_id", where), "content": content}
        case "assistant":
            return _assistant(row, content, where)
    raise Refused("invalid", f"{where}.role is {role!r}; known are system, developer, user, assistant and tool")


def _assistant(row: dict[str, Any], content: str, where: str) -> Message:
    made: Message = {"role": "assistant", "content": content}
    if thinking := thought(row):
        made["reasoning_content"] = thinking
    calls = [_called(call, at) for at, call in fields.rows(row.get("tool_calls"), f"{where}.tool_calls")]
    return made | {"tool_calls": calls} if calls else made


def _called(row: dict[str, Any], where: str) -> dict[str, Any]:
    function = row.get("function")
    if not isinstance(function, dict):
        raise Refused("invalid", f"{where}.function must be an object")
    name = fields.word(function, "name", f"{where}.function")
    return fields.call(fields.word(row, "id", where), name, function.get("arguments"))


def _tool(row: dict[str, Any], where: str) -> dict[str, Any]:
    """As it came, but for what is said to the server alone."""
    function = row.get("function")
    if row.get("type") != "function" or not isinstance(function, dict):
        raise Refused("invalid", f"{where} must be a function")
    fields.word(function, "name", f"{where}.function")
    return {"type": "function", "function": {key: value for key, value in function.items() if key != "strict"}}
