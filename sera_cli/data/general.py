"""General coding data to mix in: samples of our own, or any JSONL of chat rows, read row by row however large it is.

A row is a JSON object with `messages`, and with `tools` (or `tool_json`) where there are some; either may be a JSON
string, as in the SERA datasets on the Hugging Face hub.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from sera_cli.data.filters import UNFIT
from sera_cli.data.truncate import Trim
from sera_cli.errors import DataError
from sera_cli.harness import wire
from sera_cli.types import Message, Sample

Tools = Sequence[dict[str, Any]]


def read(
    path: Path, wanted: int, dropped: Counter[str], *, trim: Trim, tools: Tools = (), seed: int = 0
) -> list[Sample]:
    """At most `wanted` samples, cut by `trim`, drawn by `seed` from all rows of the file whatever their order.

    `tools` are offered in rows that call only these and bring none. Raises DataError, with path and line, for a row
    that cannot be read, drawn or not, and for a file without rows.
    """
    places = _places(path, tools)
    ids = sorted(places)
    Random(seed).shuffle(ids)
    found: list[Sample] = []
    with path.open("rb") as file:
        for id_ in ids:
            if len(found) == wanted:
                break
            file.seek(places[id_])
            made = trim(conversation(json.loads(file.readline()), tools))
            found += [Sample(id=id_, origin="general", **dict(made))] if made else []
            dropped[f"general: {UNFIT}"] += made is None
    return found


def conversation(row: dict[str, Any], tools: Tools = ()) -> list[Message]:
    """A row's messages in `{role, content, train}` form. Raises what a malformed row raises."""
    messages = _decoded(row["messages"])
    offered = _decoded(row.get("tools") or row.get("tool_json") or [])
    told = bool(messages) and "<tools>" in wire.plain(messages[0].get("content"))
    called = {call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()}
    if not offered and called and called <= {tool["function"]["name"] for tool in tools}:
        offered = tools
    return wire.flatten(messages, () if told else offered)


def _places(path: Path, tools: Tools) -> dict[str, int]:
    """Where each row begins, in bytes, by content id. Reads every row, so that a broken one shows at once."""
    found: dict[str, int] = {}
    for number, start, line in _lines(path):
        if number == 1 and _is_header(line, path):
            continue
        try:
            row = json.loads(line)
            conversation(row, tools)
        except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            text = f"not a row of chat messages ({type(error).__name__}: {error}); mend or remove this line"
            raise DataError(text, path, number) from error
        if not row.get("heldout"):
            found[sha256(line.strip()).hexdigest()[:12]] = start
    if not found:
        raise DataError("holds no rows to learn from; it should be a JSONL file of chat messages", path)
    return found


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Number, first byte and content of every line that is not blank."""
    try:
        with path.open("rb") as file:
            start = 0
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, start, line
                start += len(line)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); give the general data as a JSONL file", path) from error


def _is_header(line: bytes, path: Path) -> bool:
    """Whether a first line is the header of a file of ours. Raises DataError when it is not one of samples."""
    found = re.match(rb'\{"sera": ?\d+, ?"kind": ?"(\w+)"', line)
    if found and found[1] != b"Sample":
        raise DataError(f"holds {found[1].decode()} records, not samples; give the samples file of a run", path, 1)
    return bool(found)


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
