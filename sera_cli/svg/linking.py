"""Who calls whom in languages that tree-sitter reads, by name: good enough to name neighbours, never exact.

A call is linked where its receiver, an import or the reach of a bare name leaves one function it can mean. What could
mean several gives no link, rather than a wrong one. Python, of which more can be told, has `graph`.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from posixpath import dirname, join, normpath

from sera_cli.svg.found import Calls
from sera_cli.svg.languages import LANGUAGES

_KNOWN = {language.name: language for language in LANGUAGES}
_FAMILY = {"typescript": "javascript", "cpp": "c"}
"""Languages that call one another count as one."""

_ENDINGS = ("", ".js", ".ts", ".tsx", ".jsx", ".mjs", "/index.js", "/index.ts", "/index.tsx")
"""What an import may leave out of a file's name."""

Place = tuple[str, str]
"""A path and a qualified name."""


def link(files: Iterable[Calls]) -> dict[Place, dict[str, bool]]:
    """The callees of each function that has some, as `path::name`, and whether each is sure: the one function that is
    meant, not one of a few that may be. Calls of itself are left out.
    """
    families: defaultdict[str, list[Calls]] = defaultdict(list)
    for file in files:
        families[_FAMILY.get(file.language, file.language)].append(file)
    links: dict[Place, dict[str, bool]] = {}
    for family in families.values():
        links |= _Family(family).links()
    return links


class _Family:
    """All functions of languages that call one another, by what a call may name them by."""

    def __init__(self, files: list[Calls]) -> None:
        self.files = {file.path: file for file in files}
        self.named: defaultdict[tuple[str, ...], set[Place]] = defaultdict(set)
        self.folders: defaultdict[str, set[str]] = defaultdict(set)
        for file in files:
            folder = str(PurePosixPath(file.path).parent)
            self.folders[PurePosixPath(folder).name].add(folder)
            for name in file.bodies:
                self._know(file.path, folder, name)

    def _know(self, path: str, folder: str, name: str) -> None:
        owner, _, bare = name.rpartition(".")
        self.named["file", path, name].add((path, name))
        self.named["folder", folder, name].add((path, name))
        self.named["member", owner.rpartition(".")[2], bare].add((path, name))
        if not owner:
            self.named["repository", name].add((path, name))

    def links(self) -> dict[Place, dict[str, bool]]:
        found: dict[Place, dict[str, bool]] = {}
        for file in self.files.values():
            for name, calls in file.bodies.items():
                targets = {self._target(file, name, *call) for call in calls}
                targets -= {"", f"{file.path}::{name}"}
                if targets:
                    found[file.path, name] = dict.fromkeys(targets, True)
        return found

    def _target(self, file: Calls, name: str, receiver: str, callee: str) -> str:
        """The one function that a call can mean, as `path::name`, or ""."""
        language = _KNOWN[file.language]
        owner = name.rpartition(".")[0]
        folder = str(PurePosixPath(file.path).parent)
        if receiver in language.selves:
            return self._one(("file", file.path, f"{owner}.{callee}"), ("folder", folder, f"{owner}.{callee}"))
        if receiver in file.imports:
            return self._imported(file, file.imports[receiver], callee)
        if receiver:
            return self._one(("file", file.path, f"{receiver}.{callee}"), ("member", receiver, callee))
        if callee in file.imports:
            return self._imported(file, file.imports[callee], callee)
        own = [("file", file.path, f"{owner}.{callee}")] if language.implicit and owner else []
        beyond = {"file": (), "folder": (("folder", folder, callee),), "repository": (("repository", callee),)}
        return self._one(*own, ("file", file.path, callee), *beyond[language.reach])

    def _one(self, *keys: tuple[str, ...]) -> str:
        """What the first key that names anything names, where that is one function."""
        for key in keys:
            if found := self.named.get(key):
                path, name = next(iter(found))
                return f"{path}::{name}" if len(found) == 1 else ""
        return ""

    def _imported(self, file: Calls, source: str, callee: str) -> str:
        """What an import brings: of a file named relative to this one, or of a folder whose path ends the import's."""
        if source.startswith("."):
            base = normpath(join(dirname(file.path), source))
            places = [f"{stem}{ending}" for stem in (base, base.removesuffix(".js")) for ending in _ENDINGS]
            return self._one(*(("file", place, callee) for place in places if place in self.files))
        folders = [one for one in self.folders[source.rpartition("/")[2]] if f"/{source}".endswith(f"/{one}")]
        return self._one(("folder", max(folders, key=len), callee)) if folders else ""
