"""A rollout as the judge and the writer of issues are shown it: what was called, what came back, what was said."""

import json
from collections.abc import Callable
from math import inf
from typing import TypeVar

from sera_cli import templates
from sera_cli.errors import ContextOverflow
from sera_cli.harness.model import Model
from sera_cli.harness.wire import thought
from sera_cli.types import Message, Step, Trajectory, Usage
from sera_cli.wording import output as output

Answer = TypeVar("Answer")
Story = list[dict[str, str]]

SHORT = 2_000
"""Characters of an observation that are never cut further."""


def story(trajectory: Trajectory) -> Story:
    """One entry a step, in order."""
    return [
        {"action": _action(step), "observation": _observation(step), "response": _response(step.reply.message)}
        for step in trajectory.steps
    ]


def ask(
    model: Model,
    trajectory: Trajectory,
    prompt: Callable[[str], str],
    read: Callable[[str], Answer | None],
    tries: int = 3,
    *,
    until: float = inf,
) -> tuple[Answer | None, Usage]:
    """Asks about a rollout until `read` makes something of the answer; None when it never does.

    Each further try leaves out the first quarter of the steps, and so does one that was too long for the model (SERA
    paper, section 3.1, as released), which is no answer and does not count as a try. Where nothing is left to leave
    out there is none: the same question has been answered. Raises Late when the clock passes `until`.
    """
    system: Message = {"role": "system", "content": templates.render("prompts/reader.md")}
    told: Story | None = story(trajectory)
    usage = Usage()
    while tries and told is not None:
        question: Message = {"role": "user", "content": prompt(json.dumps(told, ensure_ascii=False, indent=1))}
        try:
            reply = model.reply([system, question], [], until=until)
        except ContextOverflow:
            told = shorter(told)
            continue
        usage += reply.usage
        answer = read(reply.message.get("content") or "")
        if answer is not None:
            return answer, usage
        tries, told = tries - 1, told[max(1, len(told) // 4) :] or None
    return None, usage


def shorter(told: Story) -> Story | None:
    """A story that takes less room; None where none is worth asking about.

    It loses its first quarter, unless one observation is more than half of it: that keeps its two ends, and says so.
    """
    sizes = [sum(map(len, step.values())) for step in told]
    if not told:
        return None
    longest = max(range(len(told)), key=lambda place: len(told[place]["observation"]))
    text = told[longest]["observation"]
    if len(text) > SHORT and 2 * len(text) > sum(sizes):
        kept = len(text) // 4
        cut = f"{text[:kept]}\n[{len(text) - 2 * kept:,} characters left out here]\n{text[-kept:]}"
        return [*told[:longest], told[longest] | {"observation": cut}, *told[longest + 1 :]]
    return told[max(1, len(told) // 4) :] or None


def _action(step: Step) -> str:
    if step.reply.problem:
        return f"(not carried out: {step.reply.problem})"
    return "\n".join(f"{call.name} {call.arguments}" for call in step.reply.calls)


def _observation(step: Step) -> str:
    return "\n".join(str(message.get("content", "")) for message in step.results)


def _response(message: Message) -> str:
    said = (thought(message), message.get("content"))
    return "\n".join(text for text in said if isinstance(text, str) and text)
