"""metrics.jsonl as it is written: begun, torn, begun again."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.train.log import Log
from sera_cli.train.metrics import Lot
from sera_cli.train.trackers import Tracker

LOTS = [Lot((f"s{2 * n}", f"s{2 * n + 1}"), 100, 25) for n in range(24)]
LOGS = {"loss": 0.5, "learning_rate": 1e-3, "grad_norm": 2.0}


class Clock:
    """Every look at it takes a quarter of a second."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def log(folder: Path, **more: Any) -> Log:
    return Log(folder / "metrics.jsonl", {"data": "d"}, LOTS, heldout=3, clock=Clock(), **more)


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in written(folder) if "heldout" not in row and "loss" in row]


def test_facts_come_first_and_every_step_says_what_it_read(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    for number in (1, 2):
        book.step(number, LOGS, 5_000_000)
    facts, first, second = written(tmp_path)
    assert facts == {"data": "d", "steps": 24}
    assert first == {
        "step": 1, "loss": 0.5, "lr": 1e-3, "grad_norm": 2.0, "tokens": 100, "tokens_per_second": 400.0,
        "trained_share": 0.25, "memory": 5_000_000, "seconds": 0.5, "ids": ["s0", "s1"],
    }  # fmt: skip
    assert (second["tokens"], second["ids"]) == (200, ["s2", "s3"])


def test_the_first_twenty_steps_name_their_samples_and_later_ones_do_not(tmp_path: Path) -> None:
    book = log(tmp_path)
    for number in range(1, 22):
        book.step(number, LOGS)
    assert written(tmp_path)[19]["ids"] == ["s38", "s39"]
    assert "ids" not in written(tmp_path)[20]


def test_time_for_what_is_no_step_does_not_slow_the_next_one_down(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    book.step(1, LOGS)
    book._clock.now += 1000  # a save
    book.sync()
    book.step(2, LOGS)
    assert [row["tokens_per_second"] for row in written(tmp_path)[1:]] == [400.0, 400.0]
    assert written(tmp_path)[2]["seconds"] > 1000


def test_on_resume_rows_past_the_checkpoint_are_cut_so_that_each_step_stands_once(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    book.heldout("base", 0, 2.0)
    for number in (1, 2, 3, 4):
        book.step(number, LOGS)
        if number in (2, 4):
            book.heldout("epoch", number, 1.0)
    book.stopped(4, "its loss is nan")

    again = log(tmp_path)
    again.begin(after=2)
    assert steps(tmp_path) == [1, 2]
    assert [(row["heldout"], row["step"], row["samples"]) for row in written(tmp_path) if "heldout" in row] == [
        ("base", 0, 3), ("epoch", 2, 3)]
    again.step(3, LOGS)
    assert steps(tmp_path) == [1, 2, 3]


def test_seconds_go_on_from_where_the_checkpoint_was(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    for number in (1, 2, 3):
        book.step(number, LOGS)
    again = log(tmp_path)
    again.begin(after=2)
    again.step(3, LOGS)
    assert [row["seconds"] for row in written(tmp_path)[1:]] == [0.5, 1.0, 1.5]


def test_a_training_begun_anew_keeps_nothing_of_the_one_before(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    book.heldout("base", 0, 2.0)
    book.step(1, LOGS)
    log(tmp_path).begin(after=-1)
    assert written(tmp_path) == [{"data": "d", "steps": 24}]


def test_a_line_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.begin()
    book.step(1, LOGS)
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "loss": 0.')
    again = log(tmp_path)
    again.begin(after=1)
    again.step(2, LOGS)
    assert steps(tmp_path) == [1, 2]


@settings(max_examples=20)
@given(every=st.integers(1, 9), kills=st.lists(st.tuples(st.integers(1, 24), st.binary(max_size=30)), max_size=5))
def test_wherever_it_was_killed_the_file_comes_to_hold_what_an_undisturbed_one_holds(
    every: int, kills: list[tuple[int, bytes]]
) -> None:
    """A checkpoint is made after so many steps; each kill comes after some step, in the middle of writing a row."""
    with TemporaryDirectory() as whole, TemporaryDirectory() as broken:
        attempt(log(Path(whole)), 0, 24, every)
        saved = 0
        for last, torn in kills:
            attempt(log(Path(broken)), saved, last, every)
            saved = max(saved, last // every * every)
            with (Path(broken) / "metrics.jsonl").open("ab") as file:
                file.write(torn.replace(b"\n", b""))
        attempt(log(Path(broken)), saved, 24, every)
        assert untimed(Path(broken)) == untimed(Path(whole))


def attempt(book: Log, after: int, last: int, every: int) -> None:
    book.begin(after=after or -1)
    if not after:
        book.heldout("base", 0, 2.0)
    for number in range(after + 1, last + 1):
        book.step(number, LOGS)
        if number % every == 0:
            book.heldout("epoch", number, 1.0)
            book.sync()


def untimed(folder: Path) -> list[dict[str, Any]]:
    timed = ("seconds", "tokens_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in written(folder)]


def test_a_row_is_in_the_file_when_the_process_is_killed_right_after_it(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tests.test_log import LOGS, log\n"
        "book = log(Path(sys.argv[1])); book.begin(); book.step(1, LOGS)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parent.parent)
    assert (ran.returncode, steps(tmp_path)) == (-signal.SIGKILL, [1])


def test_a_number_that_is_none_is_still_json(tmp_path: Path) -> None:
    book = log(tmp_path)
    book.step(1, {"loss": float("nan"), "learning_rate": 0.1, "grad_norm": float("inf")})
    assert (written(tmp_path)[0]["loss"], written(tmp_path)[0]["grad_norm"]) == (None, None)


def test_a_tracker_is_shown_every_row_from_where_the_training_goes_on(tmp_path: Path) -> None:
    heard: list[object] = []

    def tracked(after: int) -> Tracker:
        heard.append(f"opened after {after}")
        return Tracker(heard.append, lambda: heard.append("closed"))

    book = log(tmp_path, tracked=tracked)
    book.begin(after=-1)
    book.step(1, LOGS)
    book.heldout("agent", 1, 0.5)
    book.close()
    assert heard == ["opened after 0", *written(tmp_path)[1:], "closed"]


def test_a_full_disk_is_one_line_that_says_how_to_go_on(tmp_path: Path) -> None:
    """A limit on the size of a file stands in for it."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from sera_cli.errors import DataError; from tests.test_log import LOGS, log\n"
        "book = log(Path(sys.argv[1])); book.begin()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "try: book.step(1, LOGS)\n"
        "except DataError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    said = "File too large; free some disk, and train again to go on"
    assert ran.stdout == f"{tmp_path / 'metrics.jsonl'}: {said}\n"
    log(tmp_path).begin(after=0)
    assert steps(tmp_path) == []
