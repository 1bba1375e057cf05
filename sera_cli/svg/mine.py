"""Finds the functions of a repository that generation can start from (SERA paper, section 3.1: func_i)."""

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random

from sera_cli.errors import ConfigError, DataError
from sera_cli.git import Checkout
from sera_cli.svg.found import LeftOut
from sera_cli.svg.functions import Drawn, Functions
from sera_cli.svg.pages import NAMES, Page
from sera_cli.svg.reading import Book, Pages, book
from sera_cli.svg.syntax.caught import INSTALL
from sera_cli.svg.ties import Ties, ties
from sera_cli.types import Function, seed_of

HELDOUT = 5
"""Functions in a hundred that no trajectory starts from, unless told otherwise: they are kept for evaluation."""


@dataclass(frozen=True)
class Mined:
    """What was found on all `pages`: the functions kept, in order of path and line, and those `left` out.

    `skipped` counts the latter by reason. `ties` tell who calls whom; `calls` are all of these in order: who calls and
    who is called, as `path::name`, and whether that is the one function meant as far as names tell, or one of a few
    that may be. `files` counts the files of known languages at the commit in use; `unreadable` names the files and
    submodules not looked into, `missing` counts the files of each language whose grammar is not installed. `read`
    counts the files that had to be read: those not remembered.
    """

    functions: Sequence[Function]
    ties: Ties
    files: int
    unreadable: tuple[tuple[str, str], ...]
    missing: dict[str, int]
    read: int
    pages: Collection[Page] = field(compare=False, repr=False)

    @cached_property
    def left(self) -> tuple[LeftOut, ...]:
        return tuple(sorted(one for page in self.pages for one in page.left))

    @cached_property
    def skipped(self) -> dict[str, int]:
        return skipped(self.pages)

    @cached_property
    def calls(self) -> tuple[tuple[str, str, bool], ...]:
        edges = ((path, name, one) for path, own in self.ties.links.items() for name, some in own.items()
                 for one in some.items())
        return tuple(sorted((f"{path}::{name}", *one) for path, name, one in edges))


def mine(
    checkout: Checkout, *, seed: int, commits: Sequence[str] = (), focus: Sequence[str] = (),
    languages: Sequence[str] = (), ages: Mapping[str, int] | None = None, memory: Path | None = None,
    processes: int = -1, heldout: int = HELDOUT, empty: bool = False,
) -> Mined:
    """Reads all code at the commit in use, or at each of `commits`, of which that is the last.

    A function that several commits hold is one, and begins at one of them that is drawn by lot; its callers and tests
    are those it has there. `focus` keeps only what lies in these folders and files, `languages` reads no others.
    `heldout` in a hundred are held out; which, depends on `seed` and their ids alone. `ages` are days by path. Files
    that the `memory` on disk knows are not read; the others are read by so many `processes` beside this one, below 0 by
    as many as are worth it.
    Raises DataError when there is no code, or no function is left and an `empty` list of them will not do; ConfigError
    when a focus holds none or a language is not known.
    """
    must_be_known(languages)
    with uncollected():
        pages: Pages = {}
        places = [at(checkout, commit) for commit in commits or (checkout.commit,)]
        books = {place.commit: book(place, languages, pages, memory, processes) for place in places}
        now = books[checkout.commit]
        if not now.pages:
            what = f"no {' or '.join(languages)} file" if languages else "no code that can be mined"
            raise DataError(f"{what} at commit {checkout.commit[:12]}; name a repository with some", checkout.root)
        about = (str(checkout.root), *sorted(languages)) if len(books) == 1 else ()
        tied = {
            commit: ties(one.pages, memory if about else None, about, keep=one.harmless)
            for commit, one in books.items()
        }  # fmt: skip
        unreadable, missing = _unread(checkout, pages)
        drawn = _focused(_drawn(books, tied, seed), focus)
        if not drawn and not empty:
            raise DataError(_nothing_left(skipped(pages.values()), unreadable, missing), checkout.root)
        apart = _held_out(drawn, seed, heldout, whole_names=len(books) > 1)
        return Mined(
            functions=Functions(drawn, ages or {}, apart),
            ties=tied[checkout.commit],
            files=len(now.pages),
            unreadable=unreadable,
            missing=missing,
            read=sum(one.read for one in books.values()),
            pages=pages.values(),
        )


def at(checkout: Checkout, commit: str) -> Checkout:
    """The same repository at another of its commits."""
    return checkout.model_copy(update={"commit": commit})


def must_be_known(languages: Sequence[str]) -> None:
    """Raises ConfigError, with those that are, where one of the languages is not known."""
    for language in languages:
        if language not in NAMES:
            raise ConfigError(f"no language {language!r} is known; those that are: {', '.join(sorted(NAMES))}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Syntax trees hold no cycles, and looking for some in them takes as long as making them. What is there at the end
    counts as old: else the next collection, a small one, would look through all that was found.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # puts what was frozen among the oldest
        if on:
            gc.enable()


def skipped(pages: Iterable[Page]) -> dict[str, int]:
    """How many functions were left out by reason, most first."""
    found = Counter[str]()
    for page in pages:
        for reason, count in page.counts:
            found[reason] += count
    return _most_first(found)


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts that are alike stand in order of their names: files are read in no certain order."""
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _unread(checkout: Checkout, pages: Pages) -> tuple[tuple[tuple[str, str], ...], dict[str, int]]:
    """The files not read, and how many files of each language lack a grammar."""
    unreadable = {(page.path, page.unreadable) for page in pages.values() if page.unreadable}
    missing = Counter(page.missing for page in pages.values() if page.missing)
    modules = {(path, "submodule") for path in checkout.submodules}
    return tuple(sorted(unreadable | modules)), _most_first(missing)


def _drawn(books: Mapping[str, Book], tied: Mapping[str, Ties], seed: int) -> list[Drawn]:
    """Every function once, at one of the commits that hold it, in order of path and line."""
    read = ((commit, page) for commit, one in books.items() for page in one.pages.values() if page.starts)
    drawn = [
        Drawn(page, start, tie, commit)
        for commit, page in read for start, tie in zip(page.starts, tied[commit].of[page.path], strict=True)
    ]  # fmt: skip
    if len(books) > 1:
        holders: defaultdict[str, list[Drawn]] = defaultdict(list)
        for one in drawn:
            holders[one.start.id].append(one)
        drawn = [Random(seed_of("commit", seed, id_)).choice(some) for id_, some in holders.items()]
    return sorted(drawn, key=lambda one: (one.page.path, one.start.line, one.start.id))


def _focused(drawn: list[Drawn], focus: Sequence[str]) -> list[Drawn]:
    """What lies in the folders and files of `focus`; everything where there is none."""
    places = {place.removeprefix("./").rstrip("/"): place for place in focus}
    for place, said in places.items():
        if not any(inside(one, [place]) for one in drawn):
            raise ConfigError(f"no function lies in {said!r}; name folders or files as paths from the repository's top")
    return [one for one in drawn if inside(one, focus)] if focus else drawn


def inside(function: Function | Drawn | Page, focus: Sequence[str]) -> bool:
    """Whether a function or a file lies in one of these folders and files; in none, everything does."""
    places = [place.removeprefix("./").rstrip("/") for place in focus]
    return not places or any(place in ("", ".") or f"{function.path}/".startswith(f"{place}/") for place in places)


def _held_out(drawn: list[Drawn], seed: int, share: int, *, whole_names: bool) -> set[str]:
    """The ids of `share` in a hundred, rounded, and of at least one of two: those with the smallest seeded digests.

    With `whole_names` every version of such a function is held out: they are alike.
    """
    count = (len(drawn) * share + 50) // 100
    wanted = max(count, 1) if len(drawn) > 1 else 0
    chosen = set(sorted((one.start.id for one in drawn), key=_lot(seed))[:wanted])
    if not whole_names:
        return chosen
    names = {(one.path, one.name) for one in drawn if one.start.id in chosen}
    return chosen | {one.start.id for one in drawn if (one.path, one.name) in names}


def _lot(seed: int) -> Callable[[str], str]:
    """The digest of the seed and an id, as `digest` makes it, at a third of the time."""
    return lambda one: sha256(f'[{seed},"{one}"]'.encode()).hexdigest()[:12]


def _nothing_left(counts: Mapping[str, int], unreadable: Sequence[tuple[str, str]], missing: Mapping[str, int]) -> str:
    out = [f"{count} {reason}" for reason, count in [*counts.items()][:3]]
    out += [f"unreadable: {len(unreadable)}, first {': '.join(unreadable[0])}"] if unreadable else []
    out += [f"{count} {language} files without a grammar" for language, count in missing.items()]
    why = ", ".join(out) or "its files define none"
    advice = f"{INSTALL}, or name" if missing else "name"
    more = "a repository, or with --at a commit, that has more code"
    return f"no function is left to start from ({why}); {advice} {more}"
