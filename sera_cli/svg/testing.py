"""Which tests mention a function, by the words they hold; of words only marks are kept, for they may be secrets."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256

from sera_cli.svg.found import Start
from sera_cli.types import Function

_WORD = re.compile(r"[^\W\d][\w$]*")
_MAKERS = frozenset({"__init__", "constructor", "initialize", "init", "__construct", "new"})
"""Methods that are called by the name of their type."""


def marks(content: bytes) -> str:
    """The marks of the different words of a file, with spaces between. A mark tells no secret that nobody can guess."""
    return " ".join(sorted(map(_mark, {*_WORD.findall(content.decode("utf-8", "replace"))})))


@lru_cache(1 << 17)
def _mark(word: str) -> str:
    return sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def mentioned(tests: Mapping[str, str], functions: Iterable[Function | Start]) -> dict[str, tuple[str, ...]]:
    """The test files, by path, that say the name of a function, and of a method its type's name too, by its id; nothing
    of functions that none does.

    `tests` are the marks of each test file by its path.
    """
    names = {function.id: _names(function.name) for function in functions}
    words = {_mark(word): word for said in names.values() for word in said}
    wanted = frozenset(words)
    places: defaultdict[str, set[str]] = defaultdict(set)
    for path, said in tests.items():
        for mark in wanted.intersection(said.split(" ")):
            places[words[mark]].add(path)
    everywhere = ((id_, [places.get(word) for word in said]) for id_, said in names.items())
    return {id_: found for id_, some in everywhere if (found := _all_of(some))}


def _all_of(places: list[set[str] | None]) -> tuple[str, ...]:
    """What lies in each of these, in order."""
    known = [some for some in places if some]
    return tuple(sorted(set.intersection(*known))) if len(known) == len(places) else ()


def _names(name: str) -> list[str]:
    """What a test has to say: the bare name and the type around it."""
    above, _, bare = name.rpartition(".")
    owner = above.rpartition(".")[2]
    said = [owner] if owner and (bare == owner or bare in _MAKERS) else [owner, bare] if owner else [bare]
    if all(map(str.isidentifier, said)):
        return said
    return [word[0] for one in said if (word := _WORD.search(one))] or [name]
