"""What ties the functions of a repository together: who calls whom, and which tests mention them.

All of it is told from all pages. After a change of a few files, what they cannot matter to is taken from what was told
of the repository before.
"""

import marshal
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from sera_cli.svg import linking, meaning, reach
from sera_cli.svg.meaning import Links
from sera_cli.svg.memory import Key, note, noted, recall
from sera_cli.svg.pages import Page, calls, modules
from sera_cli.svg.testing import mentioned, said_by

NEIGHBOURS = 20
"""How many callers, callees and tests of a function are kept: sure ones first, in order of their names."""

MANY = 50
"""Changed files beyond which all is told anew: it costs no more."""

Tie = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Of one function: who calls it and whom it calls, as `path::name`, and the test files that mention it."""

ALONE: Tie = ((), (), ())

Files = Mapping[Key, Page]


@dataclass(frozen=True)
class Ties:
    """`of` has a tie for each function to start from of a file, in order, by the path of each file that could be read;
    `links` is all who call whom.
    """

    of: Mapping[str, Sequence[Tie]]
    told: Links | bytes = field(compare=False, repr=False)

    @cached_property
    def links(self) -> Links:
        links: Links = marshal.loads(self.told) if isinstance(self.told, bytes) else self.told
        return links


class _Kept(NamedTuple):
    """What is kept of a repository: its `files`, what is told of them, and as bytes, for they are not always asked for,
    all who call whom, the `words` of its calls, and the names that a mark in a test may mention.
    """

    files: Mapping[str, tuple[str, str]]
    of: Mapping[str, Sequence[Tie]]
    links: bytes
    words: bytes
    names: bytes


def ties(files: Files, memory: Path | None = None, about: Sequence[str] = (), *, keep: bool = True) -> Ties:
    """The ties of all functions on the pages of a commit. A file that could not be read is as if it were not there.

    With a `memory`, what was kept there `about` the repository is of use, and what is told anew is kept if it may be.
    """
    files = {key: page for key, page in files.items() if page.language}
    pages = {key.path: page for key, page in files.items()}
    told = noted(memory, about) if memory else b""
    if memory and told and (found := _again(_Kept._make(marshal.loads(told)), files, pages, memory)):
        return found
    heard = [*modules(pages.values())]
    links = meaning.link(heard)
    words = _bytes(tuple(reach.index(heard))) if memory and keep else b""
    del heard  # takes as much room as what comes now
    found = _all(pages, links | linking.link(calls(pages.values())))
    if memory and keep:
        names = said_by(_names(pages.values()))
        note(memory, about, _bytes((_facts(files), found.of, _bytes(found.links), words, _bytes(names))))
    return found


def _bytes(plain: Any) -> bytes:
    return marshal.dumps(plain)


def _all(pages: Mapping[str, Page], links: Links) -> Ties:
    callers = _callers(links)
    tests = _tests(pages, _names(pages.values()))
    of: dict[str, list[Tie]] = {}
    for path, page in pages.items():
        own = links.get(path, {})
        of[path] = [
            (_some(callers.get(f"{path}::{one.name}")), _some(own.get(one.name)), tests.get(one.name, ()))
            for one in page.starts
        ]
    return Ties(of, links)


def _again(kept: _Kept, files: Files, pages: Mapping[str, Page], memory: Path) -> Ties | None:
    """The same, where only what a few changed files can matter to is told anew; None where that cannot be known."""
    facts = _facts(files)
    if facts.keys() != kept.files.keys():
        return None
    changed = [path for path, one in facts.items() if one != kept.files[path]]
    if not changed:
        return Ties(kept.of, kept.links)
    if len(changed) > MANY:
        return None
    keys = [Key(path, *kept.files[path]) for path in changed]
    before = {key.path: page for key, page in recall(memory, keys).items()}
    if before.keys() != {*changed} or any(_kind(before[path]) != _kind(pages[path]) for path in changed):
        return None
    fresh = _fresh(kept, pages, before)
    return None if fresh is None else _renewed(kept, pages, before, fresh)


def _fresh(kept: _Kept, pages: Mapping[str, Page], before: Mapping[str, Page]) -> Links | None:
    """Who is called now in each file where that may not be as it was; None where nobody can tell which these are."""
    families = {linking.family(page.language) for page in before.values() if page.links}
    others = [page for page in pages.values() if linking.family(page.language) in families - {"python"}]
    fresh: Links = {page.path: {} for page in others} | linking.link(calls(others))
    if "python" not in families:
        return fresh
    words = reach.Index._make(marshal.loads(kept.words))
    then = {module.path: module for module in modules(before.values())}
    now = {module.path: module for module in modules(pages[path] for path in then)}
    reached = reach.reach(words, then, now)
    if reached is None:
        return None
    paths = meaning.places(path for path, page in pages.items() if page.links and page.language == "python")
    found = meaning.relink(reached, paths, lambda path: next(modules([pages[path]])), reach.moved(words, then, now))
    return fresh | {path: found.get(path, {}) for path in reached}


def _renewed(kept: _Kept, pages: Mapping[str, Page], before: Mapping[str, Page], fresh: Links) -> Ties:
    """What was kept, with what is `fresh` in its place."""
    links: Links = marshal.loads(kept.links)
    news = _changed(links, fresh) | {f"{path}::{one.name}" for path in before for one in pages[path].starts}
    links |= fresh
    callers = _callers(links, news)
    said = _said(kept, pages, before)
    names = said.union(*(_names([pages[path]]) - _names([page]) for path, page in before.items()))
    tests = _tests(pages, names)
    of = dict(kept.of)
    for path in {*before, *fresh, *_concerned(pages, news, said)}:
        old = dict(zip((one.name for one in before.get(path, pages[path]).starts), kept.of[path], strict=True))
        own: list[Tie] = []
        for name in (one.name for one in pages[path].starts):
            was = old.get(name, ALONE)
            calling = _some(callers.get(place)) if (place := f"{path}::{name}") in news else was[0]
            called = _some(fresh[path].get(name)) if path in fresh else was[1]
            own.append((calling, called, tests.get(name, ()) if name in names else was[2]))
        of[path] = own
    return Ties(of, links)


def _changed(links: Links, fresh: Links) -> set[str]:
    """Who is called by others than before, as `path::name`."""
    found: set[str] = set()
    for path, some in fresh.items():
        old = links.get(path, {})
        for name in old.keys() | some.keys():
            found.update(target for target, _ in old.get(name, {}).items() ^ some.get(name, {}).items())
    return found


def _callers(links: Links, wanted: Set[str] | None = None) -> dict[str, dict[str, bool]]:
    """Who calls each function, as `path::name`, and whether surely; where only some are `wanted`, not all of others."""
    callers: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for path, some in links.items():
        for name, targets in some.items():
            if wanted is None or not wanted.isdisjoint(targets):
                caller = intern(f"{path}::{name}")
                for target, sure in targets.items():
                    callers[target][caller] = sure
    return callers


def _concerned(pages: Mapping[str, Page], called: Iterable[str], said: Container[str]) -> set[str]:
    """The files with functions that others call than before, or whose names other tests may mention."""
    found = {path for path, page in pages.items() if any(one.name in said for one in page.starts)} if said else set()
    return found.union(*(_holders(place, pages) for place in called))


def _holders(place: str, paths: Container[str]) -> Iterator[str]:
    """The file that a `path::name` is in; any of several, should paths hold colons."""
    end = place.find("::")
    while end >= 0:
        if place[:end] in paths:
            yield place[:end]
        end = place.find("::", end + 1)


def _said(kept: _Kept, pages: Mapping[str, Page], before: Mapping[str, Page]) -> set[str]:
    """The names, of those known before, that other tests may mention now."""
    marks = [(page.marks, pages[path].marks) for path, page in before.items()]
    moved = {mark for then, now in marks if then != now for mark in {*then.split(" ")} ^ {*now.split(" ")}}
    known = marshal.loads(kept.names) if moved else {}
    return set[str]().union(*(known.get(mark, ()) for mark in moved))


def _tests(pages: Mapping[str, Page], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    found = mentioned({path: page.marks for path, page in pages.items() if page.marks}, names)
    return {name: some[:NEIGHBOURS] for name, some in found.items()}


def _names(pages: Iterable[Page]) -> set[str]:
    return {one.name for page in pages for one in page.starts}


def _some(names: Mapping[str, bool] | None) -> tuple[str, ...]:
    """The first few, sure ones before others."""
    if not names or len(names) == 1:
        return tuple(names or ())
    return tuple(sorted(names, key=lambda one: (not names[one], one))[:NEIGHBOURS])


def _kind(page: Page) -> tuple[str, bool]:
    """What a change must leave as it is: it decides with which files a file is linked, if with any."""
    return linking.family(page.language), bool(page.links)


def _facts(files: Files) -> dict[str, tuple[str, str]]:
    """What decides what is told of files."""
    return {key.path: (key.blob, key.declared) for key in files}
