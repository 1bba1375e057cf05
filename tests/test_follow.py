"""What is told of a training by whoever only reads its file."""

import json
from collections.abc import Callable
from pathlib import Path

from sera_cli.train.follow import EVERY, Mark, follow, following, look
from sera_cli.train.log import Log
from sera_cli.train.metrics import Lot

LOTS = [Lot((f"s{n}",), 100, 25) for n in range(4)]
Told = list[tuple[int, int, str]]


def log(folder: Path, clock: Callable[[], float] = lambda: 0.0) -> Log:
    return Log(folder / "m.jsonl", {}, LOTS, clock=clock)


def step(book: Log, number: int) -> None:
    book.step(number, {"loss": 1 / number, "learning_rate": 0.1, "grad_norm": 1.0})


def heard(told: Told) -> list[tuple[int, int, str]]:
    return [(step, steps, words.partition(",")[0]) for step, steps, words in told]


def test_the_latest_step_is_told_whenever_there_is_a_new_one_until_the_writer_is_gone(tmp_path: Path) -> None:
    book, told = log(tmp_path), Told()
    doing = iter([book.begin, lambda: step(book, 1), lambda: (step(book, 2), step(book, 3)), lambda: None])
    going = iter([True, True, True, True, False])

    def wait(seconds: float) -> None:
        assert seconds == EVERY
        next(doing)()

    follow(tmp_path / "m.jsonl", lambda *one: told.append(one), lambda: next(going), wait=wait)
    assert heard(told) == [(1, 4, "loss 1.000"), (3, 4, "loss 0.333")]


def test_what_is_written_just_before_the_writer_is_gone_is_told(tmp_path: Path) -> None:
    book, told = log(tmp_path), Told()
    with following(tmp_path / "m.jsonl", lambda *one: told.append(one)):
        book.begin()
        for number in (1, 2, 3, 4):
            step(book, number)
    assert heard(told)[-1] == (4, 4, "loss 0.250")


def test_a_file_that_was_cut_for_a_resume_is_read_from_its_beginning(tmp_path: Path) -> None:
    book, told = log(tmp_path), Told()
    book.begin()
    step(book, 1), step(book, 2)
    mark = look(book.path, lambda *one: told.append(one), Mark())
    book.begin(after=1)
    mark = look(book.path, lambda *one: told.append(one), mark)
    step(book, 2)
    look(book.path, lambda *one: told.append(one), mark)
    assert [number for number, _, _ in told] == [2, 1, 2]


def test_a_line_that_is_being_written_waits_for_its_rest(tmp_path: Path) -> None:
    path, told = tmp_path / "m.jsonl", Told()
    row = json.dumps({"step": 1, "loss": 0.5, "tokens_per_second": 10.0}) + "\n"
    path.write_text('{"steps": 7}\n' + row[:20])
    mark = look(path, lambda *one: told.append(one), Mark())
    path.write_text('{"steps": 7}\n' + row)
    look(path, lambda *one: told.append(one), mark)
    assert told == [(1, 7, "loss 0.500, 10 tokens/s")]


def test_held_out_losses_are_not_taken_for_steps(tmp_path: Path) -> None:
    book, told = log(tmp_path), Told()
    book.begin()
    book.heldout("base", 0, 2.0)
    look(book.path, lambda *one: told.append(one), Mark())
    assert told == []


def test_a_line_that_is_none_is_passed_over_and_what_follows_is_told(tmp_path: Path) -> None:
    path, told = tmp_path / "m.jsonl", Told()
    row = json.dumps({"step": 1, "loss": 0.5, "tokens_per_second": 10.0}) + "\n"
    path.write_text('{"steps": 7}\n\0\0\n7\n' + row)
    look(path, lambda *one: told.append(one), Mark())
    assert [step for step, _, _ in told] == [1]
