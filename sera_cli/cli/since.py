"""`sera mine --since-commit`, `--since-agent`: which functions are new, changed or gone since then."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sera_cli.cli.job import Job
from sera_cli.console import document, exactly, say, show, table
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.git import Checkout
    from sera_cli.svg.changes import Change

ROWS = 40
"""Rows of the table; of what is more, only the count is told."""

KEYS = ("path", "name", "line", "end_line", "language", "id", "signature")


def learnt_from(agent: str) -> str:
    """The commit that an agent was made from. Raises ConfigError, naming what is near, where there is no such agent."""
    from sera_cli.agents.registry import find
    from sera_cli.config import home

    return find(home("data"), agent).commit


def since(job: Job, rev: str, *, lines: bool) -> None:
    """Tells what changed, as a table, as a function a `line`, or as one document."""
    from sera_cli.cli.mine import memory, named
    from sera_cli.svg.changes import compare

    chosen, then = job.generation, _at(job, rev)
    found = compare(
        then, job.checkout, focus=chosen["focus"], languages=chosen.get("languages", ()), memory=memory(job.asked))
    counts = {kind: sum(one.kind == kind for one in found.changes) for kind in ("new", "changed", "gone")}
    counts["same"] = found.same
    rows = map(_row, found.changes)
    if lines:
        exactly("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif job.asked.json:
        commits = {"since": then.commit, "commit": job.checkout.commit}
        document(commits | counts | {"not_read": found.unread, "functions": [*rows]})
    else:
        _tell(found.changes, counts, then.commit)
    if found.unread and not job.asked.json:
        some = named([*found.unread.items()])
        say(f"Not compared, because a version of them cannot be read: {some}.", prose=True)


def _at(job: Job, rev: str) -> "Checkout":
    from sera_cli.git import open_repository

    try:
        return open_repository(job.checkout.root, rev)
    except ConfigError as error:
        raise ConfigError(f"{job.checkout.root} has no commit {rev!r} to compare with; fetch it first") from error


def _row(change: "Change") -> dict[str, Any]:
    told = change.function.model_dump(include=set(KEYS))
    return {"change": change.kind} | {key: told[key] for key in KEYS}


def _tell(found: "list[Change]", counts: dict[str, int], then: str) -> None:
    if found:
        show(table(("since then", "file", "line", "function"), map(_shown, found[:ROWS])))
        show("")
    more = _more(found[ROWS:])
    told = "{new:,} new, {changed:,} changed, {gone:,} gone, {same:,} the same".format(**counts)
    say(f"Functions since {then[:12]}: {told}.{more}", prose=True)


def _shown(change: "Change") -> tuple[object, ...]:
    return change.kind, change.function.path, change.function.line, change.function.name


def _more(rest: "Iterable[Change]") -> str:
    counts = Counter(change.kind for change in rest)
    left = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f" Not shown: {left}; --jsonl tells them all." if left else ""
