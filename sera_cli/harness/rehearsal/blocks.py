"""Edits of compound statements: exceptions, files left open, needless branches."""

import ast
from collections.abc import Iterator
from typing import TypeVar

from sera_cli.harness.rehearsal.change import Change, changed, replace, span
from sera_cli.harness.rehearsal.checks import FAR
from sera_cli.harness.rehearsal.scene import Scene, anchor, lead, source

Node = TypeVar("Node", bound=ast.AST)


def raise_from(scene: Scene) -> Iterator[Change]:
    for handler in _of(scene, ast.ExceptHandler):
        name = handler.name or "error"
        for node in handler.body:
            match node:
                case ast.Raise(exc=ast.Call() as raised, cause=None) if handler.type:
                    chained = replace(scene, raised, f"{source(scene, raised)} from {name}", name)
                    yield chained if handler.name else _named(scene, handler.type, chained)


def narrow_except(scene: Scene) -> Iterator[Change]:
    for block in _of(scene, ast.Try):
        for handler in block.handlers:
            match handler.type:
                case ast.Name(id="Exception" | "BaseException") as broad:
                    yield replace(scene, broad, likely(block))
                case None:
                    index = handler.lineno - 2
                    row = scene.lines[index].replace("except:", f"except {likely(block)}:", 1)
                    yield span(scene, index, [row], index + 1)


def context_manager(scene: Scene) -> Iterator[Change]:
    """`f = open(…)` and what follows up to the last use of `f`. Only where the whole function was seen."""
    at = anchor(scene)
    for body in _bodies(scene) if scene.complete and at else ():
        for here, node in enumerate(body):
            name, opened = _opens(node)
            rest = _until_last(body[here + 1 :], name)
            if not opened or not at or not rest or _escapes(scene, name) or not _movable(scene, [node, *rest]):
                continue
            first, last = node.lineno - 2, (rest[-1].end_lineno or 0) - 1
            kept = [row for row in scene.lines[rest[0].lineno - 2 : last] if row.strip() != f"{name}.close()"]
            head = f"{lead(scene.lines[first])}with {source(scene, opened)} as {name}:"
            if kept and last - first <= FAR:
                deeper = (at.unit + row if row.strip() else row for row in kept)
                yield span(scene, first, [head, *deeper], last, name=name)


def else_return(scene: Scene) -> Iterator[Change]:
    for node in _of(scene, ast.If):
        ends = isinstance(node.body[-1], ast.Return | ast.Raise) and bool(node.orelse)
        if not ends or not scene.lines[node.lineno - 2].lstrip().startswith("if ") or not _movable(scene, node.orelse):
            continue
        first, last = (node.body[-1].end_lineno or 0) - 1, (node.orelse[-1].end_lineno or 0) - 1
        rows = list(scene.lines[first:last])
        if not rows or rows[0].strip() != "else:" or len(rows) > FAR:
            continue
        unit = lead(scene.lines[node.orelse[0].lineno - 2]).removeprefix(lead(rows[0]))
        yield span(scene, first, [row.replace(unit, "", 1) if row.strip() else row for row in rows[1:]], last)


def return_bool(scene: Scene) -> Iterator[Change]:
    """`if c: return True` and `return False`, in an else or right after it."""
    for body in _bodies(scene):
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.If) or len(node.body) != 1 or len(node.orelse) > 1:
                continue
            other = node.orelse[0] if node.orelse else after
            first, last = node.lineno - 2, ((other.end_lineno or 0) if other else 0) - 1
            test, indent = source(scene, node.test), lead(scene.lines[first])
            if scene.lines[first].lstrip().startswith("if ") and "\n" not in test:
                match _truth(node.body[0]), _truth(other):
                    case True, False:
                        yield span(scene, first, [f"{indent}return bool({test})"], last)
                    case False, True:
                        yield span(scene, first, [f"{indent}return not ({test})"], last)


def get_default(scene: Scene) -> Iterator[Change]:
    """`if k in d: x = d[k]`, else `x = v`."""
    for node in _of(scene, ast.If):
        match node:
            case ast.If(
                test=ast.Compare(left=key, ops=[ast.In()], comparators=[table]),
                body=[ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=held, slice=index))],
                orelse=[ast.Assign(targets=[ast.Name(id=other)], value=ast.Constant() | ast.Name() as default)],
            ) if name == other and ast.dump(key) == ast.dump(index) and ast.dump(held) == ast.dump(table):
                first, last = node.lineno - 2, (node.end_lineno or 0) - 1
                got = f"{source(scene, table)}.get({source(scene, key)}, {source(scene, default)})"
                if scene.lines[first].lstrip().startswith("if "):
                    yield span(scene, first, [f"{lead(scene.lines[first])}{name} = {got}"], last, name=name)


def likely(block: ast.Try) -> str:
    """The errors that the guarded code is likely to raise, by what stands in it."""
    nodes = [node for statement in block.body for node in ast.walk(statement)]
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    kinds = {type(node) for node in nodes}
    if kinds & {ast.Import, ast.ImportFrom}:
        return "ImportError"
    if "open" in called:
        return "OSError"
    if called & {"int", "float"}:
        return "(TypeError, ValueError)"
    return "(KeyError, IndexError)" if ast.Subscript in kinds else "(AttributeError, TypeError, ValueError)"


def _named(scene: Scene, caught: ast.expr, chained: Change) -> Change:
    """The change with its `except` line given a name for the error as well."""
    header = replace(scene, caught, f"{source(scene, caught)} as error")
    rows = changed(scene._replace(lines=changed(scene, chained)), header)
    grown = len(rows) - len(scene.lines)
    return span(scene, header.first, list(rows[header.first : chained.last + grown]), chained.last, name="error")


def _of(scene: Scene, kind: type[Node]) -> Iterator[Node]:
    return (node for node in scene.nodes if isinstance(node, kind))


def _bodies(scene: Scene) -> Iterator[list[ast.stmt]]:
    for node in scene.nodes:
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                yield body


def _opens(node: ast.stmt) -> tuple[str, ast.expr | None]:
    """The name that `node` binds to an opened file, and the call that opens it."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="open")) as opened):
            return name, opened
    return "", None


def _until_last(body: list[ast.stmt], name: str) -> list[ast.stmt]:
    uses = [index for index, node in enumerate(body) if name in _names(node)]
    return body[: uses[-1] + 1] if uses else []


def _escapes(scene: Scene, name: str) -> bool:
    """Whether the file leaves the function, or is kept: then it must stay open."""
    gone = (node.value for node in scene.nodes if isinstance(node, ast.Return | ast.Yield | ast.Assign) and node.value)
    return any(isinstance(value, ast.Name) and value.id == name for value in gone)


def _movable(scene: Scene, body: list[ast.stmt]) -> bool:
    """Whether the lines of these statements are theirs alone and hold no string whose inside would be indented."""
    nodes = (node for statement in body for node in ast.walk(statement))
    strings = (node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr))
    own = all(not scene.lines[node.lineno - 2].encode()[: node.col_offset].strip() for node in body)
    return own and all(node.lineno == node.end_lineno for node in strings)


def _names(node: ast.stmt) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _truth(node: ast.stmt | None) -> bool | None:
    match node:
        case ast.Return(value=ast.Constant(value=bool(value))):
            return value
    return None
