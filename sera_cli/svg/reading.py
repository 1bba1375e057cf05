"""Reads all files of known languages at a commit, each once, whatever commits have it and whoever read it before."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sera_cli import ignore
from sera_cli.git import Checkout, blobs, sizes, tracked
from sera_cli.svg import leaving, workers
from sera_cli.svg.memory import Key, recall, remember
from sera_cli.svg.pages import LARGEST, Page, among, heard, read, told, unread

Pages = dict[Key, Page]

TOO_LARGE = f"larger than {LARGEST:,} bytes"

BATCH = 250
"""Pages that are remembered at a time: what was read before a run was killed need not be read again."""


class Book(NamedTuple):
    """The `pages` of a commit, how many files were `read` for it, and whether all that was read may be remembered."""

    pages: Pages
    read: int
    harmless: bool


def book(
    checkout: Checkout, languages: Sequence[str], pages: Pages, memory: Path | None, processes: int = -1
) -> Book:
    """The files of known languages at the commit.

    What `pages` lacks is taken from the memory, if there is one, and else read; it is in `pages` afterwards. That is
    done by so many `processes` beside this one; below 0: by as many as are worth their start.
    """
    everything = tracked(checkout)
    hidden = ignore.hidden(checkout)
    declared = leaving.declared(checkout, everything) | dict.fromkeys(hidden, ignore.NAME)
    files = {
        Key(file.path, file.blob, declared.get(file.path, "")): file for file in everything
        if among(file.path, languages)
    }  # fmt: skip
    new = {key: file for key, file in files.items() if key not in pages}
    pages |= {key: Page(key.path, unreadable=reason) for key, file in new.items() if (reason := unread(file))}
    if memory:
        pages |= recall(memory, [key for key in new if key not in pages])
    held = sizes(checkout, [key.blob for key in new if key not in pages])
    todo = {key: held[key.blob] for key in new if key not in pages}
    pages |= {key: Page(key.path, unreadable=TOO_LARGE) for key, size in todo.items() if size > LARGEST}
    todo = {key: size for key, size in todo.items() if size <= LARGEST}
    count = workers.many(todo.values()) if processes < 0 else processes
    found = _by_workers(checkout, todo, count) if count else _here(checkout, todo)
    harmless = True
    while some := dict(islice(found, BATCH)):
        if memory:
            remember(memory, {key: told for key, (page, told) in some.items() if told and not page.missing})
        harmless &= all(told for _, told in some.values())
        pages |= {key: page for key, (page, _) in some.items()}
    for key in files if languages else ():
        if pages[key].language not in ("", *languages):  # a header of another language
            del pages[key]
    return Book({key: pages[key] for key in files if key in pages}, len(todo), harmless)


def _by_workers(checkout: Checkout, todo: Mapping[Key, int], count: int) -> Iterator[tuple[Key, tuple[Page, bytes]]]:
    """Each file's page, and what may be remembered of it. Files in which a secret was found are read here, where it can
    be put back.
    """
    own: list[Key] = []
    for key, answer in workers.answers(checkout, workers.chunks([*todo.items()], count), count):
        match answer:
            case Page():
                yield key, (answer, b"")
            case bytes():
                yield key, (heard(answer), answer)
            case None:
                own.append(key)
    yield from _here(checkout, own)


def _here(checkout: Checkout, keys: Collection[Key]) -> Iterator[tuple[Key, tuple[Page, bytes]]]:
    for key, content in _contents(checkout, keys):
        page = read(key.path, content, key.declared)
        yield key, (page, told(page) if page.harmless else b"")


def _contents(checkout: Checkout, keys: Iterable[Key]) -> Iterator[tuple[Key, bytes]]:
    """Each file and its bytes; what several paths share is read once."""
    holders: defaultdict[str, list[Key]] = defaultdict(list)
    for key in keys:
        holders[key.blob].append(key)
    for blob, content in blobs(checkout, holders):
        yield from ((key, content) for key in holders[blob])
