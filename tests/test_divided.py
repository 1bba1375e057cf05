"""A model divided among processes, and rows divided among them too, learn what one process learns.

accelerate starts them as its file says; that a CPU counts as a GPU is the one thing that is not so (gpu_like.py).
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sera_cli.train import worker
from sera_cli.train.course import Course, write
from sera_cli.train.layout import Layout, command
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import rows
from tests.students import FULL, LORA, sample, tiny

pytestmark = pytest.mark.slow

LIKE = Path(__file__).parent / "gpu_like.py"
STARTED = {"PYTHONPATH": str(LIKE.parent.parent), "OMP_NUM_THREADS": "1"}


def made(folder: Path, recipe: Recipe, layout: Layout) -> Path:
    """A training of four samples, two to a step, for two epochs."""
    course = Course(student=tiny(), recipe=recipe, layout=layout, seed=1)
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By one process, all parameters and an adapter."""
    place = tmp_path_factory.mktemp("whole")
    folders = {one.method: made(place / one.method, one, Layout(cpu=True)) for one in (FULL, LORA)}
    for folder in folders.values():
        worker.work(folder)
    return folders


def test_all_parameters_divided_among_four_of_which_two_share_each_row(whole: dict[str, Path], tmp_path: Path) -> None:
    layout = Layout(kind="fsdp2", processes=4, context_parallel=2, cpu=True)
    run(made(tmp_path / "t", FULL, layout), layout)
    same(whole["full"], tmp_path / "t")


def test_an_adapter_divided_among_two_goes_on_from_its_shards(whole: dict[str, Path], tmp_path: Path) -> None:
    layout = Layout(kind="fsdp2", processes=2, cpu=True)
    folder = made(tmp_path / "t", LORA, layout)
    run(folder, layout)
    same(whole["lora"], folder)

    for gone in ("result", "checkpoint-4"):
        shutil.rmtree(folder / gone)
    run(folder, layout)
    same(whole["lora"], folder)
