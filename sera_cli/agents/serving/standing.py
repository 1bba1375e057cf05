"""Which agents are served where on this machine: a file for each server that runs, gone with it; and its log."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sera_cli.harness import strays


@contextmanager
def noted(home: Path, url: str, names: Sequence[str]) -> Iterator[None]:
    """Notes for as long as it lasts that agents of these names are served at `url`, by this process."""
    place = home / "serving" / f"{os.getpid()}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    note = {"url": url, "agents": list(names), "owner": strays.mark()[strays.VARIABLE]}
    place.write_text(json.dumps(note), encoding="utf-8")
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


@contextmanager
def logged(home: Path) -> Iterator[Path]:
    """The file for an engine's log: the first of serve.log, serve-2.log and so on that no other server writes now."""
    home.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        place = home / (f"serve-{number}.log" if number > 1 else "serve.log")
        with place.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield place
            return


def where(home: Path) -> dict[str, list[str]]:
    """The addresses of each agent that is served now, by `name@version`. What a killed server left is swept."""
    found: dict[str, list[str]] = {}
    for file in sorted((home / "serving").glob("*.json")):
        try:
            note = json.loads(file.read_bytes())
            alive = strays.alive(str(note["owner"]))
            names, url = [str(name) for name in note["agents"]], str(note["url"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if not alive:
            with suppress(OSError):
                file.unlink()
            continue
        for name in names:
            found.setdefault(name, []).append(url)
    return found

