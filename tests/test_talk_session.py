"""Conversations on disk, through crashes."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from sera_cli.agents.talk.session import Session, Turn, find, fresh, kept
from sera_cli.errors import ConfigError
from sera_cli.types import Usage

NOW = datetime(2026, 11, 20, 21, 5, 3)
HI, YES = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes \udc80\u2028?"}


def spoken(folder: Path, now: datetime = NOW) -> Session:
    session = fresh(folder, now)
    session.note("begin", model="shop@1", place="copy", begun="c0\n")
    session.note("turn", said="Hi  there\nyou", before="c0\n")
    session.note("messages", messages=[HI, YES])
    session.note("used", model="shop@1", usage=Usage(prompt=3).model_dump())
    session.note("used", model="shop@1", usage=Usage(prompt=4).model_dump())
    session.note("ended", after="c0\nx")
    return session


def test_a_conversation_is_read_as_it_was_written(tmp_path: Path) -> None:
    session = spoken(tmp_path)
    (found,) = kept(tmp_path)
    assert (found.path, found.model, found.place, found.begun) == (session.path, "shop@1", "copy", "c0\n")
    assert found.messages == (HI, YES)
    assert found.turns == (Turn(said="Hi  there\nyou", before="c0\n", after="c0\nx"),)
    assert found.used == {"shop@1": Usage(prompt=7)}
    assert (found.title, found.about) == ("20261120-210503", "Hi there you")
    assert session.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_passed_over_and_what_follows_is_not(tmp_path: Path) -> None:
    session = spoken(tmp_path)
    with session.path.open("ab") as file:
        file.write(b'{"kind": "turn", "sai')
    assert len(kept(tmp_path)[0].turns) == 1
    Session(session.path).note("turn", said="More", before="m")
    assert [turn.said for turn in kept(tmp_path)[0].turns] == ["Hi  there\nyou", "More"]


def test_what_was_undone_is_gone_from_the_conversation(tmp_path: Path) -> None:
    session = spoken(tmp_path)
    session.note("turn", said="More", before="m")
    session.note("messages", messages=[HI])
    session.note("undone")
    assert kept(tmp_path)[0].messages == (HI, YES)


def test_a_conversation_is_found_by_name_number_and_as_the_last(tmp_path: Path) -> None:
    first, second = spoken(tmp_path), spoken(tmp_path)
    first.note("named", name="fix")
    os.utime(first.path, (1, 1))
    assert find(tmp_path, "last").path == find(tmp_path, "1").path == second.path
    assert {find(tmp_path, name).path for name in ("fix", "2", "20261120-210503")} == {first.path}
    with pytest.raises(ConfigError, match="no conversation is called 'none'; there are 20261120-210503-2, fix"):
        find(tmp_path, "none")


def test_a_conversation_in_which_nothing_was_said_is_none(tmp_path: Path) -> None:
    fresh(tmp_path, NOW).note("begin", model="m", place="copy", begun="")
    assert kept(tmp_path) == []
    with pytest.raises(ConfigError, match="begin one with: sera chat"):
        find(tmp_path, "last")


@pytest.mark.parametrize(
    "row", ['{"kind": "turn"}', '{"kind": "messages", "messages": 3}', '{"kind": "begin", "begun": 3}'])
def test_a_file_that_is_no_conversation_hides_no_other(tmp_path: Path, row: str) -> None:
    (tmp_path / "broken.jsonl").write_text(f"{row}\n")
    session = Session(tmp_path / "whole.jsonl")
    session.note("turn", said="Mend it.", before="b")
    assert [one.about for one in kept(tmp_path)] == ["Mend it."]
