"""The one place that prints. Logs and progress go to stderr; stdout carries what a pipe wants: a table or one JSON."""

import json
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@cache
def err() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@cache
def out() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def say(text: str) -> None:
    """A line for the person who watches."""
    err().print(text)


def show(value: object) -> None:
    """What was asked for, for people: a line, a table."""
    out().print(value)


def document(value: object) -> None:
    """Exactly one JSON document on stdout."""
    out().print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
