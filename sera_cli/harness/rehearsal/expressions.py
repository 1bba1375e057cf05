"""Edits of one expression: comparisons, calls and literals that say less, or something else, than they should."""

import ast
from collections.abc import Iterator

from sera_cli.harness.rehearsal.change import Change, replace
from sera_cli.harness.rehearsal.scene import Scene, parameters, source


def identity(scene: Scene) -> Iterator[Change]:
    """`== None` becomes `is None`, and `is "literal"` becomes `==`."""
    for node, left, op, right in _comparisons(scene):
        match op, right:
            case ast.Eq() | ast.NotEq(), ast.Constant(value=None):
                word = "is" if isinstance(op, ast.Eq) else "is not"
            case ast.Is() | ast.IsNot(), ast.Constant(value=str() | int() as value) if not isinstance(value, bool):
                word = "==" if isinstance(op, ast.Is) else "!="
            case _:
                continue
        yield replace(scene, node, f"{source(scene, left)} {word} {source(scene, right)}")


def bool_compare(scene: Scene) -> Iterator[Change]:
    for node, left, op, right in _comparisons(scene):
        match left, right:
            case ast.Name() | ast.Attribute() | ast.Call(), ast.Constant(value=bool(value)):
                if isinstance(op, ast.Eq | ast.NotEq):
                    true = isinstance(op, ast.Eq) == value
                    yield replace(scene, node, source(scene, left) if true else f"not {source(scene, left)}")


def type_compare(scene: Scene) -> Iterator[Change]:
    for node, left, op, right in _comparisons(scene):
        match left, right:
            case ast.Call(func=ast.Name(id="type"), args=[value]), ast.Name(id=kind) if isinstance(op, ast.Eq | ast.Is):
                yield replace(scene, node, f"isinstance({source(scene, value)}, {kind})")


def isinstance_merge(scene: Scene) -> Iterator[Change]:
    for node, one, other in _alternatives(scene):
        match one, other:
            case (
                ast.Call(func=ast.Name(id="isinstance"), args=[value, ast.Name(id=left)]),
                ast.Call(func=ast.Name(id="isinstance"), args=[same, ast.Name(id=right)]),
            ) if ast.dump(value) == ast.dump(same):
                yield replace(scene, node, f"isinstance({source(scene, value)}, ({left}, {right}))")


def prefix_merge(scene: Scene) -> Iterator[Change]:
    for node, one, other in _alternatives(scene):
        match one, other:
            case (
                ast.Call(func=ast.Attribute(attr="startswith" | "endswith") as called, args=[ast.Constant() as left]),
                ast.Call(func=ast.Attribute() as same, args=[ast.Constant() as right]),
            ) if ast.dump(called) == ast.dump(same):
                both = f"({source(scene, left)}, {source(scene, right)})"
                yield replace(scene, node, f"{source(scene, called)}({both})")


def membership(scene: Scene) -> Iterator[Change]:
    """`not x in y` becomes `x not in y`."""
    for node in scene.nodes:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=ast.Compare(left=left, ops=[op], comparators=[right])):
                if isinstance(op, ast.In | ast.Is):
                    word = "not in" if isinstance(op, ast.In) else "is not"
                    yield replace(scene, node, f"{source(scene, left)} {word} {source(scene, right)}")


def emptiness(scene: Scene) -> Iterator[Change]:
    """A length compared with zero, where only the truth of it counts."""
    tests = {id(node.test) for node in scene.nodes if isinstance(node, ast.If | ast.While)}
    for node, left, op, right in _comparisons(scene):
        match left, right:
            case ast.Call(func=ast.Name(id="len"), args=[value]), ast.Constant(value=0) if id(node) in tests:
                if isinstance(op, ast.Eq | ast.Gt | ast.NotEq):
                    yield replace(scene, node, ("not " if isinstance(op, ast.Eq) else "") + source(scene, value))


def keys(scene: Scene) -> Iterator[Change]:
    loops = [node.iter for node in scene.nodes if isinstance(node, ast.For)]
    asked = [right for _, _, op, right in _comparisons(scene) if isinstance(op, ast.In | ast.NotIn)]
    for node in (*loops, *asked):
        match node:
            case ast.Call(func=ast.Attribute(attr="keys", value=table), args=[]):
                yield replace(scene, node, source(scene, table))


def super_call(scene: Scene) -> Iterator[Change]:
    for node in scene.nodes:
        match node:
            case ast.Call(func=ast.Name(id="super"), args=[_, ast.Name(id="self" | "cls")]):
                yield replace(scene, node, "super()")


def literal(scene: Scene) -> Iterator[Change]:
    empty = {"dict": "{}", "list": "[]", "tuple": "()"}
    for node in (inner for statement in scene.node.body for inner in ast.walk(statement)):
        match node:
            case ast.Call(func=ast.Name(id="dict" | "list" | "tuple" as name), args=[], keywords=[]):
                yield replace(scene, node, empty[name])


def encoding(scene: Scene) -> Iterator[Change]:
    for node in scene.nodes:
        match node:
            case ast.Call(func=ast.Name(id="open"), args=[_, *rest], keywords=words) if _as_text(rest, words):
                text = source(scene, node)[:-1].rstrip()
                yield replace(scene, node, f'{text}{" " if text.endswith(",") else ", "}encoding="utf-8")')
            case ast.Call(func=ast.Attribute(attr="read_text"), args=[], keywords=[]):
                yield replace(scene, node, source(scene, node)[:-1].rstrip() + 'encoding="utf-8")')


def fstring(scene: Scene) -> Iterator[Change]:
    """`"…%s" % name` and `"…{}".format(name)`, where every value is a plain name."""
    for node in scene.nodes:
        match node:
            case ast.BinOp(left=ast.Constant(value=str()) as text, op=ast.Mod(), right=ast.Tuple(elts=values)):
                filled = _filled(scene, text, "%s", values)
            case ast.BinOp(left=ast.Constant(value=str()) as text, op=ast.Mod(), right=value):
                filled = _filled(scene, text, "%s", [value])
            case ast.Call(
                func=ast.Attribute(attr="format", value=ast.Constant(value=str()) as text), args=values, keywords=[]
            ):
                filled = _filled(scene, text, "{}", values)
            case _:
                continue
        if filled and isinstance(node, ast.expr):
            yield replace(scene, node, filled)


def error_message(scene: Scene) -> Iterator[Change]:
    """Puts the parameter that a message speaks of, or the first one, into a message that shows no value."""
    names = [arg.arg for arg in parameters(scene)]
    for node in scene.nodes:
        match node:
            case ast.Raise(exc=ast.Call(args=[ast.Constant(value=str()) as text], keywords=[])):
                said = source(scene, text)
                name = next((name for name in names if name in said), names[0] if names else "")
                if name and _plain(said):
                    shown = f"f{said[:-1].rstrip('.')}: {{{name}!r}}{said[-1]}"
                    yield replace(scene, text, shown, name)


def comprehension(scene: Scene) -> Iterator[Change]:
    """`any([… for …])` needs no list."""
    eager = ("any", "all", "sum", "set", "tuple", "sorted", "min", "max", "frozenset")
    for node in scene.nodes:
        match node:
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr="join" as name), args=[ast.ListComp() as made], keywords=[]
            ) if name in (*eager, "join"):
                yield replace(scene, made, source(scene, made)[1:-1].strip())


def order(scene: Scene) -> Iterator[Change]:
    """A loop over a set, or over the files of a folder, goes in no fixed order."""
    for node in scene.nodes:
        match node:
            case ast.For(
                iter=ast.Call(
                    func=ast.Name(id="set") | ast.Attribute(attr="listdir" | "iterdir" | "glob" | "rglob")
                ) as loose
            ):
                yield replace(scene, loose, f"sorted({source(scene, loose)})")


def _comparisons(scene: Scene) -> Iterator[tuple[ast.expr, ast.expr, ast.cmpop, ast.expr]]:
    for node in scene.nodes:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield node, left, op, right


def _alternatives(scene: Scene) -> Iterator[tuple[ast.expr, ast.expr, ast.expr]]:
    for node in scene.nodes:
        match node:
            case ast.BoolOp(op=ast.Or(), values=[one, other]):
                yield node, one, other


def _as_text(rest: list[ast.expr], words: list[ast.keyword]) -> bool:
    """Whether an `open` with these arguments reads text, and names no encoding."""
    given = {word.arg: word.value for word in words}
    mode = rest[0] if rest else given.get("mode", ast.Constant("r"))
    known = isinstance(mode, ast.Constant) and "b" not in str(mode.value)
    return known and len(rest) <= 1 and not {"encoding", None} & given.keys()


def _filled(scene: Scene, text: ast.expr, hole: str, values: list[ast.expr]) -> str:
    """The literal as an f-string; empty where that cannot be done by plain substitution."""
    parts = source(scene, text).split(hole)
    names = [source(scene, value) for value in values if isinstance(value, ast.Name | ast.Attribute)]
    if len(names) != len(values) or len(parts) != len(values) + 1 or not _plain("".join(parts)):
        return ""
    if any(set("\"'\n") & set(name) for name in names):
        return ""
    return "f" + parts[0] + "".join(f"{{{name}}}{part}" for name, part in zip(names, parts[1:], strict=True))


def _plain(said: str) -> bool:
    """Whether a string literal is of the simplest sort: one line, no prefix, nothing escaped."""
    return said[0] in "\"'" and said[:3] not in ('"""', "'''") and not set("{}\n\\%") & set(said)
