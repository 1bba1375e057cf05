import json
from array import array
from dataclasses import replace
from functools import cache
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.errors import DataError
from sera_cli.harness import tokens, wire
from sera_cli.harness.wire.family import Name
from sera_cli.train.rows import IGNORED, Row, check, keep, kept, rows
from sera_cli.train.student import Student
from sera_cli.types import Message, Sample
from tests import families
from tests.students import TOOLS, chat, sample, tiny

NAMES = get_args(Name)


def test_only_what_the_assistant_wrote_is_learned():
    row = rows([sample(3)], tiny())[0]
    text = tokens.load(tiny().base).decode([label for label in row.labels if label != IGNORED])

    assert text == (
        '<think>\nI look.\n</think>\n\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls 3"}}\n</tool_call>'
        "<|im_end|>Done.<|im_end|>"
    )


def test_labels_are_the_ids_or_nothing():
    made = rows([sample(1), sample(2)], tiny())

    assert [row.id for row in made] == ["s1", "s2"]
    for row in made:
        assert len(row.labels) == len(row.input_ids)
        assert all(label in (id_, IGNORED) for id_, label in zip(row.input_ids, row.labels, strict=True))
        assert row.input_ids == tokens.encode(sample(int(row.id[1:])).messages, tokens.load(tiny().base)).ids


def test_a_codec_that_hides_the_call_from_the_loss_is_caught():
    row = rows([sample()], tiny())[0]
    marker = tokens.load(tiny().base).special("<tool_call>")

    with pytest.raises(DataError, match="the loss does not cover a <tool_call>"):
        check(sample(), without(row, marker), tokens.load(tiny().base), tiny())


def test_a_mask_that_covers_a_tools_output_is_caught():
    row = rows([sample()], tiny())[0]
    everything = replace(row, labels=row.input_ids)

    with pytest.raises(DataError, match="the loss covers a tool's output"):
        check(sample(), everything, tokens.load(tiny().base), tiny())


def test_a_turn_whose_end_is_not_learned_is_caught():
    row = rows([sample()], tiny())[0]
    end = tokens.load(tiny().base).special("<|im_end|>")

    with pytest.raises(DataError, match="the loss covers 0 ends of its 2 trained turns"):
        check(sample(), without(row, end), tokens.load(tiny().base), tiny())


def test_a_turn_opening_under_the_loss_is_caught():
    row = rows([sample()], tiny())[0]
    opening = array("i", [tokens.load(tiny().base).special("<|im_start|>")])

    with pytest.raises(DataError, match=r"the loss covers a <\|im_start\|>, which the student is given"):
        check(sample(), replace(row, labels=row.labels + opening), tokens.load(tiny().base), tiny())


def test_a_turn_of_somebody_else_is_not_trained_on():
    spoiled = sample().model_copy(update={"messages": tuple({**one, "train": True} for one in sample().messages)})

    with pytest.raises(DataError, match="sample s0 cannot be trained on: a turn that is not the assistant's is marked"):
        rows([spoiled], tiny())


def test_a_sample_without_a_trained_turn_is_refused():
    idle = sample().model_copy(update={"messages": tuple({**one, "train": False} for one in sample().messages)})

    with pytest.raises(DataError, match="no token of it would be learned; run `sera prepare` again"):
        rows([idle], tiny())


def test_a_sample_longer_than_the_student_is_refused():
    length = len(rows([sample()], tiny())[0].input_ids)
    short = tiny().model_copy(update={"context": length - 1})

    with pytest.raises(DataError, match=f"it has {length} tokens, and the student reads {length - 1}"):
        rows([sample()], short)
    assert len(rows([sample()], short.model_copy(update={"context": length}))) == 1


def without(row: Row, id_: int) -> Row:
    return replace(row, labels=array("i", [IGNORED if label == id_ else label for label in row.labels]))


@cache
def student(family: Name) -> Student:
    pytest.importorskip("transformers")
    return families.student(family)


def spoken(messages: list[Message], family: Name) -> Sample:
    flat = wire.flatten(messages, TOOLS, student(family).wire)
    return Sample(id="s", messages=tuple(flat), origin="first", kept=1, steps=1, tokens=1)


@pytest.mark.parametrize("family", NAMES)
def test_every_family_learns_its_calls_and_its_ends(family: Name):
    row = rows([spoken(chat(), family)], student(family))[0]
    text = tokens.load(student(family).base).decode([label for label in row.labels if label != IGNORED])

    assert "I look." in text and "ls 0" in text and "Done." in text
    assert "secret" not in text and "Look at" not in text


@pytest.mark.parametrize(("family", "marker"), [
    ("qwen2.5", "<tool_call>"), ("qwen3-coder", "<tool_call>"), ("llama3", "<|python_tag|>"),
    ("mistral", "[TOOL_CALLS]"),
])
def test_a_hidden_call_is_caught_in_every_family(family: Name, marker: str):
    tokenizer = tokens.load(student(family).base)
    made = spoken(chat(), family)
    hidden = without(rows([made], student(family))[0], tokenizer.special(marker))

    with pytest.raises(DataError) as caught:
        check(made, hidden, tokenizer, student(family))
    assert f"the loss does not cover a {marker} that it writes" in str(caught.value)


@pytest.mark.parametrize(("family", "wrong"), [
    ("qwen2.5", "a <tool_call> that it reads"), ("qwen3-coder", "a tool's output"),
    ("llama3", "a <|begin_of_text|>, which the student is given"), ("mistral", "a <s>, which the student is given"),
])
def test_a_mask_over_everything_is_caught_in_every_family(family: Name, wrong: str):
    made = spoken(chat(), family)
    row = rows([made], student(family))[0]

    with pytest.raises(DataError) as caught:
        check(made, replace(row, labels=row.input_ids), tokens.load(student(family).base), student(family))
    assert f"the loss covers {wrong}" in str(caught.value)


MARKERS = ["<tool_call>", "</tool_call>", "<tool_response>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<|eot_id|>"]
TEXT = st.lists(st.sampled_from([*MARKERS, "<|im_end|>", "</s>", "{", "\n"]) | st.text(max_size=4), max_size=5)


@settings(deadline=None)
@given(st.sampled_from(NAMES), TEXT.map("".join), TEXT.map("".join), TEXT.map("".join))
def test_no_text_makes_the_check_fail(family: Name, thinking: str, said: str, command: str):
    first, user, calling, result, last = chat()
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": json.dumps({"command": command})}}
    talk = [
        {**first, "content": said}, {**user, "content": said},
        {**calling, "content": said, "reasoning_content": thinking, "tool_calls": [call]},
        {**result, "content": said}, {**last, "content": said}, {**last, "content": "Done.", "reasoning_content": said},
    ]  # fmt: skip
    made = spoken(talk, family)

    assert [row.id for row in rows([made], student(family))] == ["s"]


def test_rows_are_written_without_a_word(tmp_path, capfd):
    from datasets import enable_progress_bars

    found = rows([sample(1), sample(2)], tiny())  # making the student silences everything
    enable_progress_bars()
    keep(found, tmp_path / "rows")
    assert capfd.readouterr() == ("", "")
    assert kept(tmp_path / "rows")["id"][:] == ["s1", "s2"]
