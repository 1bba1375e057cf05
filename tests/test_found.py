"""What every reader tells is fit for a JSON file."""

import json

from sera_cli.svg.found import clean, cut


def test_a_long_text_is_cut_and_says_so() -> None:
    assert cut("x" * 300) == "x" * 199 + "…"
    assert cut("x" * 200) == "x" * 200
    assert len(clean("x" * 20_000)) == 10_000


def test_half_of_a_pair_is_spelled_out() -> None:
    assert clean("a\ud800b") == "a\\ud800b"
    assert json.loads(json.dumps(clean("\udfff")).encode()) == "\\udfff"
