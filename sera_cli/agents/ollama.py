"""A Modelfile: what ollama has to be told of an agent, with its chat template in Go's language.

The template is made from what the codec writes of a conversation whose texts are marks, so that the two cannot drift
apart. What Go's templates cannot do is left out: markers in running text are not made inert, and the arguments of
earlier calls come in alphabetical order, as ollama hands them out.
"""

import json
from collections.abc import Sequence
from typing import Any

from sera_cli import templates
from sera_cli.harness import wire
from sera_cli.harness.tools import specs
from sera_cli.harness.wire.family import Wire
from sera_cli.types import AgentCard, Message

SYSTEM, SAID, THOUGHT, NAME = "⟦system⟧", "⟦said⟧", "⟦thought⟧", "⟦name⟧"
"""Marks where the texts of a conversation stand."""

KEY, VALUE = "⟦key⟧", "⟦value⟧"
CALL = {"id": "", "type": "function", "function": {"name": NAME, "arguments": f'{{"{KEY}": "{VALUE}"}}'}}
TOOL = {"type": "function", "function": {"name": NAME, "description": SAID, "parameters": {"type": "object"}}}

TEXT = 'eq (printf "%T" $value) "string"'
THINKS = 'and (ge (len .Content) 7) (eq (slice .Content 0 7) "<think>")'
"""Whether a content begins with thinking that nobody took out of it."""

OBSERVED = 'and (ge (len .Content) 13) (eq (slice .Content 0 13) "OBSERVATION:\\n")'
READERS = {"qwen3-coder": "qwen3-coder"}
"""What ollama reads a family's calls with, where it does not learn from the template how they are written."""


def modelfile(card: AgentCard, spoken: Wire) -> str:
    """The Modelfile for a folder of merged weights: template, stop token, context and licence."""
    return templates.render(
        "cards/Modelfile", agent=f"{card.name}@{card.version}", template=template(spoken), stop=wire.ending(spoken),
        context=card.context, reader=READERS.get(spoken.family, ""), license=card.base_license,
    )  # fmt: skip


def template(spoken: Wire) -> str:
    """The chat template in Go's language. A token that begins every conversation is ollama's to add."""
    begins = _written(spoken, tool_calls=[CALL]).partition(NAME)[0]
    before, between, after = _results(spoken)
    quoted = _when(OBSERVED, "", wire.OBSERVATION) + "{{ .Content }}"
    result = _when("$open", between, before) + quoted + "{{ $open = true }}"
    closed = _when("$open", after + "{{ $open = false }}")
    turn = _when('eq .Role "user"', _turn("user", "{{ .Content }}", spoken))
    turn += _when('eq .Role "assistant"', _turn("assistant", _spoken(spoken), spoken))
    return (
        _when("and .ToolCalls false", begins)  # never written: from here ollama learns how a call begins
        + _head(spoken) + "{{ $open := false }}"
        + _each(".Messages", _when('eq .Role "tool"', result, closed + turn))
        + _when("$open", after) + _text(wire.opening(spoken))
    )  # fmt: skip


def _when(condition: str, then: str, otherwise: str = "") -> str:
    return f"{{{{ if {condition} }}}}{then}" + (f"{{{{ else }}}}{otherwise}" if otherwise else "") + "{{ end }}"


def _each(what: str, inside: str) -> str:
    return f"{{{{ range {what} }}}}{inside}{{{{ end }}}}"


def _text(pieces: Sequence[wire.Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _framed(messages: Sequence[Message], tools: Sequence[dict[str, Any]], spoken: Wire) -> str:
    return "".join(_text(wire.frame(message, spoken)) for message in wire.flatten(messages, tools, spoken))


def _turn(role: str, content: str, spoken: Wire) -> str:
    return _text(wire.frame({"role": role, "content": SAID, "train": False}, spoken)).replace(SAID, content)


def _written(spoken: Wire, **message: Any) -> str:
    return wire.render({"role": "assistant", "content": "", **message}, spoken)


def _head(spoken: Wire) -> str:
    """What stands before the first turn, with and without tools and a system message."""

    def told(system: bool, tools: Sequence[dict[str, Any]]) -> str:
        before = [{"role": "system", "content": SYSTEM}] if system else []
        text = _framed([*before, {"role": "user", "content": THOUGHT}], tools, spoken)
        text = text.replace(_turn("user", THOUGHT, spoken), "").replace(SYSTEM, "{{ .System }}")
        return text.replace(_offered(TOOL, spoken), _offers(spoken))

    plain = _when(".System", told(True, ()), told(False, ()))
    return _when(".Tools", _when(".System", told(True, [TOOL]), told(False, [TOOL])), plain)


def _offered(tool: dict[str, Any], spoken: Wire) -> str:
    """What a conversation says of one tool."""
    if spoken.dialect == "qwen3-coder":
        text = str(wire.flatten([], [tool], spoken)[0]["content"])
        return text.partition("<tools>\n")[2].partition("\n</tools>")[0]
    return json.dumps(tool, ensure_ascii=False, indent=4 if spoken.family == "llama3" else None)


def _offers(spoken: Wire) -> str:
    """The tools one after another: ours as they were trained with, any other as ollama writes it."""
    offer = "{{ . }}"
    for tool in reversed(specs()):
        same = f"eq .Function.Description {json.dumps(tool['function']['description'])}"
        offer = _when(same, _offered(tool, spoken), offer)
    separator = {"llama3": "\n\n", "mistral": ", "}.get(spoken.family, "\n")
    return _each("$place, $tool := .Tools", _when("$place", separator) + offer)


def _results(spoken: Wire) -> tuple[str, str, str]:
    """What stands before the first result of a run, between two of them, and after the last."""
    result = {"role": "tool", "tool_call_id": "", "content": wire.OBSERVATION + SAID}
    asked = {"role": "user", "content": THOUGHT}
    text = _framed([asked, result, result], [], spoken).partition(_turn("user", THOUGHT, spoken))[2]
    before, between, after = text.split(wire.OBSERVATION + SAID)
    return before, between, after


def _spoken(spoken: Wire) -> str:
    """What an assistant says: thinking by the policy, then words or calls."""
    opened, rest = _written(spoken, reasoning_content=THOUGHT, content=SAID).split(THOUGHT)
    closed = rest.removesuffix(SAID)
    call, keeps = _written(spoken.model_copy(update={"thinking": "keep"}), tool_calls=[CALL]), spoken.thinking == "keep"
    otherwise = opened + closed if spoken.thinking == "empty" else ""
    if not keeps:
        otherwise = _when("and $calls .Content", opened + "{{ .Content }}" + closed, otherwise)
    thought = _when(".Thinking", opened + "{{ .Thinking }}" + closed, _when(THINKS, "", otherwise))
    thoughtful = _written(spoken, reasoning_content=THOUGHT, tool_calls=[CALL])
    tag = thoughtful.removesuffix(call).partition(THOUGHT + closed)[2]
    words = _kept(spoken, call, tag) if keeps else _when(THINKS, "{{ .Content }}\n\n")
    led = tag if spoken.thinking == "empty" or not tag else _when("or $thought .Content", tag)
    return (
        "{{ $calls := .ToolCalls }}{{ $thought := .Thinking }}" + thought
        + _when("$calls", words + led + _calls(spoken, call), "{{ .Content }}")
    )  # fmt: skip


def _kept(spoken: Wire, call: str, tag: str) -> str:
    """Words before calls, for agents that keep them."""
    gap = _written(spoken, content=SAID, tool_calls=[CALL]).removeprefix(SAID).removesuffix(tag + call)
    return _when(".Content", "{{ .Content }}" + gap)


def _calls(spoken: Wire, call: str) -> str:
    both = _written(spoken.model_copy(update={"thinking": "keep"}), tool_calls=[CALL, CALL])
    separator = both.removeprefix(call).removesuffix(call)
    if spoken.dialect == "qwen3-coder":
        one = f"<parameter={KEY}>\n{VALUE}\n</parameter>\n"
        value = _when(TEXT, "{{ $value }}", "{{ json $value }}")
        arguments = _each("$key, $value := .Function.Arguments", one.replace(KEY, "{{ $key }}").replace(VALUE, value))
    else:
        one = CALL["function"]["arguments"]  # type: ignore[index]
        value = _when(TEXT, '{{ printf "%q" $value }}', "{{ json $value }}")  # its JSON would escape <, > and &
        pair = _when("$more", ", ") + '"{{ $key }}": ' + value + "{{ $more = true }}"
        inside = _each("$key, $value := .Function.Arguments", pair)
        arguments = '{{ $more := false }}{{ "{" }}' + inside + "}"
    said = call.replace(one, arguments).replace(NAME, "{{ .Function.Name }}")
    return _each("$place, $call := .ToolCalls", _when("$place", separator) + said)
