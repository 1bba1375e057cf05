"""Who calls whom inside a repository, by name: what a file defines, imports and calls, linked across files.

Sure are calls whose target the text decides: a name the file defines or imports, an attribute of a module or of a
class, `self.…` and `super().…`. A name with a few meanings gives a link to each, and so does a method of any other
object to each class's of that name; these are not sure. What could mean more than FEW gives none.
"""

import ast
import builtins
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from sera_cli.svg.source import FunctionNode

Chain = tuple[str, ...]
"""A dotted name as written: `("os", "path", "join")`; a call of `super` stands as `super()`, and before the last name
`()` for whatever else has no name.
"""

FEW = 5
"""Functions that a name could mean beyond which it tells nothing."""

_BUILTINS = frozenset(dir(builtins))
_EVERYDAY = frozenset(name for kind in (str, bytes, list, dict, set, int) for name in dir(kind)) | {
    "close", "flush", "read", "readline", "readlines", "seek", "send", "throw", "write", "writelines"}
"""Methods of Python's own types and files: a call of one on an unknown object is most likely of those."""

_BRANCHES = frozenset({
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler, ast.BoolOp, ast.match_case,
    ast.comprehension,
})  # fmt: skip
_DEFINES = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})

Targets = tuple[Collection[str], bool]
"""Functions that a call may mean, as `path::name`, and whether it is surely the one."""

Seen = set[tuple[str, str]]
"""The classes whose bases one search has gone through: bases may go in circles, also through one another's members."""


class Import(NamedTuple):
    """`module` as written, with the dots before it counted in `level`; `name` is what is taken from it, if anything."""

    module: str
    level: int = 0
    name: str = ""


class Meaning(NamedTuple):
    """What a name stands for: a `module` (by place), or a `class` or `def` of the module at that place."""

    kind: str
    place: str
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


def link(modules: Iterable[Module]) -> dict[tuple[str, str], dict[str, bool]]:
    """The callees of each function that has some, as `path::name`, by `(path, name)`, and whether each is sure: the one
    function that is meant, not one of a few that may be. Calls of itself are left out.
    """
    return _Repository(modules).links()


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
    return ("()", parts[0]) if parts and parts[0] not in _EVERYDAY else ()


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


class _Repository:
    """Looks names up across files. A place is a path without `.py` and `/__init__`: `src/flask/app`."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.modules = {_place(module.path): module for module in modules}
        self.folders = {str(folder) for place in self.modules for folder in PurePosixPath(place).parents}
        self.tops: defaultdict[str, set[str]] = defaultdict(set)
        packages = {place for place, module in self.modules.items() if module.path.endswith("__init__.py")}
        for place in {*self.modules, *self.folders} - {"."}:
            *above, name = place.split("/")
            inside = any("/".join(above[:depth]) in packages for depth in range(1, len(above) + 1))
            if above in ([], ["src"], ["lib"]) or (place in packages and not inside):
                self.tops[name].add(place)
        self.methods = self._methods()

    def _methods(self) -> dict[str, list[str]]:
        """The methods by each name that only a few have, as `path::name`."""
        methods: defaultdict[str, list[str]] = defaultdict(list)
        for module in self.modules.values():
            for body in module.bodies:
                name = body.name.rpartition(".")[2]
                if body.owner and name not in _EVERYDAY:
                    methods[name].append(f"{module.path}::{body.name}")
        return {name: known for name, known in methods.items() if len(known) <= FEW}

    def links(self) -> dict[tuple[str, str], dict[str, bool]]:
        found: defaultdict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
        for place, module in self.modules.items():
            shared: dict[Chain, Targets] = {}
            for body in module.bodies:
                own, called = f"{module.path}::{body.name}", found[module.path, body.name]
                for chain in body.calls:
                    targets, sure = self._targets(place, body, chain, shared)
                    for target in targets:
                        if target != own:
                            called[target] = sure or called.get(target, False)
        return {caller: called for caller, called in found.items() if called}

    def _targets(self, place: str, body: Body, chain: Chain, shared: dict[Chain, Targets]) -> Targets:
        """What is called. `shared` are those of names that mean the same in all of the module."""
        first = chain[0]
        if (first == body.receiver and len(chain) == 2) or first in body.imports or first == "super()":
            return self._looked_up(place, body, chain)
        if first == "()" or first in body.bound:
            return (self.methods.get(chain[-1], ()) if len(chain) > 1 else ()), False
        if chain not in shared:
            shared[chain] = self._looked_up(place, body, chain)
        return shared[chain]

    def _looked_up(self, place: str, body: Body, chain: Chain) -> Targets:
        """Nothing where classes inherit through more levels than Python recurses."""
        try:
            if target := self._target(self._decided(place, body, chain)):
                return (target,), True
            return self._possible(place, body, chain), False
        except RecursionError:
            return (), False

    def _decided(self, place: str, body: Body, chain: Chain) -> Meaning | None:
        match chain:
            case ("super()", name):
                return self._inherited(place, body.owner, name, set())
            case (receiver, name) if body.receiver and receiver == body.receiver:
                return self._member(place, body.owner, name, set())
            case (first, *_) if first in body.imports:
                return self._follow(self._imported(place, body.imports[first], 0), chain[1:], set())
        return self._named(place, chain, set())

    def _target(self, meaning: Meaning | None) -> str:
        """The function that a meaning is, as `path::name`; of a class that of its making; or ""."""
        if meaning and meaning.kind == "class":
            meaning = self._member(meaning.place, meaning.name, "__init__", set())
        return f"{self.modules[meaning.place].path}::{meaning.name}" if meaning and meaning.kind == "def" else ""

    def _possible(self, place: str, body: Body, chain: Chain) -> Collection[str]:
        """The few functions that a call may mean of which the text decides none."""
        first, *rest = chain
        said = [body.imports[first]] if first in body.imports else self.modules[place].names.get(first, ())
        some = {self._target(self._follow(one, chain[1:], set())) for one in self._meanings(place, first, said)} - {""}
        if some or not rest or first == "super()" or (not said and first in _BUILTINS):
            return some if len(some) <= FEW else ()
        if said and all(isinstance(one, Import) and not self._locations(place, one) for one in said):
            return ()
        return self.methods.get(rest[-1], ())

    def _meanings(self, place: str, name: str, said: Iterable[str | Import]) -> Iterator[Meaning | None]:
        """All that a name may stand for; an import may be of several packages by that name."""
        for one in said:
            if isinstance(one, Import):
                for target in self._locations(place, one):
                    yield self._attribute(target, one.name, 0) if one.name else Meaning("module", target)
            elif one != "value":
                yield Meaning(one, place, name)

    def _named(self, place: str, chain: Chain, seen: Seen) -> Meaning | None:
        return self._follow(self._global(place, chain[0], 0), chain[1:], seen)

    def _follow(self, meaning: Meaning | None, rest: Chain, seen: Seen) -> Meaning | None:
        for name in rest:
            match meaning:
                case Meaning("module", place):
                    meaning = self._attribute(place, name, 0)
                case Meaning("class", place, owner):
                    meaning = self._member(place, owner, name, seen)
                case _:
                    return None
        return meaning

    def _global(self, place: str, name: str, depth: int) -> Meaning | None:
        """What a top-level name of a module stands for. Imports of imports are followed a few times, not for ever."""
        module = self.modules.get(place)
        meanings = module.names.get(name, set()) if module else set()
        if len(meanings) != 1 or depth > 8:
            return None
        meaning = next(iter(meanings))
        if isinstance(meaning, Import):
            return self._imported(place, meaning, depth)
        return None if meaning == "value" else Meaning(meaning, place, name)

    def _attribute(self, place: str, name: str, depth: int) -> Meaning | None:
        inner = f"{place}/{name}"
        if inner in self.modules or inner in self.folders:
            return self._global(place, name, depth + 1) or Meaning("module", inner)
        return self._global(place, name, depth + 1)

    def _imported(self, place: str, source: Import, depth: int) -> Meaning | None:
        target = self._location(place, source)
        if target is None:
            return None
        return self._attribute(target, source.name, depth) if source.name else Meaning("module", target)

    def _location(self, place: str, source: Import) -> str | None:
        """The place of an imported module, if it is one of the repository's, and no other has its name."""
        places = self._locations(place, source)
        return places[0] if len(places) == 1 else None

    def _locations(self, place: str, source: Import) -> list[str]:
        """All places in the repository that an import may mean."""
        parts = [part for part in source.module.split(".") if part]
        if source.level:
            package = self.modules[place].path.split("/")[: -source.level]
            bases = ["/".join([*package, *parts])]
        else:
            bases = ["/".join([top, *parts[1:]]) for top in self.tops.get(parts[0], ())]
        return [base for base in bases if base in self.modules or base in self.folders]

    def _member(self, place: str, owner: str, name: str, seen: Seen) -> Meaning | None:
        """A method or inner class of a class, its own or inherited."""
        kinds = self.modules[place].names.get(f"{owner}.{name}")
        if kinds is None:
            return self._inherited(place, owner, name, seen)
        kind = next(iter(kinds))
        return Meaning(kind, place, f"{owner}.{name}") if len(kinds) == 1 and kind in ("def", "class") else None

    def _inherited(self, place: str, owner: str, name: str, seen: Seen) -> Meaning | None:
        if (place, owner) in seen:
            return None
        seen.add((place, owner))
        for base in self.modules[place].classes.get(owner, ()):
            parent = self._named(place, base, seen)
            if parent and parent.kind == "class" and (found := self._member(parent.place, parent.name, name, seen)):
                return found
        return None


def _place(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__")
