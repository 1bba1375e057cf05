"""What a tracker is told of a training, by the tracker itself where it is installed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sera_cli.errors import ConfigError
from sera_cli.train.trackers import check, numbers, tracker

STEPS: list[dict[str, Any]] = [
    {"step": number, "loss": 1 / number, "lr": 0.1, "grad_norm": None, "tokens": 100 * number, "ids": ["s1"]}
    for number in (1, 2, 3)
]
HELDOUT = {"heldout": "epoch", "step": 3, "loss": 0.75, "samples": 3}
FACTS: dict[str, Any] = {"data": "d1", "recipe": {"name": "quick", "betas": [0.9, 0.95]}}


def test_only_numbers_are_told_and_a_held_out_loss_by_its_own_name() -> None:
    assert numbers(STEPS[0]) == {"loss": 1.0, "lr": 0.1, "tokens": 100}
    assert numbers(HELDOUT) == {"heldout_loss": 0.75}


def test_nobody_is_told_unless_somebody_is_named(tmp_path: Path) -> None:
    one = tracker("none", tmp_path, "r", FACTS)
    one.tell(STEPS[0])
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_that_is_not_installed_is_one_line_that_installs_it() -> None:
    with pytest.raises(ConfigError) as caught:
        check("no_such_tracker", offline=False)
    assert str(caught.value) == (
        "--report-to no_such_tracker needs a package that is not installed: pip install no_such_tracker")


def test_that_is_found_out_before_anything_is_paid_for(
    repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRACKIO_SERVER_URL", "https://losses.test")
    flags = {"teacher.model": "rehearsal", "train.report_to": "trackio", "privacy.offline": True}
    code = (
        "import sys, json; from pathlib import Path\n"
        "from sera_cli.cli.job import open_job; from sera_cli.cli.options import Asked\n"
        "from sera_cli.cli.stages import the_choice; from sera_cli.errors import ConfigError\n"
        "from sera_cli.train.student import Student\n"
        "asked = Asked(Path(sys.argv[1]), json.loads(sys.argv[2]), 'HEAD', 'r', False, False, False)\n"
        "try: the_choice(open_job(asked), Student(name='s', base='s', context=64, rehearsal=True))\n"
        "except ConfigError as error: print(error)\n"
    )
    ran = subprocess.run(  # --offline lasts as long as its process
        [sys.executable, "-c", code, str(repository({"a.py": "x = 1\n"})), json.dumps(flags)],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.stdout.startswith("offline: with TRACKIO_SERVER_URL set, trackio would send losses away"), ran.stderr


def test_offline_refuses_a_trackio_that_would_send_losses_away() -> None:
    with pytest.raises(ConfigError, match=r"^offline: with TRACKIO_SPACE_ID set, trackio would send losses away"):
        check("trackio", offline=True, environ={"TRACKIO_SPACE_ID": "me/losses"})


def test_tensorboard_reads_what_was_told_and_after_a_resume_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    one = tracker("tensorboard", tmp_path, "r", FACTS)
    for row in (*STEPS, HELDOUT):
        one.tell(row)
    one.close()
    again = tracker("tensorboard", tmp_path, "r", FACTS, after=2)
    again.tell(STEPS[2] | {"loss": 0.25})
    again.close()

    events = EventAccumulator(str(tmp_path / "tensorboard"), purge_orphaned_data=True).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 0.25)]
    assert events.Tags()["scalars"] == ["loss", "lr", "tokens", "heldout_loss"]


TOLD = """
import json, sys
from pathlib import Path
from sera_cli.train.trackers import tracker
from tests.test_trackers import FACTS, HELDOUT, STEPS
one = tracker(sys.argv[1], Path(sys.argv[2]), "run-name", FACTS)
for row in (*STEPS, HELDOUT):
    one.tell(row)
one.close()
"""


def told(kind: str, folder: Path) -> None:
    """Tells a tracker in a process of its own, in which nothing but it may speak."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "TRACKIO_"))}
    ran = subprocess.run(
        [sys.executable, "-c", TOLD, kind, str(folder)], cwd=Path(__file__).parent.parent, capture_output=True,
        env=environ | {"TRACKIO_DIR": str(folder / "db")},
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, b""), ran.stderr.decode()


def test_wandb_writes_its_files_here_and_sends_nothing_unless_asked(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    told("wandb", tmp_path)
    [run] = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    found = run.read_bytes()
    assert b"run-name" in found and b"heldout_loss" in found
    assert str(tmp_path).encode() not in found and str(Path(__file__).parent).encode() not in found


def test_trackio_keeps_what_it_is_told_in_its_own_database(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    import sqlite3

    told("trackio", tmp_path)
    with sqlite3.connect(tmp_path / "db" / "sera.db") as base:
        rows = [json.loads(row) for (row,) in base.execute("SELECT metrics FROM metrics ORDER BY id")]
    assert rows == [numbers(row) for row in (*STEPS, HELDOUT)]
