"""What the bodies of all three APIs share: texts in parts, tools, sampling, each refused with where it stands."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sera_cli.agents.serving.asked import Refused, Sampling
from sera_cli.types import Message

Body = Mapping[str, Any]

WORDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Parts of a message that are text, and the field that holds it."""


def text(content: object, where: str) -> str:
    """The text of a content: a string, nothing, or text parts, which are joined."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            return "".join(_part(part, f"{where}[{place}]") for place, part in enumerate(content))
    raise Refused("invalid", f"{where} must be a string or a list of parts")


def rows(value: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a list, each with where it stands; none where there is no list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused("invalid", f"{where} must be a list")
    for place, row in enumerate(value):
        if not isinstance(row, dict):
            raise Refused("invalid", f"{where}[{place}] must be an object")
    return [(f"{where}[{place}]", row) for place, row in enumerate(value)]


def word(row: Body, key: str, where: str) -> str:
    """A string that must be there."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise Refused("invalid", f"{where}.{key} must be a string that is not empty")
    return value


def model(body: Body) -> str:
    value = body.get("model")
    if not isinstance(value, str | None):
        raise Refused("invalid", "model must be a string")
    return value or ""


def tool(name: str, description: object, parameters: object) -> dict[str, Any]:
    """A tool as an agent is offered it: the form of OpenAI's chat completions, keys in the order of training."""
    function: dict[str, Any] = {"name": name}
    if isinstance(description, str):
        function["description"] = description
    function["parameters"] = parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def call(id_: str, name: str, arguments: object) -> dict[str, Any]:
    """A call of the history; its arguments as a string, as the wire has them."""
    said = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": said}}


def offered(choice: object, tools: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The tools that the agent may call. Raises Refused where one is to be forced: the agent chooses by itself."""
    kind = choice.get("type") if isinstance(choice, dict) else choice
    match kind:
        case None | "auto" | "":
            return tuple(tools)
        case "none":
            return ()
    raise Refused("invalid", f"tool_choice {kind!r} cannot be held: the agent chooses by itself; leave it at auto")


def sampling(body: Body, most: str, *others: str, stop: str = "stop") -> Sampling:
    """How it is to be sampled; `most` and `others` are the names that the API has for the most tokens."""
    stops = body.get(stop)
    stops = [stops] if isinstance(stops, str) else stops or []
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops):
        raise Refused("invalid", f"{stop} must be a string or a list of strings")
    wanted = next((name for name in (most, *others) if body.get(name) is not None), most)
    return Sampling(
        max_tokens=_number(body, wanted, 1, None, whole=True), temperature=_number(body, "temperature", 0, 2),
        top_p=_number(body, "top_p", 0, 1) or None, top_k=_number(body, "top_k", 1, None, whole=True),
        seed=_number(body, "seed", None, None, whole=True), stop=tuple(stops),
    )  # fmt: skip


def unsupported(body: Body, known: Mapping[str, object]) -> None:
    """Refuses a field that asks for what no agent here does; a value that `known` has asks for nothing."""
    for name, harmless in known.items():
        if body.get(name) not in (None, False, harmless):
            raise Refused("invalid", f"{name} is not supported here; leave it out")


def conversation(messages: list[Message], where: str) -> tuple[Message, ...]:
    """The messages, which must be some, and answer no call that was not made."""
    if not any(message["role"] != "system" for message in messages):
        raise Refused("invalid", f"{where} must hold at least one message")
    made: set[str] = set()
    for message in messages:
        made |= {one["id"] for one in message.get("tool_calls", ())}
        if message["role"] == "tool" and message["tool_call_id"] not in made:
            raise Refused("invalid", f"{where}: the result of {message['tool_call_id']!r} has no call before it")
    return tuple(messages)


def _part(part: object, where: str) -> str:
    if not isinstance(part, dict):
        raise Refused("invalid", f"{where} must be an object")
    kind = part.get("type", "text")
    if not isinstance(kind, str) or kind not in WORDS:
        raise Refused("invalid", f"{where} is of type {kind!r}: the agent reads text alone")
    value = part.get(WORDS[kind])
    if not isinstance(value, str):
        raise Refused("invalid", f"{where}.{WORDS[kind]} must be a string")
    return value


def _number(body: Body, name: str, low: float | None, high: float | None, *, whole: bool = False) -> Any:
    value = body.get(name)
    if value is None:
        return None
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or (low is not None and value < low) or (high is not None and value > high):
        kind = "a whole number" if whole else "a number"
        span = "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"
        raise Refused("invalid", f"{name} must be {kind}{span}")
    return value
