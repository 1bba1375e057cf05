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
    """For each function's id the test files, by path, that say its name; of a method, its type's name too.

    `tests` are the marks of each test file by its path.
    """
    names = {function.id: [*map(_mark, _names(function.name))] for function in functions}
    wanted = {mark for said in names.values() for mark in said}
    by_mark: defaultdict[str, set[str]] = defaultdict(set)
    for path, said in tests.items():
        for mark in wanted.intersection(said.split(" ")):
            by_mark[mark].add(path)
    nowhere: set[str] = set()
    return {
        id_: tuple(sorted(set.intersection(*(by_mark.get(mark, nowhere) for mark in said))))
        for id_, said in names.items()
    }


def _names(name: str) -> list[str]:
    """What a test has to say: the bare name and the type around it."""
    owner, bare = ["", *name.split(".")][-2:]
    said = [owner] if owner and bare in _MAKERS | {owner} else [owner, bare]
    return [word for one in said for word in _WORD.findall(one)[:1]] or [name]
