"""What lies between the tools that a client brings and those that the agent was trained on."""

from sera_cli.agents.serving.asked import Asked
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Reply


class Mapping:
    """`asked` as the agent is to read it; `hear` and `reply` turn what it writes into what the client knows."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def hear(self, heard: Heard) -> list[Heard]:
        return [heard]

    def reply(self, reply: Reply) -> Reply:
        return reply


def mapping(asked: Asked) -> Mapping:
    """The mapping for the tools of a request: none where the agent knows them, or none of ours stands for them."""
    return Mapping(asked)
