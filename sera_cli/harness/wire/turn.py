"""What an assistant message says: thinking, text and calls, sorted by the policy of the student it is written for."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sera_cli.errors import DataError
from sera_cli.harness.wire.family import Wire
from sera_cli.harness.wire.quoting import MARKERS, unquote
from sera_cli.harness.wire.strict import Malformed, value_of, written
from sera_cli.types import Message

THINKING = re.compile(r"\s*<think>(.*?)(?:</think>|\Z)", re.DOTALL)


class Call(NamedTuple):
    """A call's name, and its arguments as JSON, or as the model wrote them where they are none."""

    name: str
    arguments: str


class Turn(NamedTuple):
    """`thinking` is None where no thinking is written, not even empty one."""

    thinking: str | None
    said: str
    calls: tuple[Call, ...]


def turn(message: Message, spoken: Wire) -> Turn:
    """An assistant message as the student is to write it. Raises DataError for a call that is none.

    An answer without calls that holds its own thinking is left as it is, so that a malformed reply stays verbatim.
    """
    calls = tuple(_calls(message))
    thinking, said = _apart(message, spoken)
    if calls and spoken.thinking != "keep":
        thinking, said = thinking or said, ""
    if not thinking and spoken.thinking == "empty" and not said.lstrip().startswith("<think>"):
        return Turn("", said.strip(), calls)
    return Turn(thinking or None, said, calls)


def plain(content: object) -> str:
    """The text of a message's content: a string, nothing, or a list of text parts. Raises DataError for more."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list() if all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            return "".join(part["text"] for part in content)
    raise DataError("a message holds something other than text")


def thought(message: Message) -> str:
    """The thinking that a message keeps apart from its content, whichever field it arrived in; empty without any."""
    return thinking(message).strip()


def thinking(message: Message) -> str:
    """The same of a piece of a message, with the space around it."""
    said = [message.get(field) for field in ("reasoning_content", "reasoning", "thinking")]
    if found := [text for text in said if isinstance(text, str) and text]:
        return next((text for text in found if text.strip()), found[0])
    details = message.get("reasoning_details")
    parts = [part for part in details if isinstance(part, dict)] if isinstance(details, list) else []
    texts = (part.get("text") or part.get("summary") for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _apart(message: Message, spoken: Wire) -> tuple[str, str]:
    """Thinking and the rest. That in a content stands there as some student wrote it, so its quoting is undone.

    Where a server has taken the calls out of a turn, it may have taken the end of the thinking as well.
    """
    said = plain(message.get("content"))
    if apart := thought(message):
        return apart, said.strip()
    if not message.get("tool_calls"):
        return "", said
    found = THINKING.match(said)
    if found is None:
        return "", said.strip()
    return unquote(found[1].strip(), MARKERS[spoken.family]), said[found.end():].strip()


def _calls(message: Message) -> Iterator[Call]:
    for call in message.get("tool_calls") or ():
        match call:
            case {"function": {"name": str(name), **rest}} | {"name": str(name), **rest}:
                yield Call(name, _arguments(rest.get("arguments")))
            case _:
                raise DataError('a tool call has no name; it should be {"function": {"name": …, "arguments": …}}')


def _arguments(value: Any) -> str:
    """Canonical JSON. What is malformed stays as the model wrote it, since that is what it has to see again."""
    if value in (None, ""):
        return "{}"
    try:
        return written(value_of(value) if isinstance(value, str) else value)
    except Malformed:
        return str(value)
