"""What became of a repository's functions between two commits: the ground for refreshing an agent."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sera_cli.errors import ConfigError, DataError
from sera_cli.git import Checkout
from sera_cli.svg.found import Start
from sera_cli.svg.mine import inside, must_be_known, uncollected
from sera_cli.svg.pages import Page
from sera_cli.svg.reading import Pages, book
from sera_cli.types import Function

Kind = Literal["new", "changed", "gone"]


class Change(NamedTuple):
    """One function that is not as it was. `function` is as it is now; of one that is gone, as it was."""

    kind: Kind
    function: Function


class Compared(NamedTuple):
    """What changed, and how many functions are the `same`. `unread` names files that are not the same and of which a
    version cannot be read, and why: nothing is said of their functions.
    """

    changes: list[Change]
    same: int
    unread: dict[str, str]


def compare(
    then: Checkout, now: Checkout, *, focus: Sequence[str] = (), languages: Sequence[str] = (),
    memory: Path | None = None,
) -> Compared:
    """Compares two commits of a repository; at either there may be no code. `focus`, `languages` and `memory` are as in
    `mine`. Raises DataError when there is none at both, ConfigError when a focus holds none or a language is not known.
    """
    must_be_known(languages)
    with uncollected():
        pages: Pages = {}
        before, after = (book(place, languages, pages, memory)[0] for place in (then, now))
    if not pages:
        raise DataError(f"no code that can be mined at commits {then.commit[:12]} and {now.commit[:12]}", now.root)
    for place in focus:
        if not _focused(pages.values(), [place]):
            raise ConfigError(f"no code lies in {place!r}; name folders or files as paths from the repository's top")
    old = _focused([page for key, page in before.items() if key not in after], focus)
    new = _focused([page for key, page in after.items() if key not in before], focus)
    unread = {page.path: page.unreadable or f"no grammar for {page.missing}" for page in [*old, *new]
              if page.unreadable or page.missing}
    found = changes(*([page for page in some if page.path not in unread] for some in (old, new)))
    every = sum(len(page.starts) for page in _focused(after.values(), focus) if page.path not in unread)
    return Compared(found, every - sum(one.kind != "gone" for one in found), dict(sorted(unread.items())))


def changes(before: Iterable[Page], after: Iterable[Page]) -> list[Change]:
    """Every function that is new, changed or gone, in order of path and line.

    What is told apart is its text, so one that only moved within its file is not among them. One that went to another
    file or got another name is gone there and new here. Of several by one name in a file, as many changed as can be
    paired.
    """
    old, now = ({page.path: page for page in some} for some in (before, after))
    nothing = Page("")
    found: list[Change] = []
    for path in {*old, *now}:
        was, is_ = old.get(path, nothing), now.get(path, nothing)
        if was != is_:
            found += _within(was, is_)
    return sorted(found, key=lambda one: (one.function.path, one.function.line, one.kind, one.function.id))


def _within(was: Page, is_: Page) -> Iterable[Change]:
    """The changes of one file."""
    old, now = _by_name(was), _by_name(is_)
    for name in {*old, *now}:
        gone = [one for id_, one in old[name].items() if id_ not in now[name]]
        new = [one for id_, one in now[name].items() if id_ not in old[name]]
        paired = min(len(gone), len(new))
        yield from (Change("changed", is_.function(one)) for one in new[:paired])
        yield from (Change("new", is_.function(one)) for one in new[paired:])
        yield from (Change("gone", was.function(one)) for one in gone[paired:])


def _by_name(page: Page) -> defaultdict[str, dict[str, Start]]:
    """Those of each name, by id."""
    names: defaultdict[str, dict[str, Start]] = defaultdict(dict)
    for one in page.starts:
        names[one.name][one.id] = one
    return names


def _focused(pages: Collection[Page], focus: Sequence[str]) -> list[Page]:
    return [page for page in pages if inside(page, focus)]
