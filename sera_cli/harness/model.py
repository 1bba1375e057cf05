"""The Model seam: what answers a conversation, be it a server, a student on this machine or a rule."""

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from sera_cli.types import Message, Reply

OnText = Callable[[str], None]
"""Hears a reply as it grows, piece by piece. A piece that a server tells apart as thinking is a Thought; what a model
of ours thinks stands in its text, between marks.
"""


class Thought(str):
    """A piece of a reply that the model says to itself."""

    __slots__ = ()


class Model(Protocol):
    """Answers a conversation. `name` and `sampling` go into every trajectory's Policy."""

    name: str
    sampling: dict[str, Any]

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None, until: float = inf
    ) -> Reply:
        """The next assistant message.

        Raises ModelError; ContextOverflow when the conversation no longer fits, Late when the clock (seconds, that of
        the loop) passes `until` before the answer is whole. A model that cannot stop half-way may answer late.
        """
        ...


Teacher = Callable[[int], Model]
"""Makes the Model of one rollout from its seed."""
