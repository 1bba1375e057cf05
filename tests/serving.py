"""A server of agents as clients meet it, on a real port, in front of an engine that says what it is told to."""

import threading
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sera_cli.agents.serving.answer import Agent
from sera_cli.agents.serving.app import Server
from sera_cli.agents.serving.asked import Ended, Event, Finish, Refused, Sampling, Voice
from sera_cli.agents.serving.engine import Engine, Piece, Prompt
from sera_cli.harness import tokens
from sera_cli.harness.wire import Wire
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Reply
from tests import students

THOUGHT = "<think>\nI look.\n</think>\n\n"
CALL = '<tool_call>\n{"name": "bash", "arguments": {"command": "ls -l é"}}\n</tool_call>'
TOOLS = students.TOOLS


@dataclass
class Scripted:
    """Says `says`, or how long the prompt is, a few characters at a time.

    `seen` are the prompts it was given, `closed` counts replies cut short.

    With `stall` it waits after so many pieces, until it is let go; with `breaks` it is gone by then, by `error`.
    """

    says: str = "Hello."
    cut: bool = False
    stall: int = -1
    breaks: int = -1
    error: Exception = field(default_factory=lambda: Refused("engine", "the engine went away"))
    seen: list[tuple[Prompt, Sampling]] = field(default_factory=list)
    closed: int = 0

    def let_go(self) -> None:
        self.stall = -1

    def up(self) -> bool:
        return self.breaks != 0

    async def write(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]:
        import anyio

        self.seen.append((prompt, sampling))
        try:
            says = self.says or f"{len(prompt.ids)} tokens"
            for number, start in enumerate(range(0, len(says), 5)):
                if number == self.breaks:
                    raise self.error
                while number == self.stall:
                    await anyio.sleep(0.01)
                yield Piece(says[start : start + 5], 2)
            yield Piece("", 0, cut=self.cut)
        except BaseException:
            self.closed += 1
            raise


def agent(name: str = "shop@1", spoken: Wire | None = None) -> Agent:
    student = students.reader()
    return Agent(name, name, student.context, spoken or Wire(thinking="keep"), tokens.load(student.base))


@contextmanager
def served(engine: Engine, *, key: str = "", most: int = 256, agents: tuple[Agent, ...] = ()) -> Iterator[str]:
    """The address of a server in front of `engine`, in a thread of this process."""
    known = {one.name: one for one in agents or (agent(),)}
    import uvicorn

    app = Server(known, engine, key=key, most=most).app()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def until(happened: object) -> None:
    """Waits until a callable is true."""
    while not happened():  # type: ignore[operator]
        time.sleep(0.01)


def telling(voice: Voice, heard: Iterable[Heard], finish: Finish) -> list[Event]:
    """All events of a stream by which a voice tells a reply."""
    ended = Ended(reply=Reply(message={"role": "assistant", "content": ""}), finish=finish)
    return [*voice.begin(7), *(event for piece in heard for event in voice.hear(piece)), *voice.end(ended)]
