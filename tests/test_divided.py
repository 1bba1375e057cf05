"""A model divided among processes that share rows as well learns what one process learns.

accelerate starts them as its file says; that a CPU counts as a GPU is the one thing that is not so (gpu_like.py).
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sera_cli.train import worker
from sera_cli.train.course import Course, write
from sera_cli.train.layout import Layout, command
from sera_cli.train.rows import rows
from tests.students import FULL, sample, tiny

pytestmark = pytest.mark.slow

LIKE = Path(__file__).parent / "gpu_like.py"
STARTED = {"PYTHONPATH": str(LIKE.parent.parent), "OMP_NUM_THREADS": "1"}


def made(folder: Path, layout: Layout) -> Path:
    """A training of four samples, two to a step, for two epochs."""
    course = Course(student=tiny(), recipe=FULL, layout=layout, seed=1)
    write(folder, course, rows([sample(number) for number in range(4)], tiny()), [])
    return folder


def run(folder: Path, layout: Layout) -> None:
    said = command(layout, folder)
    at = said.index("-m", said.index("launch"))
    said[at:] = [str(LIKE), str(folder)]
    done = subprocess.run(said, env=os.environ | STARTED, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def curve(folder: Path) -> list[tuple[int, float, float]]:
    """Step, loss and length of the gradient."""
    lines = (json.loads(line) for line in (folder / "result" / "metrics.jsonl").read_text().splitlines())
    return [(row["step"], row["loss"], row["grad_norm"]) for row in lines if "lr" in row]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(next((folder / "result").glob("*.safetensors")))


def same(one: Path, other: Path) -> None:
    """Curves and weights agree, and the weights have the same names."""
    assert [step for step, *_ in curve(one)] == [step for step, *_ in curve(other)] == [1, 2, 3, 4]
    for (_, loss, norm), (_, loss_, norm_) in zip(curve(one), curve(other), strict=True):
        assert loss_ == pytest.approx(loss, abs=1e-5)
        assert norm_ == pytest.approx(norm, abs=1e-4)
    whole, divided = weights(one), weights(other)
    assert whole.keys() == divided.keys()
    assert max(float((whole[name] - divided[name]).abs().max()) for name in whole) < 1e-4


def test_all_parameters_divided_among_four_of_which_two_share_each_row(tmp_path: Path) -> None:
    alone, layout = Layout(cpu=True), Layout(kind="fsdp2", processes=4, context_parallel=2, cpu=True)
    worker.work(made(tmp_path / "one", alone))
    run(made(tmp_path / "four", layout), layout)

    same(tmp_path / "one", tmp_path / "four")
