"""What a training's file tells whoever reads it."""

import json
from math import isnan
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.train.metrics import Lot, lots, read, words

STEP = {"step": 1, "loss": 0.5, "lr": 1e-5, "grad_norm": 0.25, "tokens": 900, "tokens_per_second": 1234.5,
        "trained_share": 0.2, "memory": 41_200_000_000, "seconds": 1.0}  # fmt: skip


def written(path: Path, *rows: object, torn: str = "") -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)
    return path


def test_a_step_reads_the_next_batch_of_the_sequence_and_the_last_one_what_is_left() -> None:
    samples = [Lot(("a",), 10, 4), Lot(("b",), 20, 5), Lot(("c",), 30, 6)]
    assert lots(samples, [2, 0, 1, 1, 2], 2) == [
        Lot(("c", "a"), 40, 10), Lot(("b", "b"), 40, 10), Lot(("c",), 30, 6)]


def test_steps_held_out_losses_and_the_end_are_told_apart(tmp_path: Path) -> None:
    base, epoch, agent = ({"heldout": who, "step": step, "loss": loss, "samples": 3}
                          for who, step, loss in (("base", 0, 2.0), ("epoch", 1, 1.0), ("agent", 2, 0.75)))
    path = written(tmp_path / "m", {"data": "d", "steps": 2}, base, STEP, epoch,
                   STEP | {"step": 2, "loss": 0.25}, agent, {"stopped": "too late", "step": 2})
    found = read(path)
    assert (found.facts["data"], found.losses, found.stopped) == ("d", [0.5, 0.25], "too late")
    assert [found.held(who) for who in ("base", "epoch", "agent")] == [2.0, 1.0, 0.75]


def test_what_is_not_there_yet_tells_nothing(tmp_path: Path) -> None:
    found = read(tmp_path / "none")
    assert (found.facts, found.losses, found.held("base"), found.stopped) == ({}, [], None, "")


def test_a_torn_last_line_is_passed_over_and_a_broken_one_before_it_is_named(tmp_path: Path) -> None:
    assert read(written(tmp_path / "m", {"steps": 9}, STEP, torn='{"step": 2, "lo')).losses == [0.5]
    with pytest.raises(DataError, match=r"m:2: is no JSON object; move the file away"):
        read(written(tmp_path / "m", {"steps": 9}, 7, STEP))


def test_a_loss_that_is_no_number_is_one_again_when_it_is_read(tmp_path: Path) -> None:
    assert isnan(read(written(tmp_path / "m", {}, STEP | {"loss": None})).losses[0])


def test_a_step_is_told_with_what_matters_most_first() -> None:
    assert words(STEP) == "loss 0.500, 1,234 tokens/s, gradient 0.25, lr 1.0e-05, 41.2 GB"
    assert words(STEP | {"loss": None, "grad_norm": None, "memory": 0}) == "loss nan, 1,234 tokens/s, lr 1.0e-05"
