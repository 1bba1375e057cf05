"""What our server adds to an engine: time to the first token, tokens per second, and its CPU for each token.

    python tests/bench/serve.py [--clients 1 32] [--rate 1000] [--tokens 1000] [--prompt 1000 10000] [--rounds 5]

The engine is played by a small process that speaks vLLM's completions stream, one event for each token, at `rate`
tokens per second over all clients together, so that it leaves the cores to what is measured. The bare engine is asked
for the ids of the same prompt. Engine, server and clients are a process each. Clients begin one after the other, spread
over the time between two tokens of all of them; a round is one reply to each, a first round is not counted. Last comes
an engine without a pace: the most that the server hands on.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

WORDS = ("the", "total", "of", "a", "shop", "is", "what", "its", "prices", "add", "up", "to", "and", "so", "we", "look")
HEADS = (
    "prompt", "clients", "asked", "first token ms, middle", "worst", "later than bare", "tokens/s", "of bare",
    "CPU µs/token",
)  # fmt: skip
PATHS = {
    "engine": "/v1/completions", "chat completions": "/v1/chat/completions", "messages": "/v1/messages",
    "responses": "/v1/responses",
}  # fmt: skip
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
TURN = 1000
"""Tokens of a message, about: a file that was looked at."""

SPREAD = 1.0
"""Seconds over which the clients begin."""

FIRST = (b'"text": " ', b'"content": " ', b'"text_delta"', b"output_text.delta")
"""What an event holds that tells of a first token, in each API's words."""


class Told(NamedTuple):
    """One reply: seconds to its first token and to its end."""

    first: float
    whole: float


class Asking(NamedTuple):
    """What one client asks: which API, where, how long its prompt is, tokens per second, and how many of them."""

    name: str
    port: int
    length: int
    rate: float
    count: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 32])
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--tokens", type=int, default=1000, help="of a reply; of several clients each gets a few less")
    parser.add_argument("--prompt", type=int, nargs="*", default=[1000, 10_000], help="tokens, about")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[*PATHS], choices=[*PATHS])
    parser.add_argument("--engine", metavar="SOCKET", help=argparse.SUPPRESS)
    parser.add_argument("--server", metavar="SOCKET", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.engine:
        asyncio.run(engine(asked.engine))
    elif asked.server:
        server(asked.server)
    else:
        measure(asked)


def measure(asked: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder, standing("--engine", f"{folder}/socket") as (engine_port, _), standing(
        "--server", f"{folder}/socket") as (port, process):  # fmt: skip
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {asked.rate:.0f} tokens/s over all clients\n")
        print(f"| {' | '.join(HEADS)} |\n| {' | '.join('---' if head == 'asked' else '---:' for head in HEADS)} |")
        for length, clients, rate in plans(asked):
            bare: list[list[Told]] = []
            count = asked.tokens if clients == 1 else asked.tokens * 5 // clients
            for name in asked.only:
                where = engine_port if name == "engine" else port
                found, cpu = asyncio.run(
                    rounds(Asking(name, where, length, rate / clients, count), clients, asked.rounds, process))
                bare = bare or found
                told = ours(found, bare, count, cpu) if name != "engine" else ("", "", "")
                who = name if rate else f"{name}, no pace"
                print(f"| {length} | {clients} | {who} {row(found, count, told)}", flush=True)


def plans(asked: argparse.Namespace) -> Iterator[tuple[int, int, float]]:
    """Tokens of the prompt, clients, and tokens per second over all of them; 0: no pace."""
    for length in asked.prompt:
        for clients in asked.clients:
            yield length, clients, asked.rate
    yield asked.prompt[0], asked.clients[-1], 0.0


def row(found: list[list[Told]], count: int, told: tuple[str, str, str]) -> str:
    first = firsts(found)
    later, share, each = told
    return (
        f"| {statistics.median(first) * 1000:.1f} | {max(first) * 1000:.1f} | {later} | {throughput(found, count):.0f} "
        f"| {share} | {each} |"
    )


def ours(found: list[list[Told]], bare: list[list[Told]], count: int, cpu: float) -> tuple[str, str, str]:
    """How much later the first token comes, the share of the bare engine's tokens per second, microseconds of CPU."""
    later = statistics.median(firsts(found)) - statistics.median(firsts(bare))
    tokens = sum(map(len, found)) * count
    share = throughput(found, count) / throughput(bare, count)
    return f"{later * 1000:+.1f}", f"{share:.1%}", f"{cpu / tokens * 1e6:.0f}"


def firsts(found: list[list[Told]]) -> list[float]:
    return [told.first for replies in found for told in replies]


def throughput(found: list[list[Told]], count: int) -> float:
    """Tokens per second over all clients: of each round the time of a reply in the middle, then of the rounds."""
    return statistics.median(len(told) * count / statistics.median(one.whole for one in told) for told in found)


async def rounds(asked: Asking, clients: int, many: int, process: int) -> tuple[list[list[Told]], float]:
    """The rounds but for the first, and the seconds of CPU that the server took for them."""
    await together(asked, clients)
    before = used(process)
    found = [await together(asked, clients) for _ in range(many)]
    return found, used(process) - before


async def together(asked: Asking, clients: int) -> list[Told]:
    bodies = [body(asked, number) for number in range(clients)]
    apart = SPREAD / clients if asked.rate else 0.0
    return list(await asyncio.gather(*(reply(asked, one, number * apart) for number, one in enumerate(bodies))))


async def reply(asked: Asking, body: bytes, after: float) -> Told:
    """One reply, read to its last event. Little is looked at, so that the client costs little."""
    await asyncio.sleep(after)
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.port, limit=2**24)
    began = monotonic()
    writer.write(
        f"POST {PATHS[asked.name]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    first, held = 0.0, b""
    while piece := await reader.read(2**16):
        if not first:
            held += piece
            assert held.startswith(b"HTTP/1.1 200"), held
            first = monotonic() - began if any(mark in held for mark in FIRST) else 0.0
    writer.close()
    return Told(first, monotonic() - began)


def body(asked: Asking, client: int) -> bytes:
    """A request's: a conversation that each client has got on with, its last message one never sent before.

    The pace goes with `seed`, which all hand on to the engine: microseconds between tokens.
    """
    told: dict[str, Any] = {"model": "shop", "stream": True, "seed": round(1e6 / asked.rate) if asked.rate else 0}
    if asked.name == "engine":
        return json.dumps(told | {"prompt": [*range(100, 100 + asked.length)], "max_tokens": asked.count}).encode()
    past = range(0, asked.length, TURN)[:-1]
    texts = [said(TURN, f"{client} at {start}") for start in past]
    texts.append(said(asked.length - len(past) * TURN, uuid4().hex))
    roles = ["assistant" if (len(texts) - number) % 2 == 0 else "user" for number in range(len(texts))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    where, most = ("input", "max_output_tokens") if asked.name == "responses" else ("messages", "max_tokens")
    return json.dumps(told | {where: messages, most: asked.count}).encode()


def said(length: int, about: str) -> str:
    return " ".join([about, *(WORDS[number * 7 % len(WORDS)] for number in range(length))])


def used(process: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def standing(*words: str) -> Iterator[tuple[int, int]]:
    """A process of this file that says its port once it listens: that port, and its id."""
    process = subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait()


def server(engine: str) -> None:
    """Ours, as `sera serve` has it, in front of the engine at that socket."""
    import socket

    import uvicorn

    from sera_cli.agents.serving.answer import Agent
    from sera_cli.agents.serving.app import Server
    from sera_cli.agents.serving.engine import Remote
    from sera_cli.config import home
    from sera_cli.harness import tokens
    from sera_cli.harness.wire import Wire
    from sera_cli.train import embedded

    class Up:
        """A vLLM as far as Remote knows it."""

        up, starts = True, 1

        def __init__(self, place: str) -> None:
            self.socket = place

    read = tokens.load(str(embedded.ensure(home("cache"))))
    agent = Agent("shop", "shop", 1_000_000, Wire(), read)
    app = Server({"shop": agent}, Remote(Up(engine))).app()  # type: ignore[arg-type]
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen(128)
        print(place.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False)
        uvicorn.Server(config).run(sockets=[place])


async def engine(place: str) -> None:
    """Speaks vLLM's completions, as far as it is asked here: at a port for clients, at a socket for our server."""
    await asyncio.start_unix_server(_conversation, place, limit=2**24)
    serving = await asyncio.start_server(_conversation, "127.0.0.1", 0, limit=2**24)
    print(serving.sockets[0].getsockname()[1], flush=True)
    await serving.serve_forever()


async def _conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = json.loads(await reader.readexactly(int(LENGTH.search(head)[1])))  # type: ignore[index]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            async for event in _events(body):
                writer.write(b"%x\r\n%s\r\n" % (len(event), event))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            if b"connection: close" in head.lower():
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def _events(body: dict[str, Any]) -> AsyncIterator[bytes]:
    """A token after the other, each at its time from the request on, however late the one before it was."""
    began, apart = monotonic(), (body.get("seed") or 0) / 1e6
    last = body["max_tokens"] - 1
    for number in range(last + 1):
        wait = began + number * apart - monotonic()
        await asyncio.sleep(max(0.0, wait))
        choice = {
            "index": 0, "text": f" {WORDS[number % len(WORDS)]}", "logprobs": None,
            "finish_reason": "length" if number == last else None, "stop_reason": None, "token_ids": [number],
            "prompt_token_ids": None if number else body["prompt"], "prompt_logprobs": None,
        }  # fmt: skip
        event = {
            "id": "cmpl-1", "object": "text_completion", "created": 0, "model": "shop", "choices": [choice],
            "usage": None,
        }  # fmt: skip
        yield b"data: " + json.dumps(event).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


if __name__ == "__main__":
    main()
