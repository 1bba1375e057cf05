"""From what a client asks to the pieces of a reply: rendered as in training, written by the engine, then heard."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from sera_cli.agents.serving.asked import Asked, Ended, Finish, Refused, turn
from sera_cli.agents.serving.engine import Engine, Prompt
from sera_cli.agents.serving.mapping import mapping
from sera_cli.errors import DataError
from sera_cli.harness import tokens, wire
from sera_cli.harness.wire.family import Wire
from sera_cli.harness.wire.live import Heard, Live
from sera_cli.types import Reply, Usage


class Agent(NamedTuple):
    """What is served under a name: how it reads and writes, and what the engine calls it."""

    name: str
    model: str
    context: int
    spoken: Wire
    tokenizer: tokens.Tokenizer


def find(agents: Mapping[str, Agent], name: str) -> Agent:
    """The agent that a client names; no name at all names the first."""
    if name in agents:
        return agents[name]
    if not name:
        return next(iter(agents.values()))
    raise Refused("unknown", f"there is no model {name!r}; served are {', '.join(agents)}")


class Answer:
    """One request under way. `prompt` is what the engine goes on with, token for token as training rendered it."""

    def __init__(self, asked: Asked, agent: Agent) -> None:
        """Renders the conversation. Raises Refused for one that no text can hold, or that is too long."""
        self.mapping = mapping(asked)
        self.agent = agent
        try:
            flat = wire.flatten(self.mapping.asked.messages, self.mapping.asked.tools, agent.spoken)
        except DataError as error:
            raise Refused("invalid", str(error)) from error
        ids = tokens.encode(flat, agent.tokenizer, agent.spoken, prompt=True).ids
        room = agent.context - len(ids)
        if room <= 0:
            text = f"the conversation has {len(ids)} tokens, and {agent.name} reads {agent.context}"
            raise Refused("context", text, tokens=len(ids), context=agent.context)
        self.prompt = Prompt(ids, agent.model, agent.tokenizer.special(wire.ending(agent.spoken)), room)

    async def pieces(self, engine: Engine) -> AsyncGenerator[Heard | Ended]:
        """What is heard of the reply, as the client is to be told, and at last the whole of it."""
        asked = self.mapping.asked
        live = Live(turn=turn(asked), tools=asked.tools, spoken=self.agent.spoken)
        written, cut = 0, False
        async with aclosing(engine.write(self.prompt, asked.sampling)) as pieces:
            async for piece in pieces:
                written, cut = written + piece.tokens, cut or piece.cut
                for heard in self._mapped(live.hear(piece.text)):
                    yield heard
        for heard in self._mapped(live.end()):
            yield heard
        assert live.reply is not None
        usage = Usage(calls=1, prompt=len(self.prompt.ids), completion=written)
        owed, reply = self.mapping.end(live.reply.model_copy(update={"usage": usage}))
        for heard in owed:
            yield heard
        yield Ended(reply=reply, finish=_finish(reply, cut=cut))

    def _mapped(self, heard: list[Heard]) -> list[Heard]:
        return [one for piece in heard for one in self.mapping.hear(piece)]


def _finish(reply: Reply, *, cut: bool) -> Finish:
    return "length" if cut else "calls" if reply.calls else "stop"
