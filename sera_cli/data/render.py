"""A trajectory as the conversation a student learns from."""

from sera_cli.harness import wire
from sera_cli.types import Message, Trajectory


def render(trajectory: Trajectory) -> list[Message]:
    """The whole rollout in `{role, content, train}` form, tools in the system message.

    A malformed reply stays, so that what follows it makes sense, and is not trained on (SERA paper, section 3.2).
    """
    messages = list(trajectory.prompt)
    for step in trajectory.steps:
        messages += [{**step.reply.message, "train": not step.reply.problem}, *step.results]
    return wire.flatten(messages, trajectory.tools)
