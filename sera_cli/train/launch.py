"""Starts the processes of a training, and ends them with this one; how they fared is told by what they leave."""

import os
import subprocess
import sys
from pathlib import Path

from sera_cli import errors
from sera_cli.errors import DataError, ModelError, SeraError
from sera_cli.harness import strays
from sera_cli.harness.vllm import guard
from sera_cli.harness.vllm.engine import end
from sera_cli.train.layout import Layout, command
from sera_cli.train.worker import Ended, ended

LOG = "worker.log"


def several(layout: Layout) -> bool:
    """Whether a training needs processes of its own: several, or one among GPUs that this process would all take."""
    import torch

    return layout.processes > 1 or (not layout.cpu and torch.cuda.device_count() > 1)


def launch(folder: Path, layout: Layout) -> None:
    """Trains what the folder says, to its end. Raises what a worker raised, or ModelError that names the log."""
    ended(folder).unlink(missing_ok=True)
    log = folder / LOG
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guard.__file__)), *command(layout, folder)], stdin=subprocess.PIPE,
            stdout=file, stderr=file, env=environment(layout), start_new_session=True,
        )  # fmt: skip
    try:
        code = process.wait()
    finally:
        end(process)
    if code:
        raise _failure(folder, log, code)


def environment(layout: Layout) -> dict[str, str]:
    """That of the workers: as many of the visible GPUs as they are, and cores shared out among them."""
    here = dict(os.environ) | strays.mark()
    each = max(1, (os.cpu_count() or 1) // layout.processes)
    here.setdefault("OMP_NUM_THREADS", str(each))
    if not layout.cpu and layout.nodes == 1:
        here["CUDA_VISIBLE_DEVICES"] = ",".join(gpus(layout.processes))
    return here


def gpus(count: int) -> list[str]:
    """The first so many of the visible GPUs, by the numbers or names that the user calls them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
    return visible.split(",")[:count]


def _failure(folder: Path, log: Path, code: int) -> SeraError:
    """What the first worker that failed said; where it could say nothing, the last line of the log."""
    if ended(folder).exists():
        last = Ended.model_validate_json(ended(folder).read_bytes())
        kind = getattr(errors, last.kind)
        return DataError(last.text) if kind is DataError else kind(last.text)
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    what = f"training ended with exit code {code} ({said[:200]}); its log is {log}, and the same command goes on"
    return ModelError(what)
