"""OpenAI's chat completions, as OpenAI and the many servers that follow it speak them."""

import json
from collections.abc import Iterable
from typing import Any

from sera_cli.errors import DataError, ModelError
from sera_cli.harness.http.dialect import CUT, Options, Turn, dumps, given
from sera_cli.harness.http.faults import Fault
from sera_cli.harness.model import OnText, Thought
from sera_cli.harness.wire import plain
from sera_cli.harness.wire.turn import thinking
from sera_cli.types import Message, Reply, ToolCall, Usage

SET = {"role", "id", "type", "index", "name", "format", "signature"}
"""Fields of a streamed message that come whole; other texts come in pieces."""


class Completions:
    """`POST {url}/chat/completions`. Messages are kept as they come in, and go out as they are kept, but for the
    arguments of a call that no server could read again.
    """

    variable = "OPENAI_API_KEY"
    seeded = True

    def address(self, base: str) -> str:
        return f"{base}/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def encode(self, message: Message) -> Turn:
        return Turn(str(message.get("role")), (dumps(_readable(message)),))

    def body(self, history: Iterable[Turn], options: Options) -> bytes:
        rest: dict[str, Any] = {"model": options.model, **options.asked}
        if options.tools:
            rest["tools"] = options.tools
        if options.stream:
            rest["stream"] = True
        messages = b",".join(block for turn in history for block in turn.blocks)
        return b'{"messages":[' + messages + b"]," + dumps(rest)[1:]

    def usage(self, answer: dict[str, Any]) -> Usage:
        usage = _fields(answer.get("usage"))
        details = _fields(usage.get("prompt_tokens_details"))
        cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
        return Usage(
            calls=1,
            prompt=_count(usage.get("prompt_tokens")),
            cached=_count(cached),
            written=_count(details.get("cache_write_tokens")),
            completion=_count(usage.get("completion_tokens")),
        )

    def read(self, answer: dict[str, Any]) -> Reply:
        """The message stays verbatim, whatever field its thinking arrived in; its content in parts becomes one text,
        and the arguments of its calls become the JSON strings that the API wants to see again.
        """
        try:
            choice = answer["choices"][0]
            message: Message = {key: value for key, value in choice["message"].items() if value not in (None, [])}
            message |= {"role": "assistant", "content": plain(message.get("content"))}
            name = answer.get("id") or "call"
            asked = [_call(call, f"{name}-{number}") for number, call in enumerate(message.get("tool_calls", ()))]
            calls = [_tool_call(call) for call in asked]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, DataError) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise Fault("garbled", ModelError(f"the teacher's answer is not a chat completion ({why})")) from error
        if asked:
            message["tool_calls"] = asked
        finish = choice.get("finish_reason")
        if finish == "error":
            raise Fault("broken", ModelError("the teacher broke off its answer"))
        cut = finish == "length"
        return Reply(
            message=message, calls=() if cut else tuple(calls), usage=self.usage(answer), problem=CUT if cut else ""
        )

    def assembly(self, on_text: OnText | None) -> "Chunks":
        return Chunks(on_text)


class Chunks:
    """Chunks to a completion: texts grow; calls are told apart by index, or by id where all have the same index."""

    def __init__(self, on_text: OnText | None) -> None:
        self.whole = False
        self._on_text = on_text
        self._message: Message = {"role": "assistant"}
        self._rest: dict[str, Any] = {}
        self._finish: str | None = None

    def add(self, event: dict[str, Any]) -> None:
        self._rest |= {key: event[key] for key in ("id", "usage") if event.get(key)}
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            _grow(self._message, delta)
            for text in (Thought(thinking(delta)), delta.get("content")):
                if self._on_text and isinstance(text, str) and text:
                    self._on_text(text)
            self._finish = choice.get("finish_reason") or self._finish
        self.whole = self.whole or self._finish is not None

    def answer(self) -> dict[str, Any]:
        for call in self._message.get("tool_calls", ()):
            call.pop("index", None)
        return {**self._rest, "choices": [{"message": self._message, "finish_reason": self._finish}]}


def _grow(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        match value:
            case None | "":
                continue
            case str() if key not in SET:
                whole[key] = whole.get(key, "") + value
            case dict():
                _grow(whole.setdefault(key, {}), value)
            case list():
                for item in value:
                    _grow(_counterpart(whole.setdefault(key, []), item), item)
            case _:
                whole[key] = value


def _counterpart(items: list[dict[str, Any]], piece: dict[str, Any]) -> dict[str, Any]:
    """The item that a piece belongs to: a new one where its index is new, or its id another than that item's."""
    index, id_ = piece.get("index"), piece.get("id")
    same = [item for item in items if item.get("index") == index]
    if same and not (id_ and same[-1].get("id") and id_ != same[-1]["id"]):
        return same[-1]
    items.append({})
    return items[-1]


def _readable(message: Message) -> Message:
    """The message, the arguments of its calls JSON objects as strings: those that are stay as they were written."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_again(call) for call in calls]} if calls else message


def _again(call: dict[str, Any]) -> dict[str, Any]:
    said = call["function"].get("arguments")
    read = given(said)
    if said and "malformed" not in read:
        return call
    return {**call, "function": {**call["function"], "arguments": json.dumps(read, ensure_ascii=False)}}


def _call(call: dict[str, Any], id_: str) -> dict[str, Any]:
    """A call with an id, and its arguments as a string."""
    function = dict(call["function"])
    if not isinstance(function.get("arguments"), str):
        function["arguments"] = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return {**call, "id": call.get("id") or id_, "type": call.get("type") or "function", "function": function}


def _tool_call(call: dict[str, Any]) -> ToolCall:
    return ToolCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"] or "{}")


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    """A number of tokens; what is none counts as unknown, which is 0."""
    return value if isinstance(value, int) and value > 0 else 0
