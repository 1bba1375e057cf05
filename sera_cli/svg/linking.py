"""Who calls whom in languages that tree-sitter reads, by name: good enough to name neighbours, never exact.

A call is sure where its receiver, an import or the reach of a bare name leaves one function it can mean. What could
mean a few has a link to each, and so has a method of an object of which nothing is known to each type's of that name;
these are not sure. What could mean more than FEW has none. Python, of which more can be told, has `meaning`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import lru_cache
from posixpath import basename, dirname, join, normpath
from sys import intern

from sera_cli.svg.found import Calls
from sera_cli.svg.languages import LANGUAGES
from sera_cli.svg.languages.language import OWN, SCOPE
from sera_cli.svg.meaning import FEW, Links, Targets
from sera_cli.svg.syntax.caught import MAJOR

_KNOWN = {language.name: language for language in LANGUAGES}
_FAMILY = {"typescript": "javascript", "cpp": "c"}
"""Languages that call one another count as one."""

_ENDINGS = ("", ".js", ".ts", ".tsx", ".jsx", ".mjs", "/index.js", "/index.ts", "/index.tsx")
"""What an import may leave out of a file's name."""

_EVERYDAY = frozenset({
    "add", "all", "any", "append", "at", "catch", "charAt", "clear", "clone", "close", "collect", "concat", "contains",
    "copy", "count", "each", "empty", "endsWith", "equals", "expect", "filter", "find", "first", "flush", "fold",
    "forEach", "format", "get", "getClass", "has", "hashCode", "indexOf", "insert", "isEmpty", "is_empty", "items",
    "iter", "join", "keys", "last", "len", "length", "let", "map", "match", "max", "min", "next", "ok_or", "pop",
    "print", "println", "push", "put", "read", "reduce", "remove", "replace", "reverse", "send", "set", "shift", "size",
    "slice", "sort", "split", "startsWith", "sub", "substring", "sum", "swap", "test", "then", "toArray", "toString",
    "to_s", "to_string", "trim", "unwrap", "unwrap_or", "value", "values", "write",
})  # fmt: skip
"""Methods that texts, lists, maps and the like have in most languages: a call of one is most likely of those."""

_MAKERS = ("constructor", "__construct", "initialize", "init")
"""What languages call the method that makes an object, where it has not its type's own name."""

NOTHING: Targets = ((), False)


def family(language: str) -> str:
    """The language as one of which those count that call one another."""
    return _FAMILY.get(language, language)


def link(files: Iterable[Calls]) -> Links:
    """The callees of all functions that have some. Calls of itself are left out."""
    families: defaultdict[str, list[Calls]] = defaultdict(list)
    for file in files:
        families[family(file.language)].append(file)
    links: Links = {}
    for some in families.values():
        links |= _Family(some).links()
    return links


class _Family:
    """All functions of languages that call one another, by what a call may name them by."""

    def __init__(self, files: list[Calls]) -> None:
        self.files = {file.path: file for file in files}
        self.names = {name for file in files for name in file.bodies}
        self.named: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        self.near: dict[str, list[str]] = {}
        self.sources: dict[str, str] = {}
        self.folders: defaultdict[str, set[str]] = defaultdict(set)
        self.roots = {file.imports.get(OWN) for file in files if _folder(file.path) == "."}
        for file in files:
            folder = _folder(file.path)
            self.folders[basename(folder)].add(folder)
            for name in file.bodies:
                self._know(file.path, folder, name)

    def _know(self, path: str, folder: str, name: str) -> None:
        owner, _, bare = name.rpartition(".")
        place = intern(f"{path}::{name}")
        self.named["file", path, name].append(place)
        self.named["folder", folder, name].append(place)
        self.named["member", owner.rpartition(".")[2], bare].append(place)
        self.named["method" if owner else "repository", bare].append(place)

    def links(self) -> Links:
        found: Links = {}
        for file in self.files.values():
            self.near = {}
            own_calls: dict[str, dict[str, bool]] = {}
            for name, calls in file.bodies.items():
                own, called = f"{file.path}::{name}", dict[str, bool]()
                owner = name.rpartition(".")[0]
                for receiver, callee in calls:
                    targets, sure = self._targets(file, owner, receiver, callee)
                    for target in targets:
                        if target != own:
                            called[target] = sure or called.get(target, False)
                if called:
                    own_calls[name] = called
            if own_calls:
                found[file.path] = own_calls
        return found

    def _targets(self, file: Calls, owner: str, receiver: str, callee: str) -> Targets:
        """What its receiver or an import tells; else what its own type, its file and the reach of its language hold;
        else whatever has its name.
        """
        language = _KNOWN[file.language]
        folder = _folder(file.path)
        if receiver in language.selves:
            own = f"{owner}.{callee}"
            made = _made(file, owner) if callee in (receiver, "new") else []
            known = self._meant(("file", file.path, own), ("folder", folder, own), *made)
            return known or self._perhaps("method", name=callee)
        if (local := receiver or callee) in file.imports:
            return self._imported(file, local, callee if receiver else "")
        if receiver:
            return self._of(file, receiver, callee)
        keys: list[tuple[str, ...]] = []
        if language.implicit and owner:
            keys += [("file", file.path, f"{owner}.{callee}"), *(_made(file, owner) if callee == "new" else [])]
        keys.append(("file", file.path, callee))
        if language.reach != "file":
            keys.append(("folder", folder, callee) if language.reach == "folder" else ("repository", callee))
        known = self._meant(*keys)
        return known or self._perhaps("repository", *(["method"] if language.implicit else []), name=callee)

    def _of(self, file: Calls, receiver: str, callee: str) -> Targets:
        """What is called of a type or an object. A type that is not found is not the repository's."""
        scope = receiver.removesuffix(SCOPE)
        made = [("member", scope, maker) for maker in _MAKERS] if callee in (scope, "new") else []
        known = self._meant(("file", file.path, f"{scope}.{callee}"), ("member", scope, callee), *made)
        if not known and (callee in _KNOWN[file.language].invokes if scope == receiver else callee == scope):
            known = self._itself(file, scope)
        if known or scope != receiver or scope[0].isupper() or callee in _EVERYDAY:
            return known or NOTHING
        return self._perhaps("method", name=callee)

    def _itself(self, file: Calls, name: str) -> Targets | None:
        """The function of that name, which makes an object or is called by a method of its own."""
        if not _KNOWN[file.language].invokes:
            return None
        return self._imported(file, name) if name in file.imports else self._meant(("file", file.path, name))

    def _meant(self, *keys: tuple[str, ...]) -> Targets | None:
        """What the first key that names anything names; surely where that is one function."""
        for key in keys:
            if found := self.named.get(key):
                return _few(found, sure=len(found) == 1)
        return None

    def _perhaps(self, *kinds: str, name: str) -> Targets:
        """All that has a name."""
        return _few([place for kind in kinds for place in self.named.get((kind, name), ())], sure=False)

    def _imported(self, file: Calls, local: str, member: str = "") -> Targets:
        """What an import brings by a local name, or as a member of that: of a file named relative to this one, or of a
        folder whose path ends the import's, or else of the repository's top, where the package has the import's last
        name.
        """
        source, _, original = file.imports[local].partition(SCOPE)
        wanted = _names(original or local, member, _KNOWN[file.language].invokes)
        names = [name for name in wanted if name in self.names]
        if not names:  # most are of packages from elsewhere
            return NOTHING
        if source.startswith("."):
            if source not in self.near:
                base = normpath(join(dirname(file.path), source))
                places = (f"{stem}{ending}" for stem in (base, base.removesuffix(".js")) for ending in _ENDINGS)
                self.near[source] = [place for place in places if place in self.files]
            return self._meant(*[("file", place, name) for place in self.near[source] for name in names]) or NOTHING
        if source not in self.sources:
            self.sources[source] = self._brought(source)
        return self._meant(*[("folder", self.sources[source], name) for name in names]) or NOTHING

    def _brought(self, source: str) -> str:
        """The folder that an import means, or ""."""
        plain = MAJOR.sub("", source)
        for path in (source, plain):
            folders = [one for one in self.folders[path.rpartition("/")[2]] if f"/{path}".endswith(f"/{one}")]
            if folders:
                return max(folders, key=len)
        host, _, rest = plain.partition("/")
        return "." if "." in host and rest.rpartition("/")[2] in self.roots else ""


def _names(local: str, member: str, invokes: Collection[str]) -> list[str]:
    """What an import's source may have what is called by, the likeliest first: a local name may be a type of it, be all
    of it, or be what a member calls.
    """
    return [f"{local}.{member}", member, *([local] if member in invokes else [])] if member else [local]


def _made(file: Calls, owner: str) -> list[tuple[str, ...]]:
    """What makes an object of the type that calls."""
    return [("file", file.path, f"{owner}.{maker}") for maker in _MAKERS]


@lru_cache(1)
def _folder(path: str) -> str:
    return dirname(path) or "."


def _few(places: Collection[str], *, sure: bool) -> Targets:
    return (places, sure) if len(places) <= FEW else NOTHING
