"""What the call graph needs to know of a Python file: what it defines, imports and calls, as names."""

import ast
import builtins
import marshal
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from sera_cli.svg.source import FunctionNode

Chain = tuple[str, ...]
"""A dotted name as written: `("os", "path", "join")`; a call of `super` stands as `super()`, and before the last name
`()` for whatever else has no name, or has one that its file does not tell the meaning of.
"""

EVERYDAY = frozenset(name for kind in (str, bytes, list, dict, set, int) for name in dir(kind)) | {
    "close", "flush", "read", "readline", "readlines", "seek", "send", "throw", "write", "writelines"}
"""Methods of Python's own types and files: a call of one on an unknown object is most likely of those."""

_BUILTINS = frozenset(dir(builtins))

_BRANCHES = frozenset({
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.BoolOp, ast.match_case,
    ast.comprehension,
})  # fmt: skip
_PLAIN = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module", "name",
    "names", "op", "ops", "rest", "simple", "type_comment",
})  # fmt: skip
"""Fields that hold texts, numbers, operators, or names that are read where they are met."""

_DEFINES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})

class Import(NamedTuple):
    """`module` as written, with the dots before it counted in `level`; `name` is what is taken from it, if anything."""

    module: str
    level: int = 0
    name: str = ""


class Body(NamedTuple):
    """A function's calls, but for those that no function of the repository can be meant by. `imports` are its own.

    `branches` are the places where it decides. An `attribute` is what a property is read or set by: it is not called.
    """

    name: str
    owner: str
    receiver: str
    calls: frozenset[Chain]
    imports: Mapping[str, Import]
    branches: int
    attribute: bool


class Module(NamedTuple):
    """What the call graph needs of a file.

    `names` holds each top-level name, and each of a class as `Class.name`, with all that it may stand for; `values` are
    nothing but values, as is what methods make attributes of their object. `*` stands for imports of everything.
    """

    path: str
    names: Mapping[str, set[str | Import]]
    values: frozenset[str]
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
    values = {name for name, some in names.items() if some == {"value"}}
    known = {name: some for name, some in names.items() if name not in values}
    bodies = tuple(_body(node, name, known, values) for node, name in functions)
    return Module(path, known, frozenset(values), classes, bodies)


def told(module: Module) -> bytes:
    """A module as bytes, for `heard`."""
    kinds = {name: {one for one in some if isinstance(one, str)} for name, some in module.names.items()}
    sources = {name: [tuple(one) for one in some if isinstance(one, Import)] for name, some in module.names.items()}
    imports = [{name: tuple(one) for name, one in body.imports.items()} for body in module.bodies]
    bodies = [(*body[:4], own, *body[5:]) for body, own in zip(module.bodies, imports, strict=True)]
    found = {name: some for name, some in sources.items() if some}
    plain: Any = (module.path, kinds, found, module.values, module.classes, bodies)
    return marshal.dumps(plain)


def heard(told: bytes) -> Module:
    """The module that `told` made these bytes of; they are believed."""
    path, names, sources, values, classes, bodies = marshal.loads(told)
    for name, some in sources.items():
        names[name].update(map(Import._make, some))
    for row in bodies:
        if imports := row[4]:
            imports.update((name, Import._make(one)) for name, one in imports.items())
    return Module(path, names, values, classes, tuple(map(Body._make, bodies)))


class _Fields(dict[type, tuple[str, ...]]):
    """The fields in which nodes of a kind may hold others that matter here; noted when one of the kind is first met."""

    def __missing__(self, kind: type) -> tuple[str, ...]:
        fields = kind._fields if issubclass(kind, ast.AST) and kind is not ast.Constant else ()
        self[kind] = tuple(field for field in fields if field not in _PLAIN)
        return self[kind]


_FIELDS = _Fields()


def inside(node: ast.AST) -> Iterator[Any]:
    """A node and all below it but the contexts of names, operators and aliases, in no certain order, and what stands in
    place of a node: twice as fast as `ast.walk`.
    """
    waiting: list[Any] = [node]
    while waiting:
        inner = waiting.pop()
        yield inner
        for field in _FIELDS[type(inner)]:
            value = getattr(inner, field)
            if type(value) is list:
                waiting.extend(value)
            elif value is not None:
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


def _computes(decorator: ast.expr) -> bool:
    """Whether it makes a property of a function."""
    match decorator:
        case ast.Name(id=name):
            return name in ("property", "cached_property")
        case ast.Attribute(attr=name):
            return name in ("cached_property", "setter", "getter", "deleter")
    return False


def _body(node: FunctionNode, name: str, names: Collection[str], values: set[str]) -> Body:
    """What a function does when it is called; its decorators and the defaults of its arguments are its module's doing.

    `names` are what its module tells the meaning of, `values` what it gives one that nobody knows; attributes that the
    function gives its object are added.
    """
    calls: set[Chain] = set()
    imports: dict[str, Import] = {}
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    bound = {one.arg for one in arguments if one}
    owner = name.rpartition(".")[0]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    first = [*node.args.posonlyargs, *node.args.args][:1] if owner and not static else []
    receiver = first[0].arg if first else ""
    attribute = any(map(_computes, node.decorator_list))
    branches = 0
    for inner in chain.from_iterable(map(inside, node.body)):  # the kinds met most often are asked about first
        kind = type(inner)
        if kind is ast.Name:
            if type(inner.ctx) is ast.Store:
                bound.add(inner.id)
        elif kind is ast.Call:
            if called := _chain(inner.func):
                calls.add(called)
        elif kind is ast.Attribute:
            if type(inner.ctx) is ast.Store and receiver and _chain(inner) == (receiver, inner.attr):
                values |= {f"{owner}.{inner.attr}"}.difference(names)
        elif kind is ast.arg:
            bound.add(inner.arg)
        elif kind in _BRANCHES:
            branches += 1
            if kind is ast.ExceptHandler and inner.name:
                bound.add(inner.name)
        elif kind in _DEFINES:
            bound.add(inner.name)
        elif kind in (ast.Import, ast.ImportFrom):
            imports |= _imports(inner)
    kept: set[Chain] = set()
    for called in calls:
        head, last = called[0], called[-1]
        told = head in names or ("*" in names and head not in values and head not in _BUILTINS)
        if head in imports or head == "super()" or called == (receiver, last) or (told and head not in bound):
            kept.add(called)
        elif len(called) > 1 and last not in EVERYDAY and (head in bound or head in values or head not in _BUILTINS):
            kept.add(("()", last))
    return Body(name, owner, receiver, frozenset(kept), imports, branches, attribute)
