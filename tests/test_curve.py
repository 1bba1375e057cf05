"""What a person sees of a training at its end."""

import json
from pathlib import Path

import pytest

from sera_cli.cli import curve
from sera_cli.runs import Run


def trained(run: Run, folder: Path, losses: list[float | None]) -> Run:
    folder.mkdir(parents=True)
    rows = [{"steps": len(losses), "recipe": {"name": "quick", "epochs": 1}},
            *({"step": step, "loss": loss, "lr": 1e-5} for step, loss in enumerate(losses, 1))]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_the_loss_is_drawn_and_its_picture_lies_in_the_runs_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(folder=tmp_path)
    curve.tell(trained(run, run.training, [2.0, 1.0, 0.5]))
    said = capsys.readouterr()
    assert said.out == ""
    assert " 2.00 ┤  " in said.err and "loss of each step, now 0.500" in said.err
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "loss.png") in said.err.replace("\n", "")


def test_a_run_of_an_older_sera_has_its_metrics_with_the_adapter(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    assert curve.metrics(trained(run, run.adapter, [2.0, 1.0])).losses == [2.0, 1.0]


def test_of_a_run_that_never_trained_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve.tell(Run(folder=tmp_path))
    assert capsys.readouterr() == ("", "")
    assert curve.progress(Run(folder=tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_training_whose_last_loss_is_no_number_is_told_in_json_all_the_same(tmp_path: Path) -> None:
    run = trained(Run(folder=tmp_path), tmp_path / "training", [2.0, None])
    found = curve.progress(run)
    assert found is not None and (found["step"], found["loss"]) == (2, None)
