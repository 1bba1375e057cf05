"""Working with an agent: each thing the user says starts a turn of the same agent loop, in one conversation."""

from collections.abc import Callable, Iterator

from sera_cli.harness.loop import NO_CALL, Limits, opening, steps
from sera_cli.harness.model import Model, OnText
from sera_cli.harness.tools import Toolbox
from sera_cli.types import Message, Reply, Step


def turn(
    said: str,
    model: Model,
    toolbox: Toolbox,
    messages: list[Message],
    limits: Limits,
    *,
    on_reply: Callable[[Reply], None],
    on_text: OnText | None = None,
) -> Iterator[Step]:
    """Yields the steps that follow what the user `said`, until the agent submits, answers in words, or hits a limit.

    `messages` grows by all of it; empty at first, it begins as a rollout does, so that the agent sees what it was
    trained on. `on_reply` hears of each reply before anything in it is carried out.
    """
    messages += [{"role": "user", "content": said}] if messages else opening(said)
    for step in steps(model, toolbox, messages, limits, on_text=on_text, on_reply=on_reply):
        spoke = step.reply.problem == NO_CALL and bool(step.reply.message.get("content"))
        if spoke:
            del messages[len(messages) - len(step.results) :]
        yield step
        if spoke:
            return
