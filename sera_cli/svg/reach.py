"""Which Python files a change of some others can matter to for who calls whom: told by words, and never too few.

A name of a changed file is found by calls that say it, or say what an import makes of it, or a class that inherits from
one of its own. What files other than those changed inherit from it may reach anything: then nothing is told.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from sera_cli.svg.graph import Import, Module
from sera_cli.svg.meaning import methods


class Index(NamedTuple):
    """What all files of a repository say: `calls` the files by each word of their calls, `bases` by each word of what
    their classes inherit from, `renamed` what imports take under another name, with that; `methods` as `link` needs.
    """

    calls: Mapping[str, Sequence[str]]
    bases: Mapping[str, Sequence[str]]
    renamed: Sequence[tuple[str, str]]
    methods: Mapping[str, Sequence[str]]


def index(modules: Sequence[Module]) -> Index:
    """Where which words stand."""
    calls: defaultdict[str, list[str]] = defaultdict(list)
    bases: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules:
        for word in {word for body in module.bodies for one in body.calls for word in one}:
            calls[word].append(module.path)
        for word in {word for some in module.classes.values() for one in some for word in one}:
            bases[word].append(module.path)
    renamed = {pair for module in modules for pair in _renamed(module)}
    return Index(dict(calls), dict(bases), sorted(renamed), dict(methods(modules)))


def reach(known: Index, before: Mapping[str, Module], after: Mapping[str, Module]) -> set[str] | None:
    """The files whose calls may mean something else when `before` became `after`, modules by path: those themselves,
    and whoever says one of the words that changed. None where that cannot be told by words.
    """
    own = [*before.values(), *after.values()]
    words = {word for path, module in after.items() for word in _changed(before[path], module)}
    pairs = [*known.renamed, *(pair for module in own for pair in _renamed(module))]
    heirs = [(name, word) for module in own for name, some in module.classes.items() for one in some for word in one]
    pairs += [(word, name.rpartition(".")[2]) for name, word in heirs]
    while more := {new for old, new in pairs if old in words} - words:
        words |= more
    if "*" in words or any(not after.keys() >= {*known.bases.get(word, ())} for word in words):
        return None
    return {*after, *(path for word in words for path in known.calls.get(word, ()))}


def moved(known: Index, before: Mapping[str, Module], after: Mapping[str, Module]) -> dict[str, Sequence[str]]:
    """The methods by name, as `link` needs them, with those of the files as they are now."""
    then, now = methods(before.values()), methods(after.values())
    named = dict(known.methods)
    for name in then.keys() | now.keys():
        gone = Counter(then.get(name, ()))
        named[name] = [*(Counter(known.methods.get(name, ())) - gone).elements(), *now.get(name, ())]
    return named


def _changed(before: Module, after: Module) -> Iterator[str]:
    """The words by which others name what is not as it was."""
    then, now = (Counter((one.name, one.attribute) for one in module.bodies if one.owner) for module in (before, after))
    other = _differing(before.names, after.names) | _differing(before.classes, after.classes)
    for name in chain(other, before.values ^ after.values, (name for name, _ in chain(then - now, now - then))):
        owner, _, word = name.rpartition(".")
        yield word
        if word == "__init__":  # a class is called by its own name
            yield owner.rpartition(".")[2]


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _renamed(module: Module) -> Iterator[tuple[str, str]]:
    """What its imports take under another name."""
    top = ((name, one) for name, some in module.names.items() for one in some if isinstance(one, Import))
    inner = (pair for body in module.bodies for pair in body.imports.items())
    for name, one in chain(top, inner):
        word = name.rpartition(".")[2]
        if one.name and one.name != word:
            yield one.name, word
