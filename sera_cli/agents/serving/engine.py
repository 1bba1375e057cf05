"""What writes the tokens of a reply: a vLLM of our own, by its completions endpoint, or a model in this process."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, NamedTuple, Protocol

from sera_cli.agents.local import LocalModel
from sera_cli.agents.serving.asked import Refused, Sampling
from sera_cli.errors import Cancelled, Late, Unreachable
from sera_cli.harness.pace import Pace
from sera_cli.harness.vllm.engine import URL
from sera_cli.harness.vllm.engine import Engine as Vllm

PATIENCE = 120.0
"""Seconds that a request waits for an engine that is started again."""

SILENCE = 600.0
"""Seconds without a token after which an engine is given up: a long queue may stand before a request."""

AWAY = "the engine went away while it wrote; it is started again, so ask again"


class Piece(NamedTuple):
    """Text that was written, in so many tokens; `cut` with the last one where no more tokens were allowed."""

    text: str
    tokens: int
    cut: bool = False


class Prompt(NamedTuple):
    """What is to be gone on with: token ids, by which of the engine's models, up to the token that ends a turn.

    At most `room` tokens fit behind it.
    """

    ids: Sequence[int]
    model: str
    end: int
    room: int


class Engine(Protocol):
    """`write` yields pieces as they come. Closing it stops the engine's work for it; it raises Refused."""

    def write(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]: ...

    def up(self) -> bool: ...


class Remote:
    """A vLLM under way. A request that finds it away waits until it is up again, a reply that breaks off is refused."""

    def __init__(self, engine: Vllm) -> None:
        import httpcore

        self._engine = engine
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None, max_keepalive_connections=64, uds=str(engine.socket))

    def up(self) -> bool:
        return self._engine.up

    async def write(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]:
        import httpcore

        body = json.dumps(_asked(prompt, sampling)).encode()
        began, tried = False, self._engine.starts
        while True:
            try:
                async with self._answer(body) as answer:
                    async for event in _events(answer):
                        for piece in _pieces(event):
                            began = True
                            yield piece
                return
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
                if began or not await self._again(tried):
                    raise Refused("engine", AWAY) from error
                tried = self._engine.starts

    @asynccontextmanager
    async def _answer(self, body: bytes) -> AsyncIterator[Any]:
        """The engine's answer, its body still to come. Raises Refused with what the engine says where it refuses."""
        headers = [(b"content-type", b"application/json")]
        limits = {"timeout": {"connect": 5.0, "read": SILENCE, "write": SILENCE, "pool": None}}
        how: dict[str, Any] = {"headers": headers, "content": body, "extensions": limits}
        async with self._pool.stream("POST", f"{URL}/completions", **how) as answer:
            if answer.status != 200:
                raise Refused("engine", _complaint(await answer.aread()))
            yield answer

    async def _again(self, tried: int) -> bool:
        from anyio.to_thread import run_sync

        try:
            return await run_sync(self._engine.again, tried, monotonic() + PATIENCE, Pace())
        except (Unreachable, Cancelled, Late) as error:
            raise Refused("engine", str(error)) from error


class Here:
    """A model in this process, one reply at a time."""

    def __init__(self, models: dict[str, LocalModel]) -> None:
        from anyio import Lock

        self._models, self._lock = models, Lock()

    def up(self) -> bool:
        return True

    async def write(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]:
        from anyio.to_thread import run_sync

        async with self._lock:
            pieces = self._pieces(prompt, sampling)
            while (piece := await run_sync(next, pieces, None)) is not None:
                yield piece

    def _pieces(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece]:
        limit = min(prompt.room, sampling.max_tokens or prompt.room)
        whole, said, count = "", 0, 0
        model = self._models[prompt.model]
        for whole in model.grows(prompt.ids, limit, temperature=sampling.temperature or 0.0):
            count += 1
            if (stop := _stopped(whole, sampling.stop)) >= 0:
                yield Piece(whole[said:stop], 1)
                return
            certain = max(said, len(whole) - max((len(one) - 1 for one in sampling.stop), default=0))
            yield Piece(whole[said:certain], 1)
            said = certain
        yield Piece(whole[said:], 0, cut=count >= limit)


def _stopped(text: str, stops: Sequence[str]) -> int:
    """Where the first of the texts begins that end a reply; -1 without any."""
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)


def _asked(prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    """The body of a completion. Control tokens that calls are framed with come as text, the one that ends does not."""
    said = sampling.model_dump(exclude={"max_tokens", "stop"}, exclude_none=True)
    return {
        "temperature": 0.0, **said, "model": prompt.model, "prompt": list(prompt.ids),
        "max_tokens": min(prompt.room, sampling.max_tokens or prompt.room), "stop": list(sampling.stop),
        "stop_token_ids": [prompt.end], "skip_special_tokens": False, "spaces_between_special_tokens": False,
        "add_special_tokens": False, "stream": True, "return_token_ids": True,
    }  # fmt: skip


async def _events(answer: Any) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, up to its end. Raises ProtocolError where it ends before it says so.

    It is read past its last event: a connection that has nothing more to say can be used again.
    """
    import httpcore

    rest, done = b"", False
    try:
        async for chunk in answer.aiter_stream():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                done = done or line.strip() == b"data: [DONE]"
                if line.startswith(b"data: ") and not done:
                    yield json.loads(line[6:])
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        if not done:
            raise
    if not done:
        raise httpcore.RemoteProtocolError("the stream ended before the reply did")


def _pieces(event: dict[str, Any]) -> Iterator[Piece]:
    if "error" in event:
        raise Refused("engine", _complaint(json.dumps(event).encode()))
    for choice in event.get("choices") or ():
        text, tokens = choice.get("text") or "", len(choice.get("token_ids") or ())
        if text or tokens or choice.get("finish_reason"):
            yield Piece(text, tokens, choice.get("finish_reason") == "length")


def _complaint(body: bytes) -> str:
    """What the engine says of a request, in a sentence."""
    try:
        said = json.loads(body)
        said = said.get("error", said)
        text = str(said["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        text = body.decode(errors="replace")
    return f"the engine refused: {' '.join(text.split())[:300]}"
