"""`sera` with a scripted agent in place of weights: `python -m tests.chatting ARGUMENTS`, lines in $CHATTING as JSON.

A line is a text that is said, a list of a tool's name and arguments, or a number of seconds to think.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from time import sleep
from typing import Any

from sera_cli import __main__ as door
from sera_cli.cli.talk import commands
from sera_cli.cli.talk.answering import Setting, Who
from sera_cli.harness import wire
from sera_cli.harness.model import OnText
from sera_cli.types import Message, Reply
from tests.scripted import calls, says


class Streaming:
    """A Model that writes as a student does, a few characters at a time: line after line, the last for ever."""

    name = "scripted"

    def __init__(self, lines: list[Any]) -> None:
        self.sampling: dict[str, Any] = {}
        self._lines = lines

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None, until: float = inf
    ) -> Reply:
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        if isinstance(line, int | float):
            sleep(line)
            return self.reply(messages, tools, on_text=on_text, until=until)
        turn = sum(message["role"] == "assistant" for message in messages)
        text = written(line)
        for at in range(0, len(text), 5):
            if on_text:
                on_text(text[at : at + 5])
        return wire.parse(text, turn=turn, tools=tools)


def written(line: Any) -> str:
    """A line as the student writes it; text before a tab is thought."""
    if isinstance(line, str):
        thought, tab, said = line.rpartition("\t")
        message = says(said).message | ({"reasoning_content": thought} if tab else {})
    else:
        message = calls(line[0], **line[1]).message
    return wire.render(message)


@contextmanager
def answering(name: str, setting: Setting, *, context: int = 0) -> Iterator[Who]:
    yield Who(name or "scripted", Streaming(json.loads(os.environ["CHATTING"])), context, wire.DEFAULT)


if __name__ == "__main__":
    commands.answering = answering  # type: ignore[assignment]
    door.main(sys.argv[1:])
