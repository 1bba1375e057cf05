"""Which tests mention a function, by the words they hold; of words only marks are kept, for they may be secrets."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256

FEW = 10
"""Words that are looked for one by one sooner than all words of a test are told apart."""

_WORD = re.compile(r"[^\W\d][\w$]*")
_MAKERS = frozenset({"__init__", "constructor", "initialize", "init", "__construct", "new"})
"""Methods that are called by the name of their type."""


def marks(content: bytes) -> str:
    """The marks of the different words of a file, with spaces between. A mark tells no secret that nobody can guess."""
    return " ".join(sorted(map(_mark, {*_WORD.findall(content.decode("utf-8", "replace"))})))


@lru_cache(1 << 17)
def _mark(word: str) -> str:
    return sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def mentioned(tests: Mapping[str, str], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The test files, by path, that say the name of a function, and of a method its type's name too, by that qualified
    name; nothing of names that none says.

    `tests` are the marks of each test file by its path.
    """
    said = {name: _said(name) for name in names}
    words = {_mark(word): word for some in said.values() for word in some}
    wanted = frozenset(words)
    places: defaultdict[str, set[str]] = defaultdict(set)
    for path, marks in tests.items():
        if len(wanted) > FEW or any(mark in marks for mark in wanted):
            for mark in wanted.intersection(marks.split(" ")):
                places[words[mark]].add(path)
    everywhere = ((name, [places.get(word) for word in some]) for name, some in said.items())
    return {name: found for name, some in everywhere if (found := _all_of(some))}


def said_by(names: Collection[str]) -> dict[str, list[str]]:
    """For each mark the names of which a test must have it to mention them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        for word in _said(name):
            found[_mark(word)].append(name)
    return dict(found)


def _all_of(places: list[set[str] | None]) -> tuple[str, ...]:
    """What lies in each of these, in order."""
    known = [some for some in places if some]
    return tuple(sorted(set.intersection(*known))) if len(known) == len(places) else ()


def _said(name: str) -> list[str]:
    """What a test has to say: the bare name and the type around it."""
    above, _, bare = name.rpartition(".")
    owner = above.rpartition(".")[2]
    said = [owner] if owner and (bare == owner or bare in _MAKERS) else [owner, bare] if owner else [bare]
    if all(map(str.isidentifier, said)):
        return said
    return [word[0] for one in said if (word := _WORD.search(one))] or [name]
