from array import array
from dataclasses import replace

import pytest

from sera_cli.errors import DataError
from sera_cli.harness import tokens
from sera_cli.train.rows import IGNORED, check, rows
from tests.students import sample, tiny


def test_only_what_the_assistant_wrote_is_learned():
    row = rows([sample(3)], tiny())[0]
    text = tokens.load(tiny().base).decode([label for label in row.labels if label != IGNORED])

    assert text == (
        '<think>\nI look.\n</think>\n\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls 3"}}\n</tool_call>'
        "<|im_end|>Done.<|im_end|>"
    )


def test_a_codec_that_hides_the_call_from_the_loss_is_caught():
    row = rows([sample()], tiny())[0]
    marker = tokens.load(tiny().base).special("<tool_call>")
    hidden = replace(row, labels=array("i", [-100 if label == marker else label for label in row.labels]))

    with pytest.raises(DataError, match="the loss does not cover a <tool_call>"):
        check(sample(), hidden, tokens.load(tiny().base), tiny())


def test_a_mask_that_covers_a_tools_output_is_caught():
    row = rows([sample()], tiny())[0]
    everything = replace(row, labels=row.input_ids)

    with pytest.raises(DataError, match="the loss covers a tool's output"):
        check(sample(), everything, tokens.load(tiny().base), tiny())


def test_a_sample_longer_than_the_student_is_refused():
    short = tiny().model_copy(update={"context": 20})

    with pytest.raises(DataError, match="tokens, and the student reads 20"):
        rows([sample()], short)
