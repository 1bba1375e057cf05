"""The texts whose manner a synthetic issue takes: the repository's own past, issues that the user names, or ours.

Texts of a benchmark do not belong here when the agent is to be scored on that benchmark.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sera_cli import templates
from sera_cli.errors import DataError
from sera_cli.redact import redact
from sera_cli.wording import plain, robot

MOST = 500
"""Texts to draw from; as many as the SERA paper's generator has."""

FEW = 12
"""Texts of the repository's own below which ours are added."""

SHORTEST, LONGEST = 12, 600
"""Words of a text that says enough to have a manner, and not so much that it is a document."""

_REMARK = re.compile(r"<!--.*?-->", re.DOTALL)


def demonstrations(path: Path | None, past: Iterable[str] = ()) -> tuple[str, ...]:
    """The user's own file: a .toml of `[[issue]]` tables, or issues as GitHub's API gives them, one JSON a line.

    Without one, what the messages of the `past` (newest first) have to say, and ours beside it where that is little.
    Raises DataError for a file that holds none.
    """
    if path is None:
        own = tuple(written(past))
        return own if len(own) >= FEW else own + shipped()
    texts = tuple(_tables(path) if path.suffix == ".toml" else issues(path))
    if not texts:
        raise DataError("holds no issue with a text", path)
    return tuple(map(redact, texts))


def shipped() -> tuple[str, ...]:
    """Reports from made-up projects."""
    return tuple(issue["text"] for issue in templates.table("demonstrations.toml")["issue"])


def written(messages: Iterable[str]) -> Iterator[str]:
    """Of commit and merge messages, those in which a person explained something, without what git and robots add.

    Each text once, at most MOST of them, secrets taken out.
    """
    seen: set[str] = set()
    for message in messages:
        text = told(message)
        if text and text not in seen:
            seen.add(text)
            yield redact(text)
        if len(seen) == MOST:
            return


def told(message: str) -> str:
    """What a message tells: its title and its prose; empty when that is too little, too much, or a robot's."""
    if robot(message):
        return ""
    title, body = plain(message)
    prose = [line for line in body.splitlines() if line and not line.startswith(("* ", "- ", "    ", "#", ">"))]
    enough = len(" ".join(prose).split()) >= SHORTEST and len(f"{title} {body}".split()) <= LONGEST
    return f"{title}\n\n{body}" if enough else ""


def issues(path: Path) -> Iterator[str]:
    """Title and body of each issue in a JSONL file, where a line may be a page of them. Pull requests are left out."""
    for issue in threads(path):
        text = issue_text(issue)
        if len(text.split()) >= SHORTEST and len(text.split()) <= LONGEST:
            yield text


def threads(path: Path) -> Iterator[dict[str, Any]]:
    """Each issue and pull request in a JSONL file, as GitHub's API gives it. Raises DataError."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path) from error
    for number, line in enumerate(lines, 1):
        yield from _page(line, path, number) if line.strip() else ()


def issue_text(issue: dict[str, Any]) -> str:
    """An issue's title and body without the remarks of its form; empty for a pull request."""
    title, body = issue.get("title"), issue.get("body")
    if issue.get("pull_request") or not isinstance(title, str):
        return ""
    plain = _REMARK.sub("", body.replace("\r\n", "\n")) if isinstance(body, str) else ""
    return f"{title.strip()}\n\n{plain.strip()}".strip()


def _page(line: str, path: Path, number: int) -> list[dict[str, Any]]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise DataError("not JSON; one issue a line, as GitHub's API gives it", path, number) from error
    page = found if isinstance(found, list) else [found]
    if not all(isinstance(issue, dict) and "title" in issue for issue in page):
        raise DataError("not an issue: it has no title", path, number)
    return page


def _tables(path: Path) -> tuple[str, ...]:
    try:
        texts = tuple(issue["text"] for issue in tomllib.loads(path.read_text(encoding="utf-8"))["issue"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"cannot be read as a TOML file of [[issue]] tables, each with a text ({error})"
        raise DataError(text, path) from error
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError("holds an [[issue]] without a text", path)
    return texts
