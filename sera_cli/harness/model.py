"""The Model seam, and the client for teachers that speak OpenAI chat completions."""

from collections.abc import Callable
from typing import Any, Protocol

from sera_cli.types import Message, Reply

OnText = Callable[[str], None]


class Model(Protocol):
    """Answers a conversation. `name` and `sampling` go into every trajectory's Policy."""

    name: str
    sampling: dict[str, Any]

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None
    ) -> Reply:
        """The next assistant message. Raises ModelError; ContextOverflow when the conversation no longer fits."""
        ...


Teacher = Callable[[int], Model]
"""Makes the Model of one rollout from its seed."""
