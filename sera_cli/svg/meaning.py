"""Who calls whom in Python, across the files of a repository: what the names that are called mean there.

Sure are calls whose target the text decides: a name the file defines or imports, an attribute of a module or of a
class, `self.…` and `super().…`. A name with a few meanings gives a link to each, and so does a method of any other
object to each class's of that name; these are not sure. What could mean more than FEW gives none.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from posixpath import dirname
from sys import intern
from typing import NamedTuple

from sera_cli.svg.graph import EVERYDAY, Body, Chain, Import, Module

FEW = 5
"""Functions that a name could mean beyond which it tells nothing."""

Targets = tuple[Collection[str], bool]
"""Functions that a call may mean, as `path::name`, and whether it is surely the one."""

Links = dict[str, dict[str, dict[str, bool]]]
"""By path and name of who calls: the functions called, as `path::name`, and whether each is surely meant."""

Seen = set[tuple[str, str]]
"""The classes whose bases one search has gone through: bases may go in circles, also through one another's members."""


class Meaning(NamedTuple):
    """What a name stands for: a `module` (by place), or a `class`, `def` or `value` of the module at that place."""

    kind: str
    place: str
    name: str = ""


def link(modules: Collection[Module]) -> Links:
    """The callees of all functions that have some. Calls of itself are left out."""
    heard = {module.path: module for module in modules}
    return relink(heard, places(heard), heard.__getitem__, methods(modules))


def relink(
    changed: Container[str], paths: Mapping[str, str], hear: Callable[[str], Module], named: Mapping[str, Sequence[str]]
) -> Links:
    """The callees of the functions in the `changed` files. `paths` are those of all files by their `places`, `named`
    the `methods` of all; of the other files only those are heard that a name leads to.
    """
    return _Repository(paths, hear, named).links(changed)


def places(paths: Iterable[str]) -> dict[str, str]:
    """Files by how imports name them: their paths without `.py` and `/__init__`, as `src/flask/app`."""
    return {path.removesuffix(".py").removesuffix("/__init__"): path for path in paths}


def methods(modules: Iterable[Module]) -> dict[str, list[str]]:
    """All methods by their last name, as `path::name`. A property stands as "": nobody calls it, but a name that many
    have tells nothing.
    """
    known: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules:
        for body in module.bodies:
            name = body.name.rpartition(".")[2]
            if body.owner and name not in EVERYDAY:
                known[name].append("" if body.attribute else intern(f"{module.path}::{body.name}"))
    return known


class _Modules(dict[str, Module]):
    """Modules by their places, each asked for when it is first looked into."""

    def __init__(self, paths: Mapping[str, str], hear: Callable[[str], Module]) -> None:
        self._paths, self._hear = paths, hear

    def __missing__(self, place: str) -> Module:
        self[place] = self._hear(self._paths[place])
        return self[place]


class _Repository:
    """Looks names up across files."""

    def __init__(
        self, paths: Mapping[str, str], hear: Callable[[str], Module], named: Mapping[str, Sequence[str]]
    ) -> None:
        self.paths = paths
        self.modules = _Modules(self.paths, hear)
        self.folders = {"."}
        for place in self.paths:
            while (place := dirname(place)) and place not in self.folders:
                self.folders.add(place)
        self.tops: defaultdict[str, set[str]] = defaultdict(set)
        packages = {place for place, path in self.paths.items() if path.endswith("__init__.py")}
        for place in {*self.paths, *self.folders} - {"."}:
            *above, name = place.split("/")
            inside = any("/".join(above[:depth]) in packages for depth in range(1, len(above) + 1))
            if above in ([], ["src"], ["lib"]) or (place in packages and not inside):
                self.tops[name].add(place)
        self.methods = {name: [*filter(None, known)] for name, known in named.items() if len(known) <= FEW}
        self.attributes: dict[tuple[str, str, int], Meaning | None] = {}
        self.located: dict[tuple[str, str, int], list[str]] = {}
        self.bases: dict[tuple[str, str], Meaning | None] = {}
        self.members: dict[tuple[str, str, str], Meaning | None] = {}

    def links(self, files: Container[str]) -> Links:
        """Those of some files."""
        found: Links = {}
        for place, path in self.paths.items():
            if path not in files:
                continue
            shared: dict[Chain, Targets] = {}
            own_calls: dict[str, dict[str, bool]] = {}
            for body in self.modules[place].bodies:
                own, called = f"{path}::{body.name}", own_calls.get(body.name, {})
                for chain in body.calls:
                    targets, sure = self._targets(place, body, chain, shared)
                    for target in targets:
                        if target != own:
                            called[target] = sure or called.get(target, False)
                if called:
                    own_calls[body.name] = called
            if own_calls:
                found[path] = own_calls
        return found

    def _targets(self, place: str, body: Body, chain: Chain, shared: dict[Chain, Targets]) -> Targets:
        """What is called. `shared` are those of names that mean the same in all of the module."""
        first = chain[0]
        if first == "()":
            return self.methods.get(chain[-1], ()), False
        if first == "super()" or first == body.receiver or first in body.imports:
            return self._looked_up(place, body, chain)
        if chain not in shared:
            shared[chain] = self._looked_up(place, body, chain)
        return shared[chain]

    def _looked_up(self, place: str, body: Body, chain: Chain) -> Targets:
        """Nothing where classes inherit through more levels than Python recurses."""
        try:
            meaning = self._decided(place, body, chain)
            if target := self._target(meaning):
                return (target,), True
            return (() if meaning else self._possible(place, body, chain)), False
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
        if meaning and meaning.kind == "def":
            return intern(f"{self.paths[meaning.place]}::{meaning.name}")
        return ""

    def _possible(self, place: str, body: Body, chain: Chain) -> Collection[str]:
        """The few functions that a call may mean of which the text decides none."""
        first, *rest = chain
        if first == "super()":
            return ()
        if first == body.receiver:
            return self.methods.get(rest[-1], ()) if rest else ()
        said = {body.imports[first]} if first in body.imports else self._said(self.modules[place], first)
        some = {self._target(self._follow(one, chain[1:], set())) for one in self._meanings(place, first, said)} - {""}
        if some or not rest:
            return some if len(some) <= FEW else ()
        if all(isinstance(one, Import) and not self._locations(place, one) for one in said):
            return ()
        return self.methods.get(rest[-1], ())

    def _said(self, module: Module, name: str) -> Collection[str | Import]:
        """What a module says of a name of its top; where it says nothing, that all of others is imported."""
        return module.names.get(name) or [
            Import(one.module, one.level, name) for one in module.names.get("*", ()) if isinstance(one, Import)]

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
        if place not in self.paths or depth > 8:
            return None
        module = self.modules[place]
        if name in module.values:
            return Meaning("value", place, name)
        said = self._said(module, name)
        if name not in module.names:
            known = {self._imported(place, one, depth) for one in said if isinstance(one, Import)} - {None}
            return known.pop() if len(known) == 1 else None
        meaning = next(iter(said)) if len(said) == 1 else "value"
        if isinstance(meaning, Import):
            return self._imported(place, meaning, depth)
        return None if meaning == "value" else Meaning(meaning, place, name)

    def _attribute(self, place: str, name: str, depth: int) -> Meaning | None:
        """What a name of a module or a package stands for. Most are asked for by many files, and looked up once. What
        is not there is not noted: of hundreds all of which are imported, each is asked for every name.
        """
        key = (place, name, depth)
        if key not in self.attributes:
            inner = f"{place}/{name}"
            module = Meaning("module", inner) if inner in self.paths or inner in self.folders else None
            if module is None and not self._tells(place, name):
                return None
            known = self._global(place, name, depth + 1)
            self.attributes[key] = module if module and (known is None or known.kind == "value") else known
        return self.attributes[key]

    def _tells(self, place: str, name: str) -> bool:
        """Whether a module may say what a name stands for."""
        if place not in self.paths:
            return False
        module = self.modules[place]
        return name in module.names or name in module.values or "*" in module.names

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
        key = (place if source.level else "", source.module, source.level)
        if key not in self.located:
            parts = [part for part in source.module.split(".") if part]
            if source.level:
                package = self.paths[place].split("/")[: -source.level]
                bases = ["/".join([*package, *parts])]
            else:
                bases = ["/".join([top, *parts[1:]]) for top in self.tops.get(parts[0], ())]
            self.located[key] = [base for base in bases if base in self.paths or base in self.folders]
        return self.located[key]

    def _member(self, place: str, owner: str, name: str, seen: Seen) -> Meaning | None:
        """A method or inner class of a class, its own or inherited. Most are asked for again and again."""
        if seen:
            return self._sought(place, owner, name, seen)
        key = (place, owner, name)
        if key not in self.members:
            self.members[key] = self._sought(place, owner, name, set())
        return self.members[key]

    def _sought(self, place: str, owner: str, name: str, seen: Seen) -> Meaning | None:
        module, own = self.modules[place], f"{owner}.{name}"
        kinds = module.names.get(own)
        if kinds is None:
            return Meaning("value", place, own) if own in module.values else self._inherited(place, owner, name, seen)
        kind = next(iter(kinds))
        return Meaning(kind, place, own) if len(kinds) == 1 and kind in ("def", "class") else None

    def _inherited(self, place: str, owner: str, name: str, seen: Seen) -> Meaning | None:
        if (place, owner) in seen:
            return None
        seen.add((place, owner))
        for base in self.modules[place].classes.get(owner, ()):
            if (place, base[0]) not in self.bases:
                self.bases[place, base[0]] = self._global(place, base[0], 0)
            parent = self._follow(self.bases[place, base[0]], base[1:], seen)
            if parent and parent.kind == "class" and (found := self._member(parent.place, parent.name, name, seen)):
                return found
        return None
