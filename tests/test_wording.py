"""What is left of a message when what git, forges and robots add is taken away."""

import pytest

from sera_cli.wording import counted, output, plain, robot


def test_a_message_is_its_title_and_its_prose() -> None:
    message = "Merge pull request #7 from ada/dates\n\nRead dates (#7)\n\nThey were not.\n\nSigned-off-by: Ada <a@b>\n"
    assert plain(message) == ("Read dates", "They were not.")


def test_a_bare_merge_says_nothing() -> None:
    assert plain("Merge branch 'stable' into main\n") == ("", "")


@pytest.mark.parametrize("message", ["Bump a from 1 to 2", "Release v1.2", "x\n\nCo-authored-by: dependabot[bot]"])
def test_robots_are_known(message: str) -> None:
    assert robot(message)
    assert not robot("Read dates of any century")


def test_an_answer_is_what_stands_in_the_last_tags() -> None:
    assert output("<output>one</output> or <output> two\n</output>") == "two"
    assert output("<output> </output>") is None


def test_one_is_no_plural() -> None:
    assert [counted(number, "task") for number in (0, 1, 2, 1200)] == ["0 tasks", "1 task", "2 tasks", "1,200 tasks"]
    assert [counted(number, "batch", "batches") for number in (1, 2)] == ["1 batch", "2 batches"]
