"""Who is evaluated: a registered agent, served on this machine for as long as that takes, or any model by its name."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any

from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.agents.serving.stand import Served
    from sera_cli.cli.job import Job
    from sera_cli.evaluate.attempts import Arena, Attempt
    from sera_cli.harness.model import Teacher
    from sera_cli.harness.money.spend import Account, Meter
    from sera_cli.harness.pace import Pace
    from sera_cli.harness.sandbox import Sandbox
    from sera_cli.types import AgentCard


@dataclass(frozen=True)
class Contender:
    """A model by its spec, or the agent of a `card`; `bare`: what that agent was made of, without what it learned.

    `teacher` is how other verbs call it: an agent is as free of charge as a model served by vLLM.
    """

    name: str
    card: "AgentCard | None" = None
    bare: bool = False

    @property
    def teacher(self) -> str:
        return f"vllm:{self.name}" if self.card else self.name

    def settings(self) -> dict[str, Any]:
        """What makes it another contender: of an agent, also what it was trained on, and when."""
        if not self.card or self.bare:
            return {"model": self.name}
        return {"model": self.name, "data": self.card.data_digest, "created": self.card.created}


def contender(agent: str, model: str) -> Contender:
    """The agent called `agent` (NAME or NAME@VERSION), or the model that `model` names: base:AGENT is what an agent was
    made of.

    Raises ConfigError for one that there is not, and for two or none.
    """
    from sera_cli.cli.chat import chosen

    if agent and model:
        raise ConfigError("one at a time is evaluated; name one: --agent or --model")
    if not (agent or model):
        raise ConfigError(
            "say who is to be evaluated: --agent NAME, or --model rehearsal, openai:, anthropic: or vllm:MODEL, or "
            "base:AGENT"
        )
    if agent:
        card = chosen(agent)
        return Contender(f"{card.name}@{card.version}", card)
    kind, _, rest = model.partition(":")
    if kind == "base":
        return base(chosen(rest))
    if model != "rehearsal" and not (kind in ("openai", "anthropic", "vllm") and rest):
        raise ConfigError(f"--model {model}: use rehearsal, openai:, anthropic: or vllm:MODEL, or base:AGENT")
    return Contender(model)


def base(card: "AgentCard") -> Contender:
    """The model that an agent was made of, asked in the same way."""
    from sera_cli.agents.serving.stand import base_name, base_of
    from sera_cli.cli.serve import of

    return Contender(base_of([of(card)]) or f"{base_name(card.base)}@0", card, bare=True)


def one_at_a_time(who: Contender) -> str:
    """Why it writes one reply at a time, as an agent does where there is no vLLM; empty where it does not."""
    from sera_cli.harness.vllm.launch import command

    if not who.card:
        return ""
    try:
        command(os.environ)
    except ConfigError as error:
        return str(error)
    return ""


@contextmanager
def answering(
    who: Contender, job: "Job", *, meter: "Meter | None" = None, pace: "Pace | None" = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator["Teacher"]:
    """Makes the Model of each rollout. An agent is served by what `sera serve` serves it by, and asked over HTTP, so
    that it reads and writes the very tokens that it was trained on; its server is gone at the end.
    """
    from sera_cli.cli.teaching import remote, teaching

    if not who.card:
        with teaching(job, meter=meter, pace=pace, tell=tell) as teacher:
            yield teacher
        return
    from sera_cli.cli.serve import raised, running

    offline, backend = job.config.privacy.offline, "here" if one_at_a_time(who) else "auto"
    with (
        _standing(who) as served,
        raised([served], "127.0.0.1", 0, backend=backend, flags=(), key="", offline=offline) as stand,
        running(stand),
        closing(remote(replace(job, teacher=who.teacher), (f"{stand.url}/v1",), meter=meter, pace=pace)) as asked,
    ):
        yield asked


@contextmanager
def _standing(who: Contender) -> Iterator["Served"]:
    """What is to be served for it: the agent, beside which the base of an adapter can be asked; else a base alone."""
    from sera_cli.agents.merge import fetched
    from sera_cli.agents.serving.stand import bare
    from sera_cli.cli.serve import of
    from sera_cli.config import home
    from sera_cli.harness.sandbox.private import private_folder
    from sera_cli.train.student import student

    assert who.card is not None
    agent = of(who.card)
    if not who.bare or agent.adapter:
        yield agent
        return
    wire = agent.spoken
    found = student(who.card.base, home("cache"), context=who.card.context, family=wire.family, thinking=wire.thinking)
    with private_folder(label="base") as folder:
        yield bare(agent, fetched(found.base), folder)


@contextmanager
def arena(
    job: "Job", who: Contender, sandbox: Callable[["Attempt"], "Sandbox"], stop: Event, *, context: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple["Arena", "Account"]]:
    """What attempts need: the model, up as long as this lasts, its money counted in the run's folder, and places."""
    from sera_cli.cli import money
    from sera_cli.evaluate.attempts import Arena
    from sera_cli.harness.loop import Limits
    from sera_cli.harness.pace import Pace

    pace = Pace(cancelled=stop.is_set)
    limits = Limits(**job.config.rollout.model_dump(include=set(Limits.model_fields)))
    with money.account(job, stop.is_set) as account, answering(who, job, meter=account, pace=pace, tell=tell) as model:
        made = Arena(
            model=model, sandbox=sandbox, limits=limits, context=context, cancelled=stop.is_set, clock=pace.clock,
            admit=account.admit,
        )  # fmt: skip
        yield made, account
