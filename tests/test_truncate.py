import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.data.truncate import Cut, cut
from sera_cli.harness.tokens import encode
from sera_cli.types import Message
from tests.letters import Letters


def turn(role: str, content: str, train: bool = False) -> Message:
    return {"role": role, "content": content, "train": train}


# tokens: role and content, and 4 for <|im_start|>, <|im_end|> and two newlines
TALK = [
    turn("user", "12345678"),              # 16
    turn("assistant", "look", True),       # 17: 33
    turn("user", "seen"),                  # 12: 45
    turn("assistant", "do", True),         # 15: 60
    turn("user", "done"),                  # 12: 72
    turn("assistant", "submit", True),     # 19: 91
]


def shape(made: Cut | None) -> tuple[int, int, int, int] | None:
    return (len(made.messages), made.kept, made.steps, made.tokens) if made else None


@pytest.mark.parametrize(("context", "left"), [
    (1000, (6, 3, 3, 91)), (91, (6, 3, 3, 91)), (90, (5, 2, 3, 72)), (72, (5, 2, 3, 72)), (71, (3, 1, 3, 45)),
    (45, (3, 1, 3, 45)), (44, None), (0, None),
])
def test_a_conversation_is_cut_after_the_last_step_that_fits_whole(
    context: int, left: tuple[int, int, int, int] | None
) -> None:
    assert shape(cut(TALK, Letters(), context)) == left


def test_nothing_is_left_when_no_kept_turn_is_trained_on() -> None:
    spoiled = [TALK[0], {**TALK[1], "train": False}, *TALK[2:]]
    assert cut(spoiled, Letters(), 59) is None
    assert shape(cut(spoiled, Letters(), 72)) == (5, 2, 3, 72)


def test_a_conversation_without_an_assistant_teaches_nothing() -> None:
    assert cut([turn("user", "hi")], Letters(), 1000) is None
    assert cut([], Letters(), 1000) is None


def test_what_lies_beyond_the_context_is_never_tokenized() -> None:
    class Counting(Letters):
        seen = 0

        def encode(self, text: str) -> list[int]:
            self.seen += len(text)
            return super().encode(text)

    tokenizer = Counting()
    cut([*TALK, *[turn("user", "x" * 1000)] * 50], tokenizer, 100)
    assert tokenizer.seen < 1200


TURNS = st.lists(
    st.builds(turn, st.sampled_from(["user", "assistant"]), st.text("ab", max_size=6), st.booleans()), max_size=8
)


@given(TURNS, st.integers(0, 200))
def test_the_count_is_the_encoding_s_and_fits(flat: list[Message], context: int) -> None:
    made = cut(flat, Letters(), context)
    if made:
        assert len(encode(made.messages, Letters()).ids) == made.tokens <= context
        assert list(made.messages) == flat[: len(made.messages)]
        assert len(made.messages) == len(flat) or flat[len(made.messages)]["role"] == "assistant"
