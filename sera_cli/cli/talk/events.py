"""A turn as a program sees it: a JSON object for each thing that happens, a line each, on stdout."""

import json
from typing import TYPE_CHECKING, Any

from sera_cli.console import exactly

if TYPE_CHECKING:
    from sera_cli.harness.wire.live import Heard
    from sera_cli.types import Reply, ToolCall


class Events:
    """A Watch.

    `text` and `thinking` come in pieces, `reply` when it is whole; `call` and `result` have the id of the call.
    """

    def heard(self, heard: "Heard") -> None:
        if heard.kind in ("said", "thinking"):
            tell("text" if heard.kind == "said" else "thinking", text=heard.text)

    def replied(self, reply: "Reply") -> None:
        from sera_cli.harness.loop import NO_CALL
        from sera_cli.harness.wire import thought

        said = {"text": str(reply.message.get("content") or ""), "thinking": thought(reply.message)}
        problem = "" if said["text"] and reply.problem == NO_CALL else reply.problem
        tell("reply", **said, problem=problem, usage=reply.usage.model_dump())

    def calling(self, call: "ToolCall", change: str) -> None:
        arguments = json.loads(call.arguments or "{}")
        tell("call", id=call.id, name=call.name, arguments=arguments, **({"change": change} if change else {}))

    def called(self, call: "ToolCall", outcome: str) -> None:
        tell("result", id=call.id, text=outcome)


def tell(event: str, **told: Any) -> None:
    row = json.dumps({"event": event, **told}, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    exactly(f"{row}\n")
