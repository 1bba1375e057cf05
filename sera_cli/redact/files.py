"""Files before and after: the texts of a repository to learn secrets from, and what was taken out of a run's files."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sera_cli import ignore
from sera_cli.git import Checkout, blobs, sizes, tracked
from sera_cli.redact import tokens

LARGEST = 200_000
"""Bytes of a file beyond which it is data."""

TOLD_APART = 8192
"""Bytes at the beginning of a file that tell text from what is none."""


def texts(checkouts: Iterable[Checkout]) -> Iterator[str]:
    """Every text that a model may come to see at these commits of a repository, once."""
    seen: set[str] = set()
    for checkout in checkouts:
        hidden = ignore.hidden(checkout)
        files = (file for file in tracked(checkout) if not file.symlink and file.path not in hidden)
        new = sorted({file.blob for file in files} - seen)
        seen.update(new)
        for _, content in blobs(checkout, [blob for blob, size in sizes(checkout, new).items() if 0 < size <= LARGEST]):
            if b"\0" not in content[:TOLD_APART]:
                yield content.decode("utf-8", "replace")


def counted(files: Iterable[Path]) -> dict[str, int]:
    """How many different secrets the texts of these files had, by kind, told by the tokens in their place."""
    found: set[str] = set()
    for path in files:
        if path.exists():
            with path.open("rb") as lines:
                found.update(*(tokens(line.decode("utf-8", "replace")) for line in lines if b"[redacted:" in line))
    return dict(sorted(Counter(token.split(":")[1] for token in found).items()))
