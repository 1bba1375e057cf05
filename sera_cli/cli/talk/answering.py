"""Who answers in a chat: a registered agent, loaded into this process, or a model behind an API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sera_cli.console import say
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.cli.job import Job
    from sera_cli.config import Config
    from sera_cli.git import Checkout
    from sera_cli.harness.model import Model
    from sera_cli.harness.money.prices import Price
    from sera_cli.harness.money.spend import Meter
    from sera_cli.harness.wire import Wire
    from sera_cli.types import AgentCard

KINDS = ("openai", "anthropic", "vllm")
CONTEXTS = {"openai": 128_000, "anthropic": 200_000}
"""Tokens that today's models of these makers read at least; what another server reads, its refusal tells."""


class Who(NamedTuple):
    """A Model, and the name it is asked for by; the `context` it reads (0: nobody knows), how it writes where we are to
    read it, what it costs.
    """

    name: str
    model: "Model"
    context: int
    spoken: "Wire | None" = None
    price: "Price | None" = None


class Setting(NamedTuple):
    """What a model works with and on. `book` is where is written down what it costs."""

    config: "Config"
    checkout: "Checkout"
    book: Path


def is_remote(name: str) -> bool:
    return name.partition(":")[0] in KINDS and ":" in name


def addresses(name: str, setting: Setting) -> tuple[str, ...]:
    """Where a model is asked; nowhere for an agent in this process."""
    from sera_cli.cli import teaching

    return teaching.addresses(job(name, setting)) if is_remote(name) else ()


@contextmanager
def answering(name: str, setting: Setting, *, context: int = 0) -> Iterator[Who]:
    """The agent of that name, the only one for an empty name, or `openai:`, `anthropic:` or `vllm:MODEL`.

    Raises ConfigError for one that cannot be had.
    """
    if not is_remote(name):
        yield _loaded(chosen(name), context)
        return
    from sera_cli.cli import money
    from sera_cli.cli.teaching import teaching
    from sera_cli.redact import learn
    from sera_cli.redact.files import texts

    task = job(name, setting)
    money.check(task)
    price = money.price(task)
    with _metered(task, price, setting.book) as meter, teaching(task, meter=meter, tell=say) as teacher:
        learn(texts([setting.checkout]))
        yield Who(name, teacher(0), context or CONTEXTS.get(name.partition(":")[0], 0), None, price)


def job(name: str, setting: Setting) -> "Job":
    """A chat as other verbs know what they work on."""
    from sera_cli.cli.job import Job
    from sera_cli.cli.options import Asked
    from sera_cli.runs import Run

    asked = Asked(setting.checkout.root, {}, setting.checkout.commit, "", False, False, False)
    return Job(asked, setting.config, setting.checkout, Run(folder=setting.book.parent), name, {})


def chosen(agent: str) -> "AgentCard":
    """The agent of that name; with no name, the only one there is."""
    from sera_cli.agents.registry import agents, find
    from sera_cli.config import home

    if agent:
        return find(home("data"), agent)
    names = sorted({card.name for card in agents(home("data"))})
    if not names:
        raise ConfigError("no agents yet; make one with: sera specialize REPO")
    if len(names) > 1:
        raise ConfigError(f"say which agent: --agent {' or '.join(names)}")
    return find(home("data"), names[0])


def _loaded(card: "AgentCard", context: int) -> Who:
    """The agent's weights on its base."""
    from transformers.utils import logging

    from sera_cli.agents.local import LocalModel
    from sera_cli.agents.registry import folder, spoken
    from sera_cli.config import home
    from sera_cli.harness.money.prices import LOCAL
    from sera_cli.train.student import student

    logging.disable_progress_bar()
    wire = spoken(card)
    base = student(card.base, home("cache"), context=card.context, family=wire.family, thinking=wire.thinking).base
    say(f"{card.name}@{card.version} on {card.base}" + (f". {card.note}" if card.note else ""), prose=True)
    name, most = f"{card.name}@{card.version}", context or card.context
    return Who(name, LocalModel(base, folder(home("data"), card), name=name, context=most, spoken=wire), most, wire,
               LOCAL)


@contextmanager
def _metered(task: "Job", price: "Price | None", book: Path) -> Iterator["Meter | None"]:
    """What holds a model to the user's limit, where there is one."""
    limit = task.config.cost.max
    if not limit:
        yield None
        return
    from sera_cli.harness.money.ledger import ledger
    from sera_cli.harness.money.spend import Account

    book.parent.mkdir(parents=True, exist_ok=True)
    with ledger(book) as open_:
        yield Account(task.teacher, price, open_, limit=limit)
