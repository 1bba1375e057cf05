"""A vLLM as the server hears it: piece by piece, over a connection that is used again, and broken off or refusing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

import pytest

from sera_cli.agents.serving.asked import Refused, Sampling
from sera_cli.agents.serving.engine import AWAY, Piece, Prompt, Remote

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = (
    b'data: {"choices": [{"text": "H\\u00e9", "token_ids": [1, 2], "finish_reason": null}]}\n\n',
    b'data: {"choices": [{"text": "", "token_ids": [], "finish_reason": "length"}]}\n\ndata: [DONE]\n\n',
)
PROMPT = Prompt((1, 2, 3), "shop@1", 0, 10)


def chunk(said: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(said), said)


WHOLE = HEAD + b"".join(map(chunk, EVENTS)) + b"0\r\n\r\n"


@dataclass
class Played:
    """Answers each request with `answers`, and hangs up where one breaks off."""

    answers: bytes
    breaks: bool = False
    up: bool = True
    starts: int = 1
    socket: str = ""
    connections: int = 0
    asked: list[bytes] = field(default_factory=list)

    def again(self, *_: object) -> bool:
        return False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while not reader.at_eof():
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            except asyncio.IncompleteReadError:
                break
            self.asked.append(await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0])))
            writer.write(self.answers)
            await writer.drain()
            if self.breaks:
                break
        writer.close()


@asynccontextmanager
async def standing(engine: Played) -> AsyncIterator[Remote]:
    with TemporaryDirectory() as folder:
        engine.socket = f"{folder}/socket"
        async with await asyncio.start_unix_server(engine.talk, engine.socket):
            yield Remote(engine)  # type: ignore[arg-type]


async def written(remote: Remote) -> list[Piece]:
    return [piece async for piece in remote.write(PROMPT, Sampling())]


def test_a_reply_comes_piece_by_piece_and_its_connection_is_used_again() -> None:
    engine = Played(WHOLE)

    async def twice() -> list[list[Piece]]:
        async with standing(engine) as remote:
            return [await written(remote), await written(remote)]

    assert asyncio.run(twice()) == [[Piece("Hé", 2), Piece("", 0, cut=True)]] * 2
    assert (engine.connections, len(engine.asked)) == (1, 2)


@pytest.mark.parametrize(
    ("answers", "pieces"),
    [
        (HEAD + chunk(EVENTS[0]), None),
        (HEAD + chunk(EVENTS[0]) + b"0\r\n\r\n", None),
        (HEAD + b"".join(map(chunk, EVENTS)), 2),
    ],
)
def test_a_stream_that_ends_too_soon_is_refused_unless_all_was_said(answers: bytes, pieces: int | None) -> None:
    async def once() -> int | str:
        async with standing(Played(answers, breaks=True)) as remote:
            try:
                return len(await written(remote))
            except Refused as refused:
                return refused.sentence

    assert asyncio.run(once()) == (AWAY if pieces is None else pieces)


def test_what_the_engine_refuses_is_told_in_its_words() -> None:
    said = b'{"error": {"message": "no such\\nmodel"}}'
    engine = Played(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))

    async def once() -> None:
        async with standing(engine) as remote:
            await written(remote)

    with pytest.raises(Refused, match="the engine refused: no such model"):
        asyncio.run(once())
