"""The words of the rehearsal teacher, from templates/rehearsal.toml: what it says, and what words tell it."""

import re
from functools import cache
from random import Random
from typing import Any

from sera_cli import templates


@cache
def words() -> dict[str, Any]:
    return templates.table("rehearsal.toml")


def say(topic: str, what: str, dice: Random, **names: object) -> str:
    """One of the sentences for `what`, with the names filled in."""
    told = words()[topic][what]
    return str(told if isinstance(told, str) else dice.choice(told)).format(**names)


def about(kind: str, part: str, dice: Random, **names: object) -> str:
    """One of the sentences that go with a kind of edit: `thought`, `title`, `symptom` or `repro`."""
    told = words()["kinds"][kind][part]
    return str(told if isinstance(told, str) else dice.choice(told)).format(**names)


def hints(report: str) -> set[str]:
    """The kinds of edit that the words of a report point to."""
    return {kind for kind, clue in _patterns("clue") if clue.search(report)}


def recognise(added: list[str], removed: list[str]) -> tuple[str, dict[str, str]]:
    """What kind of edit a patch is, and the names in it; ("", {}) for one that is like none of them."""
    fresh, gone = dict(_patterns("added")), dict(_patterns("removed"))
    for kind in words()["kinds"]:
        new = next((found for row in added if (found := fresh[kind].search(row))), None) if kind in fresh else None
        old = next((found for row in removed if (found := gone[kind].search(row))), None) if kind in gone else None
        if (kind not in fresh or new) and (kind not in gone or old):
            return kind, {name: value for name, value in (new.groupdict() if new else {}).items() if value}
    return "", {}


@cache
def _patterns(field: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    flags = re.IGNORECASE if field == "clue" else re.NOFLAG
    kinds = words()["kinds"].items()
    return tuple((kind, re.compile(told[field], flags)) for kind, told in kinds if field in told)
