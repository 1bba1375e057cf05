"""A reply heard while it is written is the one that is read when it is whole, wherever the pieces are cut."""

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.harness.wire import Wire, parse, render
from sera_cli.harness.wire.live import Heard, Live
from sera_cli.types import Message, Reply
from tests.dialogues import FAMILIES, TOOLS, WIRES, text, typed
from tests.test_speech import numbered, replies, words

QWEN = Wire(family="qwen3", thinking="keep")
ASKED = '<tool_call>\n{"name": "bash", "arguments": {"command": "ls }"}}\n</tool_call>'
CALL = f"<think>\nLook.\n</think>\n\nI look.\n{ASKED}"


def heard(pieces: list[str], spoken: Wire) -> tuple[list[Heard], Reply]:
    live = Live(tools=TOOLS, spoken=spoken)
    found = [one for piece in pieces for one in live.hear(piece)]
    found += live.end()
    assert live.reply is not None
    return found, live.reply


def joined(found: list[Heard], kind: str, call: int = 0) -> str:
    return "".join(one.text for one in found if one.kind == kind and one.call == call)


def agree(found: list[Heard], reply: Reply) -> None:
    message = reply.message
    assert joined(found, "thinking") == message.get("reasoning_content", "")
    assert joined(found, "said").strip() == message["content"].strip()
    for number, call in enumerate(reply.calls):
        assert joined(found, "name", number) == call.name
        assert json.loads(joined(found, "arguments", number)) == json.loads(call.arguments)
    assert {one.call for one in found if one.kind == "name"} == set(range(len(reply.calls)))


def cut(whole: str, places: list[int]) -> list[str]:
    at = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(at)]


replied = st.builds(numbered, st.lists(typed, max_size=3), words | text, text.map(str.strip))


@settings(max_examples=400)
@given(st.sampled_from(WIRES), replied, st.lists(st.integers(0, 10_000), max_size=12))
def test_the_pieces_make_the_reply_wherever_it_is_cut(spoken: Wire, message: Message, places: list[int]) -> None:
    whole = render(message, spoken)
    found, reply = heard(cut(whole, places), spoken)
    assert reply == parse(whole, tools=TOOLS, spoken=spoken)
    if not reply.problem:
        agree(found, reply)


@pytest.mark.parametrize("spoken", WIRES[::3], ids=lambda spoken: spoken.family)
def test_character_by_character_it_is_the_same(spoken: Wire) -> None:
    arguments = [{"command": 'echo "}" <tool_call>\n', "count": 7}, {"rest": {"a": {}}}]
    said = numbered(arguments, "I look.", "Why </think>?")
    found, reply = heard(list(render(said, spoken)), spoken)
    agree(found, reply)
    assert len(reply.calls) == 2


def test_each_piece_leaves_as_soon_as_it_is_certain() -> None:
    live = Live(spoken=QWEN)
    told: list[tuple[str, list[tuple[Any, ...]]]] = []
    for piece in ("<thi", "nk>\nLook.", "\n</think>\n\nI look", ".\n<tool", '_call>\n{"name": "bash", "argu'):
        told.append((piece, [(one.kind, one.text) for one in live.hear(piece)]))
    for piece in ('ments": {"command": "l', 's }"', "}", "}\n</tool", "_call>"):
        told.append((piece, [(one.kind, one.text) for one in live.hear(piece)]))
    assert told == [
        ("<thi", []), ("nk>\nLook.", [("thinking", "Look.")]), ("\n</think>\n\nI look", [("said", "I look")]),
        (".\n<tool", [("said", ".")]), ('_call>\n{"name": "bash", "argu', []),
        ('ments": {"command": "l', [("name", "bash"), ("arguments", '{"command": "l')]),
        ('s }"', [("arguments", 's }"')]), ("}", []), ("}\n</tool", []), ("_call>", [("arguments", "}")]),
    ]  # fmt: skip
    assert live.end() == []


@pytest.mark.parametrize(
    ("sampled", "given"),
    [
        (CALL[:-4], '{"command": "ls }"'),
        (CALL.replace('ls }"}', 'ls }", "command": 1}'), '{"command": "ls }", "command": 1'),
        (CALL + "!", '{"command": "ls }"}'),
    ],
)
def test_a_call_that_is_not_closed_as_it_should_be_never_becomes_whole(sampled: str, given: str) -> None:
    found, reply = heard([sampled], QWEN)
    assert (reply.calls, bool(reply.problem)) == ((), True)
    assert joined(found, "arguments") == given


def test_what_is_malformed_before_any_call_is_given_as_text() -> None:
    found, reply = heard(['I look.\n<tool_call>\n{"name": 7}\n</tool_call>'], QWEN)
    assert joined(found, "said") == 'I look.<tool_call>\n{"name": 7}\n</tool_call>'
    assert reply.problem


def test_calls_whose_keys_come_in_another_order_are_given_at_the_end() -> None:
    found, reply = heard(['<tool_call>\n{"arguments": {"command": "ls"}, "name": "bash"}\n</tool_call>'], QWEN)
    assert found == [Heard("name", "bash"), Heard("arguments", '{"command": "ls"}')]
    agree(found, reply)


def test_an_object_that_a_llama_answers_with_is_text() -> None:
    found, reply = heard(list('{"a": 1}'), Wire(family="llama3"))
    assert (joined(found, "said"), reply.calls) == ('{"a": 1}', ())


@pytest.mark.parametrize("family", FAMILIES)
def test_replies_that_went_wrong_break_nothing_and_those_that_did_not_are_heard_right(family: str) -> None:
    spoken = Wire.model_validate({"family": family, "thinking": "keep"})
    chance = Random(family)
    right = 0
    for sampled in replies(spoken, 1500):
        found, reply = heard(cut(sampled, chance.choices(range(1000), k=4)), spoken)
        if not reply.problem:
            agree(found, reply)
            right += 1
    assert right > 100
