"""What lies between the tools that a client brings and those that the agent was trained on.

The agent was trained on `bash`, `str_replace_editor` and `submit`, in one folder, under one system prompt, and does
worse the further a conversation is from that (SERA paper, section 7). So a client whose tools those can stand for is
not heard word for word: its system prompt, reminders and own tools are left out, what the user said first becomes the
first message of training, its calls and results become ours. Tools that it has from elsewhere, as by MCP, stay.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from sera_cli.agents.serving.asked import Asked, turn
from sera_cli.agents.serving.mapping import calls, paths
from sera_cli.agents.serving.mapping.clients import Client, client
from sera_cli.agents.serving.mapping.results import REMINDER, STALE, Known, observation
from sera_cli.harness.loop import opening
from sera_cli.harness.tools import NAMES, specs
from sera_cli.harness.wire.live import Heard
from sera_cli.types import Message, Reply, ToolCall

SURROUNDINGS = re.compile(r"<(environment_context|user_instructions|INSTRUCTIONS)>.*?</\1>", re.DOTALL)
"""What Codex tells its model as if the user had said it."""

SUBMITTED = "The work is done."
"""What the user reads where the agent submits without a word: its turn is over, and there is nothing to carry out."""


def mapping(asked: Asked) -> "Plain | Mapping":
    """The mapping for the tools of a request; none where ours stand for none of them, or are all there."""
    names = [tool["function"]["name"] for tool in asked.tools]
    found = None if set(NAMES) <= set(names) else client(names)
    return Mapping(asked, found) if found else Plain(asked)


class Plain:
    """The client's tools are the agent's, or have nothing to do with them."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def hear(self, heard: Heard) -> list[Heard]:
        return [heard]

    def end(self, reply: Reply) -> tuple[list[Heard], Reply]:
        """What is owed at the end of a reply, and the reply."""
        return [], reply


class Mapping:
    """`asked` as the agent is to read it; `hear` and `end` turn what it writes into what the client knows.

    Arguments of a call that is mapped are held until it is whole; those of others stream.
    """

    def __init__(self, asked: Asked, found: Client) -> None:
        self._client, self._folder = found, paths.folder(asked.messages)
        self._turn = turn(asked)
        self._edits: dict[str, list[dict[str, Any]]] = {}
        self._current: set[str] = set()  # files as the client's own tools saw or left them: it edits no others
        ours = [tool for tool in asked.tools if found.offers(tool["function"]["name"])]
        messages = tuple(self._history(asked.messages))
        self.asked = asked.model_copy(update={"tools": (*specs(), *ours), "messages": messages})
        self._name, self._arguments, self._said = "", "", False
        self._number = 0

    def hear(self, heard: Heard) -> list[Heard]:
        self._said = self._said or heard.kind == "said"
        if heard.kind == "name":
            self._name, self._arguments = heard.text, ""
            return [] if heard.text in NAMES else [heard._replace(call=self._next())]
        if heard.kind == "arguments" and self._name not in NAMES:
            return [heard._replace(call=self._number - 1)]
        if heard.kind == "arguments":
            self._arguments += heard.text
            return self._whole()
        return [heard]

    def end(self, reply: Reply) -> tuple[list[Heard], Reply]:
        """What is owed at the end of a reply, and the reply, its calls those that were told."""
        made = [call for call in map(self._call, reply.calls) if call]
        numbered = [call.model_copy(update={"id": f"call_{self._turn}_{n}"}) for n, call in enumerate(made)]
        message = {key: value for key, value in reply.message.items() if key != "tool_calls"}
        owed = []
        if reply.calls and not made and not message["content"]:
            message["content"] = SUBMITTED
            owed = [] if self._said else [Heard("said", SUBMITTED)]
        if numbered:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in numbered
            ]
        if reply.problem and self._name in NAMES and self._arguments:
            owed = [Heard("said", f"\n{self._name} {self._arguments}")]  # what was held of a call that is none
        return owed, reply.model_copy(update={"message": message, "calls": tuple(numbered)})

    def _next(self) -> int:
        self._number += 1
        return self._number - 1

    def _whole(self) -> list[Heard]:
        """The call that is being heard, as the client's, once its arguments are whole."""
        try:
            json.loads(self._arguments)
        except ValueError:
            return []
        call = self._call(ToolCall(id="", name=self._name, arguments=self._arguments))
        self._name = self._arguments = ""
        if call is None:
            return []
        number = self._next()
        return [Heard("name", call.name, number), Heard("arguments", call.arguments, number)]

    def _call(self, call: ToolCall) -> ToolCall | None:
        """A call of the agent's as the client's; None for a submission, which ends the turn."""
        if call.name == calls.SUBMIT:
            return None
        if call.name not in NAMES:
            return call
        given = _moved(json.loads(call.arguments), self._folder)
        path = str(given.get("path", ""))
        last = next(reversed(self._edits.get(path, [])), None)
        undone = given.get("command") == "undo_edit"
        own = given.get("command") != "str_replace" or path in self._current
        name, made = calls.there(call.name, given, self._client if own else self._client.bare, last if undone else None)
        return call.model_copy(update={"name": name, "arguments": json.dumps(made, ensure_ascii=False)})

    def _history(self, messages: tuple[Message, ...]) -> Iterator[Message]:
        """The conversation as the agent would have had it."""
        known, made, first = Known(), dict[str, tuple[str, dict[str, Any], bool]](), True
        for message in messages:
            match message["role"]:
                case "user":
                    said = _spoken(message["content"])
                    if said and first:
                        yield from opening(paths.here(said, self._folder))
                        first = False
                    elif said:
                        yield {"role": "user", "content": paths.here(said, self._folder)}
                case "assistant":
                    yield self._ours(message, made)
                case "tool":
                    yield self._result(message, made, known)

    def _ours(self, message: Message, made: dict[str, tuple[str, dict[str, Any], bool]]) -> Message:
        told = {**message, "content": "" if message["content"] == SUBMITTED else message["content"]}
        if not message.get("tool_calls"):
            return told
        told["tool_calls"] = []
        for one in message["tool_calls"]:
            said = _given(one)
            if said is None:
                made[one["id"]] = one["function"]["name"], {}, False
                told["tool_calls"].append(one)
                continue
            name, given = calls.here(one["function"]["name"], said, self._client)
            program = name == calls.EDITOR and one["function"]["name"] == self._client.shell.tool
            made[one["id"]] = name, given, program
            arguments = json.dumps(_moved(given, self._folder, back=True), ensure_ascii=False)
            told["tool_calls"].append({**one, "function": {"name": name, "arguments": arguments}})
        return told

    def _result(
        self, message: Message, made: dict[str, tuple[str, dict[str, Any], bool]], known: Known
    ) -> Message:
        name, given, program = made[message["tool_call_id"]]
        text = message["content"]
        if name in NAMES:
            text = observation(name, given, text, known, program=program)
            if name == calls.EDITOR:
                self._noted(given, text, program=program)
        return {**message, "content": paths.here(text, self._folder)}

    def _noted(self, given: dict[str, Any], text: str, *, program: bool) -> None:
        """Keeps what edits there were, so that the last of a file can be taken back."""
        path = str(given.get("path", ""))
        edits = self._edits.setdefault(path, [])
        if not program and text != STALE:
            self._current.add(path)
        elif text == STALE or not text.startswith(("Here are", "No replacement")):
            self._current.discard(path)
        if given.get("command") == "undo_edit" and text.endswith("has been undone.") and edits:
            edits.pop()
        elif re.match(r"The file .* has been (?:created|edited)\.", text):
            edits.append(given)


def _spoken(text: str) -> str:
    """What the user said, without what the client put beside it."""
    return SURROUNDINGS.sub("", REMINDER.sub("\n", text)).strip()


def _given(call: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call; None for what is no object."""
    try:
        given = json.loads(call["function"]["arguments"] or "{}")
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _moved(given: dict[str, Any], folder: str, *, back: bool = False) -> dict[str, Any]:
    """Paths and commands with the folder of the other; what a file holds stays as it is."""
    move = paths.here if back else paths.there
    moved = {key: move(given[key], folder) for key in ("path", "command") if isinstance(given.get(key), str)}
    return given | moved
