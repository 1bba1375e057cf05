"""What reaches a terminal or a pipe, and that repository text stays data on its way there."""

import json
from collections.abc import Iterator

import pytest

from sera_cli import console

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Consoles hold on to the stream they first saw; each test brings another."""
    console.err.cache_clear()
    console.out.cache_clear()
    yield
    console.err.cache_clear()
    console.out.cache_clear()


def test_brackets_and_colons_of_code_are_not_read_as_markup(capsys: Captured) -> None:
    console.say("items[0] [red]x[/red] :smile:")
    assert capsys.readouterr().err == "items[0] [red]x[/red] :smile:\n"


def test_a_terminal_breaks_prose_between_words_and_leaves_what_may_be_copied_whole(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "12")
    console.say("nothing but words", prose=True)
    console.say("nothing but words")
    assert capsys.readouterr().err.replace(" \n", "\n") == "nothing but\nwords\nnothing but words\n"


def test_a_path_in_prose_is_not_broken_and_may_be_wider_than_the_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "12")
    console.say("see /a/very/long/path.py for it", prose=True)
    assert capsys.readouterr().err == "see\n/a/very/long/path.py\nfor it\n"


@pytest.mark.parametrize(("bars", "below"), [(0, "\n"), (1, "\n"), (3, "\n\n\n")])
def test_what_is_said_when_stopped_is_out_of_reach_of_the_bars_drawn_after_it(
    bars: int, below: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with console.board() as tell:
        for number in range(bars):
            tell(f"bar {number}", 1, 2)
        capfd.readouterr()
        console.urgent("stopped")
        assert f"\nstopped{below}" in (said := capfd.readouterr().err)
        assert f"\nstopped{below}\n" not in said
    console.urgent("stopped")
    assert capfd.readouterr().err.endswith("\nstopped\n")


def test_prose_in_a_pipe_is_one_line(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    console.say("nothing but words", prose=True)
    assert capsys.readouterr().err == "nothing but words\n"


def test_an_escape_sequence_never_reaches_the_terminal(capsys: Captured) -> None:
    console.show("a\x1b[2Jb\x9bc")
    console.show(console.table(("path",), [("\x1b]0;title\x07",)]))
    assert "\x1b" not in (said := capsys.readouterr().out)
    assert said.splitlines()[0] == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c"


def test_a_path_that_is_not_utf_8_can_be_said_and_put_in_json(capsys: Captured) -> None:
    path = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    console.say(path)
    console.document({"path": path})
    said = capsys.readouterr()
    assert said.err == "caf\\udce9.py\n"
    assert json.loads(said.out) == {"path": path}


def test_a_document_is_json_whatever_its_length(capsys: Captured) -> None:
    value = {"long": "x " * 500, "markup": "[bold]", "umlaut": "ü"}
    console.document(value)
    said = capsys.readouterr().out
    assert json.loads(said) == value
    assert "ü" in said


def test_a_row_in_a_pipe_is_one_line(capsys: Captured) -> None:
    console.show(console.table(("name", "count"), [("n" * 300, 7), ("short", 12)]))
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said] == [["name", "count"], ["n" * 300, "7"], ["short", "12"]]
    assert said[1].endswith("    7")


def test_a_narrow_terminal_cuts_no_name_short(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "14")
    console.show(console.table(("run", "state"), [("click-900f8207-82d009", "ended")]))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "".join(row[0] for row in rows[1:]) == "click-900f8207-82d009"


def test_prose_that_was_asked_for_is_broken_between_words_in_a_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "14")
    console.show("what a person reads", prose=True)
    console.show("what/a/person/copies")
    assert capsys.readouterr().out == "what a person\nreads\nwhat/a/person/copies\n"


def test_progress_without_a_terminal_says_the_beginning_and_the_end(capsys: Captured) -> None:
    with console.board() as board:
        for done in range(1, 1001):
            board("explore", done, 1000, "2 failed")
    assert capsys.readouterr().err == "explore 1/1000  2 failed\nexplore 1000/1000  2 failed\n"


def test_progress_that_is_cut_short_says_how_far_it_came(capsys: Captured) -> None:
    with pytest.raises(KeyboardInterrupt), console.board() as board:
        board("explore", 1, 9)
        board("reproduce", 1)
        board("explore", 5, 9)
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "explore 1/9\nreproduce 1\nexplore 5/9\n"


def test_a_work_that_goes_on_after_it_has_enough_says_its_end_once_and_before_what_follows(capsys: Captured) -> None:
    with console.board() as board:
        with board.whole("generate"):
            for explored in range(1, 5):
                board("generate", min(explored, 2), 2, f"{explored} explored")
        board("train", 1, 1)
        with board.whole("train"):
            board("train", 1, 1)
    assert capsys.readouterr().err == "generate 1/2  1 explored\ngenerate 2/2  4 explored\ntrain 1/1\n"


def test_a_line_of_progress_comes_every_few_seconds(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 4.0, 11.0, 12.0, 22.0])
    monkeypatch.setattr(console, "monotonic", lambda: next(now))
    with console.board() as board:
        for done in range(5):
            board("mine", done, 9)
    assert capsys.readouterr().err == "mine 0/9\nmine 2/9, 0:00:38 left\nmine 4/9, 0:00:28 left\n"


def test_the_time_left_follows_the_pace_and_not_what_a_resumed_run_found_done() -> None:
    pace = console.Pace()
    assert [pace.left(done, 1000, 0.0) for done in range(500)] == [""] * 500
    said = [pace.left(500 + number, 1000, 10.0 * (number + 1)) for number in range(40)]
    assert said[0] == "0:02:41 left"
    assert said[-2:] == ["1:17:00 left", "1:16:50 left"]


@pytest.mark.parametrize(("done", "total"), [(5, None), (9, 9), (0, 9)])
def test_nothing_is_said_of_time_left_when_there_is_nothing_to_say(done: int, total: int | None) -> None:
    pace = console.Pace()
    assert (pace.left(0, total, 0.0), pace.left(done, total, 60.0)) == ("", "")


def test_a_terminal_gets_bars(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with console.board() as board:
        board("explore", 3, 9, "[1] failed")
    said = capsys.readouterr().err
    assert "3/9" in said
    assert "[1] failed" in said


def test_a_long_note_never_takes_a_second_line_of_the_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with console.board() as board:
        board("generate", 3, 8400, "4000 explored, 3900 written up, 3000 reproduced, 1.2G tokens")
    said = capsys.readouterr().err
    assert "4000 explored" in said and "…" in said
    assert "3/8400" in said
    assert "tokens" not in said


@pytest.mark.parametrize(("columns", "bar", "clock"), [(60, False, False), (80, False, True), (120, True, True)])
def test_a_narrow_terminal_has_room_for_what_comes_of_a_work(
    columns: int, bar: bool, clock: bool, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with console.board() as board:
        board("evaluate", 4, 6, "4 unresolved, 130.9k tokens")
    said = capsys.readouterr().err
    assert "4 unresolved, 130.9k tokens" in said
    assert ("━" in said, "0:00:00" in said) == (bar, clock)


def test_the_time_left_grows_less_while_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 40.2, 99.0, 101.0])
    monkeypatch.setattr(console, "monotonic", lambda: next(now))
    left = console.Left(100.0)
    assert [f"{left}" for _ in range(4)] == ["0:01:30 left", "0:01:00 left", "0:00:01 left", ""]


def test_no_color_is_obeyed(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console.say("plain", style="red")
    assert capsys.readouterr().err == "plain\n"


def test_a_patch_in_a_pipe_is_exact(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    console.exactly("+caf\udce9\r\n+\x0c[red]\n")
    assert capfdbinary.readouterr().out == b"+caf\xe9\r\n+\x0c[red]\n"
