"""A tokenizer that remembers: what it says is what the one behind it says, and that is asked once."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sera_cli.agents.serving.remembered import Remembered


class Letters:
    """Reads letter by letter, and notes what it was asked to read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, text: str) -> list[int]:
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        self.asked += texts
        return [[*map(ord, text)] for text in texts]

    def special(self, name: str) -> int:
        return -len(name)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def test_of_a_conversation_that_grows_only_what_is_new_is_read() -> None:
    letters = Letters()
    read = Remembered(letters)
    assert read.batch(["a", "b", "a"]) == [[97], [98], [97]]
    assert read.batch(["a", "b", "c"]) == [[97], [98], [99]]
    assert letters.asked == ["a", "b", "c"]
    assert (read.special("<eos>"), read.decode([97])) == (-5, "a")


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    letters = Letters()
    read = Remembered(letters, most=4)
    for text in ("aa", "bb", "aa", "cc", "aa", "bb"):
        read.encode(text)
    assert letters.asked == ["aa", "bb", "cc", "bb"]


def test_a_text_longer_than_all_that_is_kept_is_read_and_forgotten() -> None:
    letters = Letters()
    read = Remembered(letters, most=2)
    assert [read.encode("abc"), read.encode("abc")] == [[97, 98, 99]] * 2
    assert letters.asked == ["abc", "abc"]


@given(st.lists(st.lists(st.text(max_size=4), max_size=5), max_size=8), st.integers(0, 10))
def test_it_says_what_the_tokenizer_says(asked: list[list[str]], most: int) -> None:
    read = Remembered(Letters(), most)
    assert [read.batch(texts) for texts in asked] == [Letters().batch(texts) for texts in asked]
