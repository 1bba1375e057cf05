"""JSON with comments, as editors keep their settings: changed at one place, with all else left to the letter."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
BESIDE = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*)?(?=\r?\n)")
"""What may follow a value on its line and belongs to it: a comment."""

PLAIN = json.JSONDecoder()


class Node(NamedTuple):
    """A value and where it stands. `members` are those of an object, by key: where the key begins, and the value."""

    start: int
    end: int
    value: Any
    members: dict[str, tuple[int, "Node"]] | None = None


def get(text: str, path: Sequence[str]) -> Any:
    """The value at `path`; None where there is none. Raises ValueError for what is not such JSON."""
    if not text.strip():
        return None
    node, depth = _deepest(text, path)
    return node.value if depth == len(path) else None


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`. Raises ValueError where something on the way is not an object."""
    text = text if text.strip() else "{}\n"
    node, depth = _deepest(text, path)
    if depth == len(path):
        return text[: node.start] + _written(text, value, _margin(text, node.start)) + text[node.end :]
    if node.members is None:
        raise ValueError(f"{'.'.join(path[:depth]) or 'the whole'} is not an object")
    for key in reversed(path[depth + 1 :]):
        value = {key: value}
    return _added(text, node, path[depth], value)


def drop(text: str, path: Sequence[str]) -> str:
    """The text without what is at `path`, and without the comma that nothing follows any more."""
    node, depth = _deepest(text, path[:-1])
    if depth < len(path) - 1 or not node.members or path[-1] not in node.members:
        return text
    begin, member = node.members[path[-1]]
    behind = _skip(text, member.end)
    comma = text.startswith(",", behind)
    head, tail = text[:begin].rstrip(), text[behind + 1 if comma else member.end :]
    before = [one for start, one in node.members.values() if start < begin]
    if before and not comma:
        at = _skip(text, before[-1].end)
        head = head[:at] + head[at + 1 :]
    if "\n" in text[len(text[:begin].rstrip()) : begin] and not re.match(r"[ \t]*\r?\n", tail):
        head += _newline(text)  # what stood on a line of its own may follow a comment
    return head + tail


def _added(text: str, node: Node, key: str, value: Any) -> str:
    assert node.members is not None
    members = sorted(node.members.values())
    if not members:
        margin, inside = _margin(text, node.start), text[node.start + 1 : node.end - 1]
        inner = margin + _unit(text)
        member = _newline(text) + inner + _member(text, key, value, inner)
        rest = inside if "\n" in inside else inside.strip() + _newline(text) + margin
        return text[: node.start + 1] + member + rest + text[node.end - 1 :]
    first, end = members[0][0], members[-1][1].end
    if "\n" not in text[node.start : first]:
        return text[:end] + ", " + _member(text, key, value, _margin(text, first)) + text[end:]
    behind = _skip(text, end)
    comma = text.startswith(",", behind)
    place = behind + 1 if comma else end
    beside = BESIDE.match(text, place)
    place = beside.end() if beside else place
    margin = _margin(text, first)
    member = _newline(text) + margin + _member(text, key, value, margin)
    return text[:end] + ("" if comma else ",") + text[end:place] + member + ("," if comma else "") + text[place:]


def _member(text: str, key: str, value: Any, margin: str) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}: {_written(text, value, margin)}"


def _written(text: str, value: Any, margin: str) -> str:
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return (_newline(text) + margin).join(lines)


def _margin(text: str, at: int) -> str:
    """What the line begins with on which something stands."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _deepest(text: str, path: Sequence[str]) -> tuple[Node, int]:
    """The last value on the way along `path`, and how many keys led to it."""
    node, depth = _whole(text), 0
    while depth < len(path) and node.members and path[depth] in node.members:
        node, depth = node.members[path[depth]][1], depth + 1
    return node, depth


def _whole(text: str) -> Node:
    node = _node(text, _skip(text, 0))
    if _skip(text, node.end) != len(text):
        raise _refused(text, node.end, "nothing more")
    return node


def _node(text: str, at: int) -> Node:
    if text.startswith("{", at):
        return _object(text, at)
    if text.startswith("[", at):
        return _array(text, at)
    value, end = PLAIN.raw_decode(text, at)
    return Node(at, end, value)


def _object(text: str, start: int) -> Node:
    members: dict[str, tuple[int, Node]] = {}
    at = _skip(text, start + 1)
    while not text.startswith("}", at):
        if not text.startswith('"', at):
            raise _refused(text, at, "a key")
        key, end = PLAIN.raw_decode(text, at)
        colon = _skip(text, end)
        if not text.startswith(":", colon):
            raise _refused(text, colon, "a colon")
        members[key] = at, _node(text, _skip(text, colon + 1))
        at = _next(text, members[key][1].end, "}")
    return Node(start, at + 1, {key: node.value for key, (_, node) in members.items()}, members)


def _array(text: str, start: int) -> Node:
    values, at = [], _skip(text, start + 1)
    while not text.startswith("]", at):
        node = _node(text, at)
        values.append(node.value)
        at = _next(text, node.end, "]")
    return Node(start, at + 1, values)


def _next(text: str, at: int, closing: str) -> int:
    at = _skip(text, at)
    if text.startswith(",", at):
        return _skip(text, at + 1)
    if text.startswith(closing, at):
        return at
    raise _refused(text, at, f"a comma or {closing}")


def _skip(text: str, at: int) -> int:
    found = SKIPPED.match(text, at)
    assert found
    return found.end()


def _refused(text: str, at: int, wanted: str) -> ValueError:
    return ValueError(f"line {text.count(chr(10), 0, at) + 1} has {text[at : at + 10]!r} where {wanted} should be")
