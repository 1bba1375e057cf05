"""What was seen of a function: its lines as a tool numbered them, and the syntax tree of those lines."""

import ast
import re
import warnings
from threading import Lock
from typing import NamedTuple

Def = ast.FunctionDef | ast.AsyncFunctionDef
NUMBERED = re.compile(r"^ *(\d+)\t(.*)$")
_quiet = Lock()


class Scene(NamedTuple):
    """`lines[i]` is line `first + i` of the file, and line `i + 2` of the tree (see `parse`)."""

    path: str
    first: int
    lines: tuple[str, ...]
    node: Def
    nodes: tuple[ast.AST, ...]
    complete: bool
    """Whether the end of the function was seen too."""


class Anchor(NamedTuple):
    """Where new statements go: before `lines[line]`, after a docstring. `unit` is one step of indentation."""

    line: int
    indent: str
    unit: str


def numbered(observation: str) -> dict[int, str]:
    """The lines of a `cat -n` listing by number; empty when there are none."""
    rows = (NUMBERED.match(row) for row in observation.split("\n"))
    return {int(row[1]): row[2] for row in rows if row}


def scene(path: str, seen: dict[int, str], name: str, line: int) -> Scene | None:
    """The function `name` that begins nearest to `line`; None where the lines seen hold none that parses.

    One without a body, as for an overload, counts only if there is no other.
    """
    begins = re.compile(rf"\s*(async\s+)?def\s+{re.escape(name)}\b")
    starts = sorted((number for number, text in seen.items() if begins.match(text)), key=lambda at: abs(at - line))
    found = [made for start in starts if (made := _parsed(path, start, _from(start, seen)))]
    return min(found, key=lambda one: _hollow(one.node), default=None)


def parse(lines: tuple[str, ...]) -> ast.Module:
    """The tree of lines that may be indented: one line is put above them, so columns stay what they are."""
    above = "if 1:" if lines and lines[0][:1].isspace() else "#"
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse("\n".join((above, *lines)) + "\n")


def parses(lines: tuple[str, ...]) -> bool:
    try:
        parse(lines)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def source(scene: Scene, node: ast.expr) -> str:
    head, lines, tail = around(scene, node)
    text = "\n".join(lines)
    return text[len(head) : len(text) - len(tail)]


def around(scene: Scene, node: ast.expr) -> tuple[str, tuple[str, ...], str]:
    """The lines a node stands on, with what is before and after it on them. Columns of a tree are UTF-8 bytes."""
    lines = scene.lines[node.lineno - 2 : (node.end_lineno or node.lineno) - 1]
    head = lines[0].encode()[: node.col_offset].decode()
    tail = lines[-1].encode()[node.end_col_offset :].decode()
    return head, lines, tail


def anchor(scene: Scene) -> Anchor | None:
    """None for a body on the line of its `def`, and for a body that is only a docstring."""
    body = scene.node.body[1:] if ast.get_docstring(scene.node, clean=False) is not None else scene.node.body
    if not body:
        return None
    line = min([body[0].lineno, *(mark.lineno for mark in getattr(body[0], "decorator_list", ()))])
    indent, outer = lead(scene.lines[line - 2]), lead(scene.lines[0])
    if line == scene.node.lineno or len(indent) <= len(outer) or len(indent.encode()) != body[0].col_offset:
        return None
    return Anchor(line - 2, indent, indent[len(outer) :])


def lead(line: str) -> str:
    """The white space a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def parameters(scene: Scene) -> list[ast.arg]:
    every = scene.node.args
    return [arg for arg in (*every.posonlyargs, *every.args, *every.kwonlyargs) if arg.arg not in ("self", "cls", "_")]


def scene_of(path: str, first: int, lines: tuple[str, ...], complete: bool) -> Scene:
    """The scene of lines that are one function. Raises ValueError when they are not."""
    node = _function(parse(lines))
    if node is None:
        raise ValueError("these lines are not a function")
    return Scene(path, first, lines, node, tuple(ast.walk(node)), complete)


def _from(start: int, seen: dict[int, str]) -> list[str]:
    """The lines from `start` on, as far as they were seen without a gap."""
    lines: list[str] = []
    while start + len(lines) in seen:
        lines.append(seen[start + len(lines)])
    return lines


def _hollow(node: Def) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def _parsed(path: str, first: int, lines: list[str]) -> Scene | None:
    """Cuts a listing that ends in the middle of something until the rest parses; gives up after a dozen cuts."""
    whole = lines
    for _ in range(12):
        try:
            node = _function(parse(tuple(lines)))
        except SyntaxError as error:
            lines = lines[: max(0, min((error.lineno or len(lines)) - 2, len(lines) - 1))]
            continue
        except (ValueError, RecursionError, MemoryError):
            return None
        if node is None:
            return None
        end = (node.end_lineno or 0) - 1
        after = next(filter(str.strip, whole[end:]), None)
        complete = after is not None and len(lead(after)) <= len(lead(lines[0]))
        return Scene(path, first, tuple(lines[:end]), node, tuple(ast.walk(node)), complete)
    return None


def _function(tree: ast.Module) -> Def | None:
    """The first statement, out of the block that `parse` puts round indented lines."""
    first = tree.body[0] if tree.body else None
    node = first.body[0] if isinstance(first, ast.If) else first
    return node if isinstance(node, Def) else None
