"""What the call graph needs to know of a Python file: what it defines, imports and calls, as names."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sera_cli.svg.source import FunctionNode

Chain = tuple[str, ...]
"""A dotted name as written: `("os", "path", "join")`; a call of `super` stands as `super()`, and before the last name
`()` for whatever else has no name.
"""

EVERYDAY = frozenset(name for kind in (str, bytes, list, dict, set, int) for name in dir(kind)) | {
    "close", "flush", "read", "readline", "readlines", "seek", "send", "throw", "write", "writelines"}
"""Methods of Python's own types and files: a call of one on an unknown object is most likely of those."""

_BRANCHES = frozenset({
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.BoolOp, ast.match_case,
    ast.comprehension,
})  # fmt: skip
_DEFINES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})

class Import(NamedTuple):
    """`module` as written, with the dots before it counted in `level`; `name` is what is taken from it, if anything."""

    module: str
    level: int = 0
    name: str = ""


class Body(NamedTuple):
    """A function's calls. `imports` are its own; `bound` are names it gives another meaning than its module does.

    `branches` are the places where it decides.
    """

    name: str
    owner: str
    receiver: str
    calls: frozenset[Chain]
    imports: Mapping[str, Import]
    bound: frozenset[str]
    branches: int


class Module(NamedTuple):
    """What the call graph needs of a file. `names` holds each top-level name with all it may stand for."""

    path: str
    names: Mapping[str, set[str | Import]]
    classes: Mapping[str, tuple[Chain, ...]]
    bodies: tuple[Body, ...]


def facts(path: str, tree: ast.Module, functions: Iterable[tuple[FunctionNode, str]]) -> Module:
    """Boils a file down to names; the tree can be dropped afterwards."""
    names: defaultdict[str, set[str | Import]] = defaultdict(set)
    classes: dict[str, tuple[Chain, ...]] = {}
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names[prefix + name].add("def")
                    continue
                case ast.ClassDef(name=name):
                    names[prefix + name].add("class")
                    classes[prefix + name] = tuple(filter(None, map(_base, child.bases)))
                    waiting.append((child, f"{prefix}{name}."))
                    continue
                case ast.Name(id=name, ctx=ast.Store()):
                    names[prefix + name].add("value")
                case ast.Import() | ast.ImportFrom():
                    for name, source in _imports(child):
                        names[prefix + name].add(source)
            waiting.append((child, prefix))
    return Module(path, dict(names), classes, tuple(_body(node, name) for node, name in functions))


def _inside(node: ast.AST) -> Iterator[Any]:
    """A node and all below it but the contexts of names, in no certain order: faster than `ast.walk`."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for value in node.__dict__.values():
            if type(value) is list:
                waiting.extend(one for one in value if isinstance(one, ast.AST))
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                waiting.append(value)


def _chain(node: ast.AST) -> Chain:
    """The dotted name that an expression is, the last name of a member of something else, or ()."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    match node:
        case ast.Name(id=name):
            return (name, *reversed(parts))
        case ast.Call(func=ast.Name(id="super"), args=[]) if parts:
            return ("super()", *reversed(parts))
    return ("()", parts[0]) if parts and parts[0] not in EVERYDAY else ()


def _base(node: ast.expr) -> Chain:
    """The name of a base class, without what stands in brackets: `Generic[T]`."""
    return _chain(node.value if isinstance(node, ast.Subscript) else node)


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """The names that an import binds. `import a.b` binds `a`."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Import(node.module or "", node.level, alias.name)
        elif alias.asname:
            yield alias.asname, Import(alias.name)
        else:
            yield alias.name.partition(".")[0], Import(alias.name.partition(".")[0])


def _body(node: FunctionNode, name: str) -> Body:
    calls: set[Chain] = set()
    imports: dict[str, Import] = {}
    bound: set[str] = set()
    branches = 0
    for inner in _inside(node):  # the kinds that are met most often are asked about first
        kind = type(inner)
        if kind is ast.Name:
            if type(inner.ctx) is ast.Store:
                bound.add(inner.id)
        elif kind is ast.Call:
            if chain := _chain(inner.func):
                calls.add(chain)
        elif kind is ast.arg:
            bound.add(inner.arg)
        elif kind in _BRANCHES:
            branches += 1
            if kind is ast.ExceptHandler and inner.name:
                bound.add(inner.name)
        elif kind in _DEFINES:
            if inner is not node:
                bound.add(inner.name)
        elif kind in (ast.Import, ast.ImportFrom):
            imports |= _imports(inner)
    owner = name.rpartition(".")[0]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    first = [*node.args.posonlyargs, *node.args.args][:1] if owner and not static else []
    return Body(name, owner, first[0].arg if first else "", frozenset(calls), imports, frozenset(bound), branches)
