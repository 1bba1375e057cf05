"""Edits at the head of a function: guards, type checks, defaults, copies of what is passed in."""

import ast
import re
from collections.abc import Iterator

from sera_cli.harness.rehearsal.change import Change, insert, replace, span
from sera_cli.harness.rehearsal.scene import Scene, anchor, lead, parameters, source

TYPES = ("str", "int", "float", "bytes", "dict", "list", "tuple", "set")
METHODS = {
    **dict.fromkeys(("startswith", "endswith", "split", "lower", "upper", "strip", "encode", "format"), "str"),
    **dict.fromkeys(("items", "values", "setdefault"), "dict"),
    **dict.fromkeys(("append", "extend"), "list"),
    "decode": "bytes",
}
"""Methods that give away what type a parameter is used as."""
FAR = 12
"""Lines that one edit spans at most: longer ones are hard to copy exactly."""


def none_guard(scene: Scene) -> Iterator[Change]:
    at = anchor(scene)
    asked = _asked(scene)["none"]
    for name in (name for name in _required(scene) if name not in asked):
        for error in ("TypeError", "ValueError"):
            raised = f'\traise {error}("{name} must not be None")'
            yield from insert(scene, at, [f"if {name} is None:", raised], name)


def type_check(scene: Scene) -> Iterator[Change]:
    at = anchor(scene)
    kinds, asked, required = _used_as(scene), _asked(scene)["type"], _required(scene)
    for argument in parameters(scene):
        name, note = argument.arg, argument.annotation
        kind = note.id if isinstance(note, ast.Name) else "" if note else kinds.get(name, "")
        if kind in TYPES and name in required and name not in asked:
            raised = f'\traise TypeError("{name} must be of type {kind}")'
            yield from insert(scene, at, [f"if not isinstance({name}, {kind}):", raised], name)


def empty_guard(scene: Scene) -> Iterator[Change]:
    at = anchor(scene)
    names = {arg.arg for arg in parameters(scene)} - _asked(scene)["truth"]
    looped = [node.iter.id for node in scene.nodes if isinstance(node, ast.For) and isinstance(node.iter, ast.Name)]
    valued = any(isinstance(node, ast.Return) and node.value for node in scene.nodes)
    for name in dict.fromkeys(looped):
        if name in names and not yields(scene):
            yield from insert(scene, at, [f"if not {name}:", "\treturn None" if valued else "\treturn"], name)


def mutable_default(scene: Scene) -> Iterator[Change]:
    at = anchor(scene)
    for name, default in _defaults(scene):
        first = default.lineno - 2
        single = _fresh(default) and default.end_lineno == default.lineno
        if at is None or not single or not first < at.line <= first + FAR:
            continue
        line = scene.lines[first].encode()
        head = (line[: default.col_offset] + b"None" + line[default.end_col_offset :]).decode()
        made = [f"{at.indent}if {name} is None:", f"{at.indent}{at.unit}{name} = {source(scene, default)}"]
        rows = [head, *scene.lines[first + 1 : at.line], *made, scene.lines[at.line]]
        yield span(scene, first, rows, at.line + 1, name=name)


def assert_raise(scene: Scene) -> Iterator[Change]:
    for node in scene.nodes:
        if not isinstance(node, ast.Assert) or node.msg is None or node.end_lineno != node.lineno:
            continue
        index = node.lineno - 2
        indent = lead(scene.lines[index])
        at = anchor(scene)
        if at and len(indent.encode()) == node.col_offset:
            test, message = source(scene, node.test), source(scene, node.msg)
            rows = [f"{indent}if not ({test}):", f"{indent}{at.unit}raise ValueError({message})"]
            yield span(scene, index, rows, index + 1)


def copy_argument(scene: Scene) -> Iterator[Change]:
    """`self.items = items` becomes `self.items = list(items)`, where a list or dict is passed in."""
    kinds = _used_as(scene) | {arg.arg: _container(arg.annotation) for arg in parameters(scene) if arg.annotation}
    for node in scene.nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"))], value=ast.Name(id=name) as value):
                if kinds.get(name) in ("list", "dict") and name in _required(scene):
                    yield replace(scene, value, f"{kinds[name]}({name})", name)


def _required(scene: Scene) -> list[str]:
    """Parameters that have neither a default nor an annotation that speaks of None."""
    given = {name for name, _ in _defaults(scene)}
    notes = {arg.arg: source(scene, arg.annotation) if arg.annotation else "" for arg in parameters(scene)}
    return [name for name, note in notes.items() if name not in given and not re.search("None|Optional|Any", note)]


def _defaults(scene: Scene) -> list[tuple[str, ast.expr]]:
    every = scene.node.args
    placed = [*every.posonlyargs, *every.args]
    late = zip(placed[len(placed) - len(every.defaults) :], every.defaults, strict=True)
    named = zip(every.kwonlyargs, every.kw_defaults, strict=True)
    return [(arg.arg, default) for arg, default in (*late, *named) if default is not None]


def _fresh(node: ast.expr) -> bool:
    """Whether the expression makes a new, empty container."""
    match node:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id="list" | "dict" | "set"), args=[], keywords=[]):
            return True
    return False


def _used_as(scene: Scene) -> dict[str, str]:
    uses: dict[str, str] = {}
    for node in scene.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=method) if method in METHODS:
                uses.setdefault(name, METHODS[method])
    return uses


def _asked(scene: Scene) -> dict[str, set[str]]:
    """Names that the function asks something of already: whether they are None, of a type, true."""
    found: dict[str, set[str]] = {"none": set(), "type": set(), "truth": set()}
    for node in scene.nodes:
        match node:
            case ast.Compare(left=ast.Name(id=name), comparators=[ast.Constant(value=None)]):
                found["none"].add(name)
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), _]):
                found["type"].add(name)
            case ast.If(test=ast.Name(id=name) | ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name))):
                found["truth"].add(name)
    return found


def _container(note: ast.expr | None) -> str:
    """`dict` for an annotation such as `dict[str, int]`."""
    held = note.value if isinstance(note, ast.Subscript) else note
    return held.id if isinstance(held, ast.Name) else ""


def yields(scene: Scene) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in scene.nodes)
