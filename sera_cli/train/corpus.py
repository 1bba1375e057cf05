"""What the embedded student reads before it meets a repository: Python's standard library, as conversations.

Each function becomes a short exchange in the shape of the wire format: a listing is shown, and a call comes back whose
arguments quote it. The call is named after the function: no tool of the harness is shown or learned here.
"""

import ast
import json
import random
import sysconfig
import warnings
from pathlib import Path

from sera_cli.errors import ModelError
from sera_cli.types import Value

SKIPPED = frozenset({"test", "tests", "idlelib", "lib2to3", "turtledemo", "pydoc_data", "encodings", "site-packages"})

TOOLS = frozenset({"bash", "str_replace_editor", "submit"})
"""The harness's own tool names. Functions that share one are left out, so that a base knows none of them."""


class Piece(Value):
    """One function of the standard library: where it is, what it says of itself, its lines."""

    path: str
    name: str
    doc: str
    line: int
    lines: tuple[str, ...]


def library() -> Path:
    """Where this Python keeps the sources of its standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def sources(root: Path) -> dict[str, str]:
    """Text by relative path of every module under `root`, in sorted order. Raises ModelError when there are none."""
    texts: dict[str, str] = {}
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root)
        if SKIPPED.isdisjoint(path.parts):
            texts[str(path)] = file.read_text(encoding="utf-8", errors="replace")
    if not texts:
        raise ModelError(f"the embedded student learns from Python's own sources, and {root} has none; use --student")
    return texts


def functions(texts: dict[str, str]) -> list[Piece]:
    """Every function and method of 3 to 40 lines."""
    return [piece for path, text in texts.items() for piece in _pieces(path, text)]


def conversation(piece: Piece, chance: random.Random) -> str:
    """ChatML text: instruction, listing, and a call that quotes some of the listed lines."""
    first = chance.randrange(len(piece.lines))
    quoted = "\n".join(piece.lines[first : first + chance.randint(1, 6)])
    listing = "\n".join(f"{piece.line + n:6}\t{text}" for n, text in enumerate(piece.lines))
    arguments = _arguments(piece, quoted, chance)
    call = json.dumps({"name": piece.name, "arguments": arguments}, ensure_ascii=False)
    thought = piece.doc or f"Look at {piece.name} in {piece.path}."
    return (
        f"<|im_start|>user\n{piece.path}\n{piece.doc}<|im_end|>\n"
        f"<|im_start|>user\n<tool_response>\n{listing}\n</tool_response><|im_end|>\n"
        f"<|im_start|>assistant\n<think>\n{thought}\n</think>\n\n<tool_call>\n{call}\n</tool_call><|im_end|>\n"
    )


def _arguments(piece: Piece, quoted: str, chance: random.Random) -> dict[str, object]:
    """An object of one to four members in a drawn order, so that its shape is learned and not one sentence."""
    members: list[tuple[str, object]] = [
        ("file", piece.path), ("code", quoted), ("span", [piece.line, piece.line + len(piece.lines) - 1]),
        ("count", len(piece.lines)),
    ]
    return dict(chance.sample(members, chance.randint(1, len(members))))


def _pieces(path: str, text: str) -> list[Piece]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    rows = text.splitlines()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = tuple(rows[node.lineno - 1 : node.end_lineno])
            if 3 <= len(lines) <= 40 and node.name not in TOOLS:
                doc = (ast.get_docstring(node) or "").partition("\n")[0]
                found.append(Piece(path=path, name=node.name, doc=doc, line=node.lineno, lines=lines))
    return found
