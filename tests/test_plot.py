"""The loss as a picture, in a terminal and in a file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.train.metrics import Metrics
from sera_cli.train.plot import curves, drawn, png

FACTS = {"student": "Qwen/Qwen3-8B", "recipe": {"name": "paper-8b", "epochs": 3}}


def metrics(losses: list[float], heldout: dict[int, float] | None = None, steps: int = 0) -> Metrics:
    told = tuple({"step": step, "loss": loss, "lr": 1e-5} for step, loss in enumerate(losses, 1))
    held: list[dict[str, Any]] = [{"heldout": "epoch", "step": at, "loss": y} for at, y in (heldout or {}).items()]
    return Metrics(FACTS | {"steps": steps or len(losses)}, told, tuple(held), "")


def test_a_falling_loss_is_a_line_that_falls_between_its_axes() -> None:
    assert drawn(metrics([1.0, 0.8, 0.6, 0.4, 0.2, 0.0], {0: 1.0, 6: 0.5}), 40, 5) == [
        " 1.00 ┤o    ⠈⠑⠒⠤⣀⡀",
        "      │          ⠈⠉⠒⠤⢄⡀",
        "0.500 ┤               ⠈⠉⠒⠒⠤⠤⣀⡀         o",
        "      │                      ⠈⠉⠒⠤⢄⣀",
        "0.000 ┤                            ⠉⠑⠢⠤⣀",
        "      └───────────┴─────────┴──────────┴",
        "       0                step 6, 3 epochs",
        "⣀⡠ loss of each step, now 0.000  o held out 1.00 → 0.500",
    ]


def test_wide_or_narrow_no_line_is_longer_than_the_terminal() -> None:
    found = metrics([2 / step for step in range(1, 500)], {0: 2.0, 499: 0.5})
    for width in (40, 60, 80, 120):
        lines = drawn(found, width)
        assert len(lines) == 13
        assert max(map(len, lines[:-1])) == width
        assert len(lines[-1]) <= max(width, 60)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=90), st.integers(40, 130), st.integers(2, 20))
def test_whatever_the_losses_are_it_is_drawn(losses: list[float], width: int, height: int) -> None:
    lines = drawn(metrics(losses, {0: 3.0}), width, height)
    assert len(lines) == height + 3
    assert sum("o" in line for line in lines[:height]) == 1


def test_of_one_step_or_in_no_room_nothing_is_drawn() -> None:
    assert drawn(metrics([1.0]), 80) == drawn(metrics([]), 80) == drawn(metrics([1.0, 2.0]), 39) == []


def test_a_loss_that_is_no_number_is_left_out() -> None:
    assert [y for _, y in curves(metrics([1.0, float("nan"), 0.5])).loss] == [1.0, 0.5]


def test_the_mean_follows_a_steep_beginning_and_is_steady_at_the_end() -> None:
    made = curves(metrics([100.0, *[2.0, 0.0] * 14]))
    assert made.window == 5
    assert [y for _, y in made.smooth[:2]] == [100.0, 34.0]
    assert made.smooth[-1][1] == pytest.approx(2 / 3)


def test_a_training_under_way_says_how_far_it_is() -> None:
    assert drawn(metrics([1.0] * 30, steps=2364), 60)[-2].endswith("  step 30 of 2,364, 3 epochs")
    assert drawn(metrics([1.0] * 30), 60)[-2].endswith("  step 30, 3 epochs")


def test_the_picture_is_a_png_and_is_whole_or_not_there(tmp_path: Path) -> None:
    made = png(metrics([2 / step for step in range(1, 100)], {0: 2.0, 99: 0.5}), tmp_path)
    assert made == tmp_path / "loss.png"
    assert made.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and made.read_bytes()[-8:-4] == b"IEND"
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_of_one_step_there_is_no_picture(tmp_path: Path) -> None:
    assert png(metrics([1.0]), tmp_path) is None


def test_without_matplotlib_one_line_says_why_there_is_no_picture(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "sys.modules['matplotlib'] = None\n"
        "from sera_cli.errors import ConfigError; from sera_cli.train.plot import png\n"
        "from tests.test_plot import metrics\n"
        "try: png(metrics([2.0, 1.0]), Path(sys.argv[1]))\n"
        "except ConfigError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert ran.stdout == "no loss.png is drawn; for one: pip install matplotlib\n"
