"""Finds the functions of a repository that generation can start from (SERA paper, section 3.1: func_i)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sera_cli.errors import DataError
from sera_cli.git import Checkout, TrackedFile, blobs, tracked
from sera_cli.svg import graph, source
from sera_cli.types import Function, Value, digest

LARGEST = 1_000_000
"""Bytes of a Python file beyond which it is data, not code to read."""

NEIGHBOURS = 20
"""How many callers and callees of a function are kept, in order of their names."""

HELDOUT = 5
"""Functions in a hundred that no trajectory starts from, kept for evaluation."""


class Mined(Value):
    """What was found: the functions kept, in order of path and line, and how many others were skipped, by reason.

    `files` counts the Python files at the commit; `unreadable` names those of them, and submodules, not looked into.
    """

    functions: tuple[Function, ...]
    skipped: dict[str, int]
    files: int
    unreadable: tuple[tuple[str, str], ...]


class _Gathered(NamedTuple):
    functions: list[Function]
    modules: list[graph.Module]
    skipped: Counter[str]
    unreadable: list[tuple[str, str]]


def mine(checkout: Checkout, *, seed: int) -> Mined:
    """Reads all Python at the commit. Which functions are held out depends on `seed` and their ids alone.

    Raises DataError when there is no Python, or no function is left.
    """
    files = [file for file in tracked(checkout) if file.path.endswith((".py", ".pyi"))]
    if not files:
        raise DataError(f"no Python file at commit {checkout.commit[:12]}; name a repository with some", checkout.root)
    gathered = _Gathered([], [], Counter(), [(path, "submodule") for path in checkout.submodules])
    readable = [file for file in files if _readable(file, gathered)]
    for path, content in _contents(checkout, readable):
        _read(path, content, gathered)
    if not gathered.functions:
        raise DataError(_nothing_left(gathered), checkout.root)
    linked = _linked(gathered.functions, graph.link(gathered.modules))
    return Mined(
        functions=_held_out(linked, seed),
        skipped=dict(gathered.skipped.most_common()),
        files=len(files),
        unreadable=tuple(sorted(gathered.unreadable)),
    )


def _readable(file: TrackedFile, gathered: _Gathered) -> bool:
    reason = (
        "symlink"
        if file.symlink
        else "path is not UTF-8"
        if not file.utf8
        else f"larger than {LARGEST:,} bytes"
        if file.size > LARGEST
        else ""
    )
    if reason:
        gathered.unreadable.append((file.path, reason))
    return not reason


def _contents(checkout: Checkout, files: Iterable[TrackedFile]) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file; what several paths share is read once."""
    paths: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        paths[file.blob].append(file.path)
    for blob, content in blobs(checkout, paths):
        yield from ((path, content) for path in paths[blob])


def _read(path: str, content: bytes, gathered: _Gathered) -> None:
    parsed = source.parse(content)
    if isinstance(parsed, str):
        gathered.unreadable.append((path, parsed))
        return
    reason = source.file_reason(path, parsed)
    seen: set[str] = set()
    for found in source.functions(parsed.tree, reason):
        if found.reason:
            gathered.skipped[found.reason] += 1
            continue
        made = _function(path, found, parsed)
        if made.id in seen:
            gathered.skipped["same definition twice"] += 1
            continue
        seen.add(made.id)
        gathered.functions.append(made)
    if not reason:
        gathered.modules.append(graph.facts(path, parsed.tree, source.definitions(parsed.tree)))


def _function(path: str, found: source.Found, parsed: source.Source) -> Function:
    node = found.node
    return Function(
        id=digest([path, found.name, parsed.text(node)]),
        path=path,
        name=found.name,
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        signature=source.signature(node),
        doc=source.doc(node),
    )


def _linked(functions: list[Function], callees: dict[tuple[str, str], set[str]]) -> list[Function]:
    callers: defaultdict[str, set[str]] = defaultdict(set)
    for (path, name), targets in callees.items():
        for target in targets:
            callers[target].add(f"{path}::{name}")
    return [
        function.model_copy(
            update={
                "callers": _some(callers.get(f"{function.path}::{function.name}", set())),
                "callees": _some(callees.get((function.path, function.name), set())),
            }
        )
        for function in sorted(functions, key=lambda function: (function.path, function.line))
    ]


def _some(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names)[:NEIGHBOURS])


def _held_out(functions: list[Function], seed: int) -> tuple[Function, ...]:
    """Marks HELDOUT in a hundred, rounded, and at least one of two. Of the ids, the smallest seeded digests."""
    count = (len(functions) * HELDOUT + 50) // 100
    wanted = max(count, 1) if len(functions) > 1 else 0
    chosen = set(sorted((function.id for function in functions), key=lambda one: digest([seed, one]))[:wanted])
    return tuple(function.model_copy(update={"heldout": function.id in chosen}) for function in functions)


def _nothing_left(gathered: _Gathered) -> str:
    skipped = [f"{count} {reason}" for reason, count in gathered.skipped.most_common(3)]
    unread = [f"unreadable: {len(gathered.unreadable)}"] if gathered.unreadable else []
    why = ", ".join([*skipped, *unread]) or "its Python files define none"
    return f"no function is left to start from ({why}); name a repository, or with --at a commit, that has more code"
