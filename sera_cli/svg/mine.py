"""Finds the functions of a repository that generation can start from (SERA paper, section 3.1: func_i)."""

import gc
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

from sera_cli.errors import ConfigError, DataError
from sera_cli.git import Checkout
from sera_cli.svg import graph, linking
from sera_cli.svg.found import LeftOut
from sera_cli.svg.pages import NAMES, Page
from sera_cli.svg.reading import Pages, book
from sera_cli.svg.syntax.caught import INSTALL
from sera_cli.svg.testing import mentioned
from sera_cli.types import Function, digest, seed_of

NEIGHBOURS = 20
"""How many callers and callees of a function are kept: sure ones first, in order of their names."""

HELDOUT = 5
"""Functions in a hundred that no trajectory starts from, kept for evaluation."""


@dataclass(frozen=True)
class Mined:
    """What was found: the functions kept, in order of path and line, and those `left` out.

    `skipped` counts the latter by reason. `calls` are all that are known at the commit in use, as `path::name` of who
    calls and who is called, and whether that is the one function meant as far as names tell, or one of a few that may
    be. `files` counts the files of known languages at the commit in use;
    `unreadable` names the files and submodules not looked into, `missing` counts the files of each language whose
    grammar is not installed. `read` counts the files that had to be read: those not remembered.
    """

    functions: tuple[Function, ...]
    left: tuple[LeftOut, ...]
    calls: tuple[tuple[str, str, bool], ...]
    files: int
    unreadable: tuple[tuple[str, str], ...]
    missing: dict[str, int]
    read: int

    @property
    def skipped(self) -> dict[str, int]:
        return dict(Counter(one.reason for one in self.left).most_common())


_Calls = tuple[dict[tuple[str, str], dict[str, bool]], Mapping[str, dict[str, bool]]]
"""Callees by path and name, and callers by `path::name`; each with whether it is sure."""


def mine(
    checkout: Checkout, *, seed: int, commits: Sequence[str] = (), focus: Sequence[str] = (),
    languages: Sequence[str] = (), ages: Mapping[str, int] | None = None, memory: Path | None = None,
) -> Mined:
    """Reads all code at the commit in use, or at each of `commits`, of which that is the last.

    A function that several commits hold is one, and begins at one of them that is drawn by lot; its callers are those
    it has there. `focus` keeps only what lies in these folders and files, `languages` reads no others. Which functions
    are held out depends on `seed` and their ids alone. `ages` are days by path. Files that the `memory` on disk knows
    are not read. Raises DataError when there is no code
    or no function is left, ConfigError when a focus holds none or a language is not known.
    """
    _known(languages)
    with _uncollected():
        pages: Pages = {}
        places = [at(checkout, commit) for commit in commits or (checkout.commit,)]
        read = {place.commit: book(place, languages, pages, memory) for place in places}
        books = {commit: found for commit, (found, _) in read.items()}
        if not books[checkout.commit]:
            what = f"no {' or '.join(languages)} file" if languages else "no code that can be mined"
            raise DataError(f"{what} at commit {checkout.commit[:12]}; name a repository with some", checkout.root)
        left, unreadable, missing = _left_out(checkout, pages)
        functions = _focused(_drawn(books, seed), focus)
        if not functions:
            raise DataError(_nothing_left(Counter(one.reason for one in left), unreadable, missing), checkout.root)
        calls = {commit: _calls(found.values()) for commit, found in books.items()}
        tests = mentioned({key.path: page.marks for key, page in books[checkout.commit].items()}, functions)
        heldout = _held_out(functions, seed, whole_names=len(books) > 1)
        known = (
            {"tests": tests[one.id][:NEIGHBOURS], "age": (ages or {}).get(one.path), "heldout": one.id in heldout}
            for one in functions
        )
        return Mined(
            functions=tuple(
                one.model_copy(update=more | _neighbours(one, calls[one.commit]))
                for one, more in zip(functions, known, strict=True)
            ),
            left=left,
            calls=_edges(calls[checkout.commit]),
            files=len(books[checkout.commit]),
            unreadable=unreadable,
            missing=missing,
            read=sum(count for _, count in read.values()),
        )


def at(checkout: Checkout, commit: str) -> Checkout:
    """The same repository at another of its commits."""
    return checkout.model_copy(update={"commit": commit})


def _known(languages: Sequence[str]) -> None:
    for language in languages:
        if language not in NAMES:
            raise ConfigError(f"no language {language!r} is known; those that are: {', '.join(sorted(NAMES))}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Syntax trees hold no cycles, and looking for some in them takes as long as making them."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _left_out(
    checkout: Checkout, pages: Pages
) -> tuple[tuple[LeftOut, ...], tuple[tuple[str, str], ...], dict[str, int]]:
    """The functions left out, the files not read, and how many files of each language lack a grammar."""
    left = tuple(sorted(one for page in pages.values() for one in page.left))
    unreadable = {(path, page.unreadable) for (path, *_), page in pages.items() if page.unreadable}
    missing = Counter(page.missing for page in pages.values() if page.missing)
    modules = {(path, "submodule") for path in checkout.submodules}
    return left, tuple(sorted(unreadable | modules)), dict(missing.most_common())


def _drawn(books: Mapping[str, Pages], seed: int) -> list[Function]:
    """Every function once, at one of the commits that hold it, in order of path and line."""
    holders: defaultdict[str, dict[str, Function]] = defaultdict(dict)
    for commit, pages in books.items():
        for function in chain.from_iterable(page.functions for page in pages.values()):
            holders[function.id][commit] = function
    drawn: list[Function] = []
    for id_, by_commit in holders.items():
        commit, *others = by_commit
        if others:
            commit = Random(seed_of("commit", seed, id_)).choice([commit, *others])
        drawn.append(by_commit[commit].model_copy(update={"commit": commit}))
    return sorted(drawn, key=lambda one: (one.path, one.line, one.id))


def _neighbours(function: Function, calls: _Calls) -> dict[str, object]:
    """Whom a function calls and who calls it, at its commit."""
    callees, callers = calls
    called = callees.get((function.path, function.name), {})
    return {"callers": _some(callers.get(f"{function.path}::{function.name}", {})), "callees": _some(called)}


def _calls(pages: Collection[Page]) -> _Calls:
    callees = graph.link(page.module for page in pages if page.module)
    callees |= linking.link(page.calls for page in pages if page.calls)
    callers: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for (path, name), targets in callees.items():
        caller = f"{path}::{name}"
        for target, sure in targets.items():
            callers[target][caller] = sure
    return callees, callers


def _focused(functions: list[Function], focus: Sequence[str]) -> list[Function]:
    """What lies in the folders and files of `focus`; everything where there is none."""
    places = {place.removeprefix("./").rstrip("/"): place for place in focus}
    for place, said in places.items():
        if not any(inside(one, [place]) for one in functions):
            raise ConfigError(f"no function lies in {said!r}; name folders or files as paths from the repository's top")
    return [function for function in functions if inside(function, focus)]


def inside(function: Function, focus: Sequence[str]) -> bool:
    """Whether a function lies in one of these folders and files; in none, everything does."""
    places = [place.removeprefix("./").rstrip("/") for place in focus]
    return not places or any(place in ("", ".") or f"{function.path}/".startswith(f"{place}/") for place in places)


def _edges(calls: _Calls) -> tuple[tuple[str, str, bool], ...]:
    """Who calls whom, both as `path::name`, and whether that is sure."""
    callees, _ = calls
    return tuple(sorted((f"{path}::{name}", *one) for (path, name), some in callees.items() for one in some.items()))


def _some(names: Mapping[str, bool]) -> tuple[str, ...]:
    """The first few, sure ones before others."""
    return tuple(sorted(names, key=lambda one: (not names[one], one))[:NEIGHBOURS])


def _held_out(functions: list[Function], seed: int, *, whole_names: bool) -> set[str]:
    """The ids of HELDOUT in a hundred, rounded, and of at least one of two: those with the smallest seeded digests.

    With `whole_names` every version of such a function is held out: they are alike.
    """
    count = (len(functions) * HELDOUT + 50) // 100
    wanted = max(count, 1) if len(functions) > 1 else 0
    chosen = set(sorted((function.id for function in functions), key=lambda one: digest([seed, one]))[:wanted])
    names = {(function.path, function.name) for function in functions if function.id in chosen and whole_names}
    return chosen | {function.id for function in functions if (function.path, function.name) in names}


def _nothing_left(counts: Counter[str], unreadable: Sequence[object], missing: Mapping[str, int]) -> str:
    skipped = [f"{count} {reason}" for reason, count in counts.most_common(3)]
    skipped += [f"unreadable: {len(unreadable)}"] if unreadable else []
    skipped += [f"{count} {language} files without a grammar" for language, count in missing.items()]
    why = ", ".join(skipped) or "its files define none"
    advice = f"{INSTALL}, or name" if missing else "name"
    more = "a repository, or with --at a commit, that has more code"
    return f"no function is left to start from ({why}); {advice} {more}"
