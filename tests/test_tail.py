import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sera_cli import runs, store
from sera_cli.cli import tail
from sera_cli.cli.app import app
from sera_cli.runs import Run
from sera_cli.types import Record, Task, Trajectory, Usage, Verdict
from tests.rollouts import rollout, task

TOLD = {"stage": "verdicts", "id": "v1", "recall": 0.5, "matched": 1, "target": 2}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / ".git").mkdir()
    found = runs.named(tmp_path, "r")
    found.folder.mkdir(parents=True)
    return found


def verdict(id_: str, recall: float | None = 0.5) -> Verdict:
    return Verdict(id=id_, recall=recall, matched=1, target=2)


def add(path: Path, *records: Record, torn: bytes = b"") -> None:
    with path.open("ab") as file:
        file.write(b"".join(map(store.line, records)) + torn)


def begin(path: Path, kind: type[Record], *records: Record) -> None:
    path.write_bytes(store.header(kind))
    add(path, *records)


def test_each_kind_of_record_is_one_line(run: Run) -> None:
    usage = Usage(prompt=1200, completion=34)
    begin(run.explored, Trajectory, rollout("t1", usage=usage, seconds=1.25, check=None))
    begin(run.issues, Task, task("t1", statement="\nIt is\x1b[31m wrong\nin two lines"), task("t2", error="no answer"))
    begin(run.reproduced, Trajectory, rollout("t1", check=False, exit="error", error="it broke"))
    begin(run.verdicts, Verdict, verdict("t1", None))
    shown = CliRunner().invoke(app, ["runs", "tail", "r", "-C", str(run.folder)]).stdout.splitlines()
    assert shown == [
        "explored    t1  function f, exit submitted, steps 0, tokens 1,234, seconds 1.25, attempt 1",
        "issues      t1  function f, statement It is\N{REPLACEMENT CHARACTER}[31m wrong",
        "issues      t2  function f, error no answer",
        "reproduced  t1  function f, exit error, check no, steps 0, tokens 0, seconds 0.00, attempt 1, error it broke",
        "verdicts    t1  recall none, matched 1, target 2",
    ]


def test_only_the_latest_of_a_stage_are_told(run: Run) -> None:
    begin(run.verdicts, Verdict, *(verdict(f"v{number}") for number in range(9)))
    words = ["runs", "tail", "r", "-C", str(run.folder), "-n", "2", "--jsonl"]
    said = [json.loads(line) for line in CliRunner().invoke(app, words).stdout.splitlines()]
    assert said == [TOLD | {"id": "v7"}, TOLD | {"id": "v8"}]
    assert list(tail.happening(run, 0)) == []
    assert [row["id"] for row in tail.happening(run, 99)] == [f"v{number}" for number in range(9)]


def test_the_latest_are_found_from_the_end_of_a_long_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(run.verdicts, Verdict, *(verdict(f"v{number}") for number in range(50)))
    whole = [row["id"] for row in tail.happening(run, 7)]
    monkeypatch.setattr(tail, "BLOCK", 13)
    assert [row["id"] for row in tail.happening(run, 7)] == whole == [f"v{number}" for number in range(43, 50)]


def test_a_torn_line_is_told_once_it_is_whole(run: Run) -> None:
    begin(run.verdicts, Verdict)
    text = store.line(verdict("v2"))
    steps: list[Callable[[], None]] = [
        lambda: add(run.verdicts, verdict("v1"), torn=text[:9]), lambda: add(run.verdicts, torn=text[9:]),
    ]  # fmt: skip
    assert [row["id"] for row in followed(run, steps)] == ["v1", "v2"]


def test_a_file_put_in_place_anew_is_told_from_its_beginning(run: Run) -> None:
    begin(run.verdicts, Verdict, verdict("old"))
    steps: list[Callable[[], None]] = [lambda: store.write(run.verdicts, Verdict, [verdict("n1"), verdict("n2")])]
    assert [row["id"] for row in followed(run, steps)] == ["old", "n1", "n2"]


def test_a_torn_tail_that_the_next_start_cuts_off_changes_nothing(run: Run) -> None:
    begin(run.verdicts, Verdict, verdict("v1"))
    size = run.verdicts.stat().st_size
    steps: list[Callable[[], None]] = [
        lambda: add(run.verdicts, torn=b'{"id": "v'), lambda: cut(run.verdicts, size),
        lambda: add(run.verdicts, verdict("v2")),
    ]  # fmt: skip
    assert [row["id"] for row in followed(run, steps)] == ["v1", "v2"]


def test_a_stage_that_begins_while_it_is_followed_is_told(run: Run) -> None:
    steps: list[Callable[[], None]] = [lambda: begin(run.explored, Trajectory, rollout("t1"))]
    assert [(row["stage"], row["id"]) for row in followed(run, steps)] == [("explored", "t1")]


def test_a_training_is_told_step_by_step_with_what_was_held_out(run: Run) -> None:
    run.training.mkdir()
    step = {"step": 12, "loss": 0.5, "lr": 1e-5, "tokens": 900, "tokens_per_second": 80.0, "memory": 2_400_000_000,
            "ids": ["s1"]}  # fmt: skip
    rows = [{"data": "d", "steps": 12}, step, {"heldout": "agent", "step": 12, "loss": 0.75, "samples": 3},
            {"stopped": "its loss is nan", "step": 12}]  # fmt: skip
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = list(tail.happening(run, 99))
    assert told == [
        {"stage": "training", "id": "step 12", "loss": 0.5, "lr": 1e-5, "tokens_per_second": 80.0,
         "memory": 2_400_000_000},
        {"stage": "training", "id": "step 12", "heldout": "agent", "loss": 0.75},
        {"stage": "training", "id": "step 12", "stopped": "its loss is nan"},
    ]  # fmt: skip
    assert tail._words(told[0]) == "training    step 12  loss 0.50, lr 1.0e-05, tokens per second 80.00, memory 2.4 GB"


def test_lines_that_are_no_records_are_passed_over(run: Run) -> None:
    begin(run.verdicts, Verdict, verdict("v1"))
    add(run.verdicts, torn=b'not json\n[1]\n{"id": "x"}\n\xff\n' + store.line(verdict("v2")))
    assert [row["id"] for row in tail.happening(run, 99)] == ["v1", "v2"]


def test_a_run_in_which_nobody_works_is_not_followed_for_ever(run: Run) -> None:
    begin(run.verdicts, Verdict, verdict("v1"))
    done = CliRunner().invoke(app, ["runs", "tail", "r", "-C", str(run.folder), "-f"])
    assert (done.exit_code, done.stdout.split()[:2]) == (0, ["verdicts", "v1"])


def cut(path: Path, size: int) -> None:
    with path.open("rb+") as file:
        file.truncate(size)


def followed(run: Run, steps: list[Callable[[], None]]) -> list[tail.Row]:
    """What is told while somebody who holds the run takes one step between two looks, and then lets it go."""
    held = runs.held(run)
    held.__enter__()

    def wait(seconds: float) -> None:
        assert seconds == tail.EVERY
        if steps:
            steps.pop(0)()
        else:
            held.__exit__(None, None, None)

    return list(tail.happening(run, 99, following=True, wait=wait))
