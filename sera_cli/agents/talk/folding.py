"""A Model that reads long conversations: old outputs of tools are folded to a line before the context overflows."""

from math import inf
from typing import Any

from sera_cli.errors import ContextOverflow
from sera_cli.harness.model import Model, OnText
from sera_cli.types import Message, Reply

FULL, EASED = 0.8, 0.5
"""Shares of the context: from the one on outputs are folded, until the conversation is down to the other. Many at once:
what comes before the first folded one stays in the caches of servers.
"""

SHORT = 400
"""Characters of an output that is not worth folding."""

RECENT = 4
"""Outputs that are folded only when nothing else is left: the agent is at work with them."""

GUESS = 0.3
"""Tokens of a character, until a reply has told."""


class Folding:
    """A Model: `inner`, whose `context` (tokens; 0: nobody knows) is held. The conversation itself stays whole."""

    def __init__(self, inner: Model, context: int) -> None:
        self.name, self.sampling = inner.name, inner.sampling
        self.context = context
        self._inner = inner
        self._rate = GUESS
        self._folded: dict[int, tuple[Message, Message]] = {}

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None, until: float = inf
    ) -> Reply:
        """As Model.reply. A conversation that is too long all the same is folded as far as can be, and tried again."""
        if self.context and self.tokens(messages) > FULL * self.context:
            self._fold(messages, EASED * self.context)
        while True:
            try:
                reply = self._inner.reply(self._read(messages), tools, on_text=on_text, until=until)
                break
            except ContextOverflow:
                if not (self._fold(messages, 0) or self._fold(messages, 0, recent=0)):
                    raise
        if reply.usage.prompt and reply.usage.calls <= 1:
            self._rate = reply.usage.prompt / max(1, _size(self._read(messages)))
        return reply

    def tokens(self, messages: list[Message]) -> int:
        """About how many tokens of the context a conversation takes, as it is folded now."""
        return round(self._rate * _size(self._read(messages)))

    def count(self, messages: list[Message]) -> int:
        """How many outputs of a conversation are folded now."""
        return sum(kept is not old for kept, old in zip(self._read(messages), messages, strict=True))

    def _fold(self, messages: list[Message], wanted: float, recent: int = RECENT) -> bool:
        """Folds from the oldest on, until so many tokens are left; whether anything could be folded.

        The `recent` ones are not.
        """
        read = self._read(messages)
        outputs = [at for at, message in enumerate(messages) if message.get("role") == "tool"]
        found = False
        for at in outputs[: -recent or None]:
            if self._rate * _size(read) <= wanted:
                break
            if read[at] is messages[at] and len(str(messages[at].get("content"))) > SHORT:
                self._folded[at] = (messages[at], _line(messages[at]))
                read[at], found = self._folded[at][1], True
        return found

    def _read(self, messages: list[Message]) -> list[Message]:
        """The conversation as it is read: the same objects from one call to the next, so that clients encode them once.
        """
        kept = (self._folded.get(at, (None, message)) for at, message in enumerate(messages))
        return [folded if old is message else message
                for message, (old, folded) in zip(messages, kept, strict=True)]


def _line(message: Message) -> Message:
    text = str(message.get("content"))
    told = f"OBSERVATION:\n(This output had {text.count(chr(10))} lines and was taken out to save room. " \
        "Look again if you need it.)"
    return {**message, "content": told}


def _size(messages: list[Message]) -> int:
    """Characters of all that a model reads of them."""
    return sum(len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or "")) + 20
               for message in messages)
