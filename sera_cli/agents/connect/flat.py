"""Files of one setting a line, the flat part of YAML or a `.env`: a line changed, with all else left to the letter.

Values are text as it stands behind the key, quotes included.
"""

import re
from collections.abc import Sequence

KINDS = {
    "yaml": (re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:(?=\s|$)"), re.compile(r"#|---\s*$|\s*$"), ": "),
    "env": (re.compile(r"(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*="), re.compile(r"\s*#|\s*$"), "="),
}  # fmt: skip
"""By kind: how a line with a key begins, which lines are none of anybody's, and what stands behind a key."""

BELOW = re.compile(r"[ \t]+\S|-(?:\s|$)")
"""Lines of YAML that go on with the value of the key above them."""


def get(text: str, path: Sequence[str], kind: str) -> str | None:
    """What stands behind the key, with the lines below that belong to it; None where there is no such key.

    Raises ValueError for a line that is none of that kind.
    """
    lines = text.splitlines(keepends=True)
    found = _blocks(lines, kind).get(path[0])
    if not found:
        return None
    key = KINDS[kind][0].match(lines[found[0]])
    assert key
    return "".join(lines[slice(*found)])[key.end() :].strip()


def put(text: str, path: Sequence[str], value: str, kind: str) -> str:
    """The text with `value` behind the key: where the key stands, else at the end. Raises ValueError as `get` does."""
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"{path[0]}{KINDS[kind][2]}{value}{newline}"
    found = _blocks(lines, kind).get(path[0])
    if found:
        lines[slice(*found)] = [line]
    else:
        lines += [newline] if lines and not lines[-1].endswith("\n") else []
        lines.append(line)
    return "".join(lines)


def drop(text: str, path: Sequence[str], kind: str) -> str:
    lines = text.splitlines(keepends=True)
    found = _blocks(lines, kind).get(path[0])
    if found:
        lines[slice(*found)] = []
    return "".join(lines)


def _blocks(lines: Sequence[str], kind: str) -> dict[str, tuple[int, int]]:
    """The lines of each key, from its own to behind the last that belongs to it."""
    starts, nobodys, _ = KINDS[kind]
    found: dict[str, tuple[int, int]] = {}
    key = ""
    for number, line in enumerate(lines):
        if named := starts.match(line):
            key = named[1]
            found[key] = number, number + 1
        elif kind == "yaml" and key and BELOW.match(line):
            found[key] = found[key][0], number + 1
        elif not nobodys.match(line):
            raise ValueError(f"line {number + 1} is {line.strip()[:30]!r}, which is no setting")
    return found
