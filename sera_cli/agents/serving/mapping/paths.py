"""The agent's folder and the client's: the agent was trained to work in one place, wherever the client stands."""

import re
from collections.abc import Iterable
from functools import lru_cache

from sera_cli.harness.sandbox import ROOT
from sera_cli.types import Message

SAID = re.compile(r"(?:[Ww]orking directory|[Cc]urrent directory|<cwd>)\s*:?\s*(?:is\s+)?[`\"']?(/[^\s`\"'<>]*)")
"""How clients tell where they stand, in their system prompt or in the first thing that the user says."""


def folder(messages: Iterable[Message]) -> str:
    """Where the client stands; where it does not say, the agent's own folder, so that nothing is changed."""
    for message in messages:
        if message["role"] in ("system", "user") and (found := SAID.search(message["content"])):
            return found[1].rstrip("/.,;") or "/"
    return ROOT


def there(text: str, folder: str) -> str:
    """What the agent wrote, with the client's folder in the place of its own, wherever a path begins with it."""
    return _starts(ROOT).sub(folder.rstrip("/").replace("\\", r"\\"), text)


def here(text: str, folder: str) -> str:
    """What the client says, with the agent's folder in the place of the client's own."""
    return _starts(folder).sub(ROOT, text) if folder not in ("/", ROOT) else text


@lru_cache(64)  # clients name the folder: one for each would be kept
def _starts(folder: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w./~-]){re.escape(folder)}(?=[/\s:;,)\]}}\"'`|&<>]|\.\s|\.?$)")
