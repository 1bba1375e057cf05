"""Calls as OpenAI's JSON, as Llama 3 and Mistral's tokenizer of version 13 (Devstral Small 2) frame them.

Llama: `{"name": …, "parameters": …}`, several with `; ` between them, behind `<|python_tag|>` where anything else is
said. Mistral: `[TOOL_CALLS]name[ARGS]{…}` for each. The markers are control tokens of the family.
"""

import re
from collections.abc import Sequence

from sera_cli.harness.wire.hermes import named
from sera_cli.harness.wire.quoting import escape
from sera_cli.harness.wire.strict import Malformed, skip, value_at, written
from sera_cli.harness.wire.turn import Call

TAG, CALLS, ARGS = "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]"
NAME = re.compile(r"[^\s\[\]{}<>\"]+")
MEANT = re.compile(r'\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"(?:parameters|arguments)"\s*:')
KEYS = re.compile(r'"(?:parameters|arguments)"\s*:')
Read = tuple[str, list[Call], list[int]]
"""What is said before the calls, the calls, and where the markers that delimit them begin."""


def write_llama(said: str, calls: Sequence[Call], markers: tuple[str, ...], before: bool) -> str:
    """`before`: whether thinking stands in front, so that a bare object would not begin the turn."""
    objects = "; ".join(f'{{"name": {written(call.name)}, "parameters": {call.arguments}}}' for call in calls)
    return said + (TAG if calls and (said or before) else "") + escape(objects, markers)


def read_llama(text: str, start: int, before: bool) -> Read:
    """Raises Malformed with the first thing wrong."""
    at = text.find(TAG, start)
    if at >= 0 and not before and MEANT.match(text, skip(text, start)):
        raise Malformed(f"{TAG} stands before the first tool call or not at all")
    if at >= 0:
        return text[start:at], _objects(text, at + len(TAG)), [at]
    if not before and _object_meant(text, skip(text, start)):
        return "", _objects(text, start), []
    if MEANT.search(text, start):
        raise Malformed(f"a tool call that does not begin the turn must follow {TAG}")
    return text[start:], [], []


def write_mistral(said: str, calls: Sequence[Call], markers: tuple[str, ...]) -> str:
    return said + "".join(f"{CALLS}{call.name}{ARGS}{escape(call.arguments, markers)}" for call in calls)


def read_mistral(text: str, start: int) -> Read:
    """Raises Malformed with the first thing wrong."""
    at = text.find(CALLS, start)
    said = text[start:] if at < 0 else text[start:at]
    if ARGS in said:
        raise Malformed(f"{ARGS} has no {CALLS} before it")
    calls: list[Call] = []
    marks: list[int] = []
    while 0 <= at < len(text):
        if not text.startswith(CALLS, at):
            raise Malformed(f"nothing but another {CALLS} may follow the arguments of a tool call")
        found = NAME.match(text, skip(text, at + len(CALLS)))
        args = skip(text, found.end()) if found else at
        if found is None or not text.startswith(ARGS, args):
            raise Malformed(f"a tool call must be written as {CALLS}name{ARGS}{{…}}")
        value, end = value_at(text, skip(text, args + len(ARGS)))
        if not isinstance(value, dict):
            raise Malformed("the arguments of the tool call must be a JSON object")
        calls.append(Call(found[0], written(value)))
        marks += [at, args]
        at = skip(text, end)
    return said, calls, marks


def _object_meant(text: str, at: int) -> bool:
    """Whether a text that is an object, or begins as one, is meant as a call rather than as an answer."""
    return text.startswith("{", at) and '"name"' in text and KEYS.search(text, at) is not None


def _objects(text: str, at: int) -> list[Call]:
    calls = []
    while True:
        value, end = value_at(text, skip(text, at))
        calls.append(named(value, "parameters"))
        end = skip(text, end)
        if end == len(text):
            return calls
        if text[end] != ";":
            raise Malformed("nothing but ; and another tool call may follow a tool call")
        at = end + 1
