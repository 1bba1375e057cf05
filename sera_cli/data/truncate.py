"""Conversations cut to a student's context, at whole steps: an assistant turn and what answered it."""

from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile

from sera_cli.harness.tokens import Tokenizer, turns
from sera_cli.types import Message, Value


class Cut(Value):
    """What is left of a conversation: `kept` of its `steps`, in `tokens`."""

    messages: tuple[Message, ...]
    kept: int
    steps: int
    tokens: int


Trim = Callable[[Sequence[Message]], Cut | None]
"""`cut`, knowing the tokenizer and the context."""


def cut(flat: Sequence[Message], tokenizer: Tokenizer, context: int) -> Cut | None:
    """The longest beginning that ends with a whole step and has at most `context` tokens (SERA paper, section 5.3).

    None when there is nothing to learn in it. What lies beyond the context is never tokenized.
    """
    lengths = (len(turn.ids) for turn in turns(flat, tokenizer))
    totals = list(takewhile(lambda total: total <= context, accumulate(lengths)))
    starts = [place for place, message in enumerate(flat) if message["role"] == "assistant"]
    ends = [end for end in [*starts[1:], len(flat)] if end <= len(totals)] if starts else []
    if not any(flat[start]["train"] for start in starts[: len(ends)]):
        return None
    end = ends[-1]
    return Cut(messages=tuple(flat[:end]), kept=len(ends), steps=len(starts), tokens=totals[end - 1])
