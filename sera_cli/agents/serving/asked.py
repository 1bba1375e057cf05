"""What a client asks and is told, whichever API it speaks: each API reads a body to `Asked`, and tells by a `Voice`."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message, Reply, Value

Finish = Literal["stop", "calls", "length"]
"""Why a reply ends: the turn was over, it is over but for the results of calls, or no more tokens were allowed."""

Kind = Literal["invalid", "key", "forbidden", "unknown", "large", "context", "busy", "engine"]
STATUS: dict[Kind, int] = {
    "invalid": 400, "key": 401, "forbidden": 403, "unknown": 404, "large": 413, "context": 400, "busy": 429,
    "engine": 502,
}


class Refused(Exception):
    """What a client is told instead of a reply: a sentence, and what `kind` of refusal it is.

    Of a conversation that is too long, `tokens` it has and the `context` that the agent reads.
    """

    def __init__(self, kind: Kind, sentence: str, *, tokens: int = 0, context: int = 0) -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.tokens, self.context = kind, sentence, tokens, context

    @property
    def status(self) -> int:
        return STATUS[self.kind]


class Sampling(Value):
    """How the client wants it sampled; None: as the agent does by itself."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Asked(Value):
    """A conversation in OpenAI's form, with thinking as `reasoning_content`; `tools` in OpenAI's form too.

    `told` is what the API repeats in its answer, and whatever else its Voice needs.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    sampling: Sampling = Sampling()
    stream: bool = False
    told: dict[str, Any] = Field(default_factory=dict)


def turn(asked: Asked) -> int:
    """The number of the turn that is asked for; call number `n` of it has the id `call_{turn}_{n}`."""
    return sum(message.get("role") == "assistant" for message in asked.messages)


class Ended(Value):
    """A whole reply, its usage with it. Its calls have the ids that `turn` tells of."""

    reply: Reply
    finish: Finish


class Event(NamedTuple):
    """A server-sent event: its name, "" without one, and its data as JSON, or as text."""

    name: str
    data: dict[str, Any] | str


class Voice(Protocol):
    """How one API tells one reply: as `begin`, `hear`…, `end` while it is written, or `whole` when it is.

    `fail` tells a client that is already hearing that nothing more comes. The prompt's tokens are known at `begin`.
    """

    def begin(self, prompt: int) -> Iterator[Event]: ...

    def hear(self, heard: Heard) -> Iterator[Event]: ...

    def end(self, ended: Ended) -> Iterator[Event]: ...

    def fail(self, refused: Refused) -> Iterator[Event]: ...

    def whole(self, ended: Ended) -> dict[str, Any]: ...


class Api(Protocol):
    """One wire API, a module: bodies to `Asked`, raising Refused; a Voice for a reply; the body of a refusal."""

    def read(self, body: dict[str, Any]) -> Asked: ...

    def voice(self, asked: Asked) -> Voice: ...

    def refusal(self, refused: Refused) -> dict[str, Any]: ...
