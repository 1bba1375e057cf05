"""One turn of the rehearsal teacher: a thought and a call, and the slips that a model makes in writing one."""

import json
from collections.abc import Generator
from random import Random
from typing import Any, NamedTuple, TypeVar

from sera_cli.harness.rehearsal.phrases import say
from sera_cli.types import Message, Reply, ToolCall

MALFORMED = 0.02
"""Of all calls, the share that cannot be carried out at first: about one rollout in five has one."""


class Turn(NamedTuple):
    """`name` is empty for a reply without a call; `arguments` is JSON text, right or wrong."""

    thought: str
    name: str = ""
    arguments: str = ""
    content: str = ""


Made = TypeVar("Made")
Plan = Generator[Turn, str, Made]
"""Yields turns, is sent what came back for each, and returns what was found out."""


def call(thought: str, name: str, **arguments: Any) -> Turn:
    return Turn(thought, name, json.dumps(arguments, ensure_ascii=False))


def stumbling(plan: Plan[None], dice: Random) -> Plan[None]:
    """The same plan, which never ends, with a malformed call before the right one now and then."""
    turn = next(plan)
    while True:
        if turn.name and dice.random() < MALFORMED:
            yield _spoilt(turn, dice)
            turn = turn._replace(thought=say("thoughts", "retry", dice))
        turn = plan.send((yield turn))


def reply(turn: Turn, number: int) -> Reply:
    """The turn as an assistant message; a call's id tells its place in the conversation."""
    message: Message = {"role": "assistant", "content": turn.content}
    if turn.thought:
        message["reasoning_content"] = turn.thought
    if not turn.name:
        return Reply(message=message)
    made = ToolCall(id=f"call_{number}", name=turn.name, arguments=turn.arguments)
    function = {"name": made.name, "arguments": made.arguments}
    message["tool_calls"] = [{"id": made.id, "type": "function", "function": function}]
    return Reply(message=message, calls=(made,))


def _spoilt(turn: Turn, dice: Random) -> Turn:
    given = json.loads(turn.arguments)
    match dice.randrange(4):
        case 0 if given:
            return turn._replace(arguments=json.dumps(dict(list(given.items())[1:]), ensure_ascii=False))
        case 1:
            return turn._replace(name="python", arguments='{"code": "help()"}')
        case 2:
            return Turn(turn.thought, content=say("stumble", "none", dice))
    return turn._replace(arguments=turn.arguments[:-1] + ',')
