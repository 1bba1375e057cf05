"""Reads one file of whichever language: the functions in it to start from, those left out, and who calls whom."""

import marshal
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import compress, repeat
from posixpath import splitext
from re import compile as pattern
from typing import Any, NamedTuple

from sera_cli.git import TrackedFile
from sera_cli.redact import redact_all, tokens
from sera_cli.svg import graph, leaving, source, syntax
from sera_cli.svg.found import Calls, Found, Left, LeftOut, Start, cut
from sera_cli.svg.languages import BY_ENDING
from sera_cli.svg.languages.cpp import CPP
from sera_cli.svg.languages.language import Language
from sera_cli.svg.syntax.caught import installed
from sera_cli.svg.testing import marks
from sera_cli.types import Function, digest

PYTHON = (".py", ".pyi")
NAMES = frozenset({"python", *(language.name for language in BY_ENDING.values())})
"""The languages that are mined."""

LARGEST = 1_000_000
"""Bytes of a file beyond which it is data, not code to read."""

_CPP_HEADER = pattern(rb"(?m)^\s*(class|namespace|template|using)\b|\b(public|private|protected):|\w::\w")

_OBJECTIVE_C = pattern(rb"(?m)^\s*@(interface|protocol|class|end)\b")


class Page(NamedTuple):
    """What one file holds: the same at every commit that has it.

    There are as many as files, so it takes little room: who calls whom, and what is left out, of which `counts` tell
    how much by reason, stays as it is written down until it is asked for.
    """

    path: str
    language: str = ""
    starts: tuple[Start, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    out: bytes = b""
    marks: str = ""
    """Of a file that is all test, those of its words."""
    unreadable: str = ""
    missing: str = ""
    """The language whose grammar is not installed."""
    links: bytes = b""

    @property
    def functions(self) -> Iterator[Function]:
        """Those to start from, as far as their file tells."""
        return map(self.function, self.starts)

    def function(self, start: Start) -> Function:
        """One of them."""
        return Function(path=self.path, language=self.language, **start._asdict())

    @property
    def left(self) -> Iterator[LeftOut]:
        path, language = self.path, self.language
        rows = marshal.loads(self.out) if self.out else ()
        return (LeftOut(path, name, line, end_line, language, reason) for name, line, end_line, reason in rows)

    @property
    def harmless(self) -> bool:
        """Whether no secret was found in it."""
        return not any(tokens(one.signature + one.doc) for one in self.starts)


def language_of(path: str) -> str:
    """The name of a file's language, as far as its name tells; "" for what is not mined."""
    if path.endswith(PYTHON):
        return "python"
    known = BY_ENDING.get(splitext(path)[1])
    return known.name if known else ""


def among(path: str, languages: Collection[str]) -> bool:
    """Whether a file may be of one of these languages, or of any where none is named: of which one a header is, tells
    what it holds.
    """
    language = language_of(path)
    return bool(language) and (not languages or language in languages or (path.endswith(".h") and "cpp" in languages))


def unread(file: TrackedFile) -> str:
    """Why a file of any size is not read, or ""."""
    if file.symlink:
        return "symlink"
    return "" if file.utf8 else "path is not UTF-8"


def read(path: str, content: bytes, declared: str) -> Page:
    """Reads a file; `declared` is why the repository itself says that its functions are to be left out."""
    if path.endswith(PYTHON):
        return _python(path, content, declared)
    language = BY_ENDING[splitext(path)[1]]
    if path.endswith(".h") and _CPP_HEADER.search(content):
        language = CPP
    if not installed(language):
        return Page(path, missing=language.name)
    return _other(path, content, language, declared)


def modules(pages: Iterable[Page]) -> Iterator[graph.Module]:
    """What the call graph needs of the Python files among these."""
    return (graph.heard(page.links) for page in pages if page.links and page.language == "python")


def calls(pages: Iterable[Page]) -> Iterator[Calls]:
    """Who calls whom in the files of other languages among these."""
    return (Calls._make(marshal.loads(page.links)) for page in pages if page.links and page.language != "python")


def told(page: Page) -> bytes:
    """A page as bytes that only a Python of this very version is sure to read: six times as fast as JSON."""
    return marshal.dumps((*page[:2], tuple(map(tuple, page.starts)), *page[3:]))


def heard(told: bytes) -> Page:
    """The page that `told` made these bytes of. They are believed: bytes of any other origin may do harm."""
    path, language, starts, *rest = marshal.loads(told)
    return Page(path, language, tuple(map(tuple.__new__, repeat(Start), starts)), *rest)


def _python(path: str, content: bytes, declared: str) -> Page:
    parsed = source.parse(content)
    if isinstance(parsed, str):
        return Page(path, unreadable=parsed)
    reason = declared or source.file_reason(path, parsed)
    nodes = [] if reason else list(source.definitions(parsed.tree))
    module = None if reason else graph.facts(path, parsed.tree, nodes)
    branches = {node: body.branches for (node, _), body in zip(nodes, module.bodies if module else (), strict=True)}
    said = marks(content) if reason == "test" else ""
    found = _sorted(path, source.read(parsed, reason, branches))
    return Page(path, "python", *found, said, links=graph.told(module) if module else b"")


def _other(path: str, content: bytes, language: Language, declared: str) -> Page:
    reason = declared or leaving.reason(path, content, language)
    read = syntax.read(path, content, language, reason)
    if isinstance(read, str):
        return Page(path, unreadable="Objective-C" if _OBJECTIVE_C.search(content) and path.endswith(".h") else read)
    found, calls = read
    said = marks(content) if reason == "test" else ""
    return Page(path, language.name, *_sorted(path, found), said, links=b"" if reason else _links(calls))


def _links(calls: Calls) -> bytes:
    """As bytes, without imports from addresses that hold a secret: they name no file of the repository."""
    said = [f"https://{place}" if "@" in place else place for place in calls.imports.values()]
    kept = (clean == place for clean, place in zip(redact_all(said), said, strict=True))
    plain: Any = tuple(calls._replace(imports=dict(compress(calls.imports.items(), kept))))
    return marshal.dumps(plain)


def _sorted(path: str, found: Iterable[Found]) -> tuple[tuple[Start, ...], tuple[tuple[str, int], ...], bytes]:
    """What may be started from, each text once, and what is left out: how many by reason, and all as bytes."""
    kept: dict[str, Found] = {}
    out: list[Left] = []
    for one in found:
        id_ = "" if one.reason else digest([path, one.name, one.text])
        if id_ and id_ not in kept:
            kept[id_] = one
        else:
            out.append((one.name, one.line, one.end_line, one.reason or "same definition twice"))
    signatures = map(cut, redact_all(one.signature for one in kept.values()))
    docs = map(cut, redact_all(one.doc for one in kept.values()))
    starts = (
        Start(id_, one.name, one.line, one.end_line, signature, doc, one.branches)
        for (id_, one), signature, doc in zip(kept.items(), signatures, docs, strict=True)
    )
    return tuple(starts), tuple(Counter(reason for *_, reason in out).items()), marshal.dumps(out) if out else b""
