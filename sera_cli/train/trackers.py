"""`--report-to`: the rows of metrics.jsonl shown to a tracker as well. It is told numbers and names, and never a path.

Nothing leaves the machine unless the user's own environment asks for it: W&B writes its files beside the training, for
`wandb sync`, unless WANDB_MODE says otherwise, and Trackio keeps its own database unless a TRACKIO_ variable names a
place elsewhere. With `--offline` nothing leaves it in any case.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from sera_cli.errors import ConfigError
from sera_cli.train.metrics import Row
from sera_cli.types import digest

PROJECT = "sera"
ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_WEBHOOK_URL")


class Tracker(NamedTuple):
    """`tell` is given every row; `close` says that there are no more."""

    tell: Callable[[Row], object]
    close: Callable[[], object]


DEAF = Tracker(lambda _: None, lambda: None)


def check(kind: str, *, offline: bool, environ: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError, before anything is trained, for a tracker that cannot be told."""
    if kind == "trackio" and offline:
        for name in ELSEWHERE:
            if environ.get(name):
                raise ConfigError(f"offline: with {name} set, trackio would send losses away; unset it")
    if kind != "none" and find_spec(kind) is None:
        raise ConfigError(f"--report-to {kind} needs a package that is not installed: pip install {kind}")


def tracker(kind: str, folder: Path, name: str, facts: Row, *, after: int = 0, offline: bool = False) -> Tracker:
    """The tracker of a training called `name` that goes on after the step `after`."""
    check(kind, offline=offline)
    match kind:
        case "tensorboard":
            return _tensorboard(folder / "tensorboard", after)
        case "wandb":
            return _wandb(folder, name, facts, offline=offline)
        case "trackio":
            return _trackio(name, facts)
    return DEAF


def numbers(row: Row) -> dict[str, float]:
    """What of a row can be drawn, by name; of a held-out one its loss."""
    if "heldout" in row:
        return {"heldout_loss": row["loss"]}
    return {key: value for key, value in row.items() if isinstance(value, int | float) and key != "step"}


def _tensorboard(folder: Path, after: int) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(log_dir=str(folder), purge_step=after + 1)

    def tell(row: Row) -> None:
        for key, value in numbers(row).items():
            writer.add_scalar(key, value, row["step"])
        writer.flush()

    return Tracker(tell, writer.close)


def _wandb(folder: Path, name: str, facts: Row, *, offline: bool) -> Tracker:
    import wandb

    mode: Any = "offline" if offline else os.environ.get("WANDB_MODE", "offline")
    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_meta=True, x_save_requirements=False,
    )  # fmt: skip
    run = wandb.init(
        project=PROJECT, name=name, id=digest([name, facts["data"]]), config=facts, dir=str(folder), mode=mode,
        resume="allow" if mode == "online" else None, settings=quiet,
    )  # fmt: skip
    run.define_metric("*", step_metric="step")  # W&B's own count would refuse the steps that a resumed run repeats
    return Tracker(lambda row: run.log(numbers(row) | {"step": row["step"]}), run.finish)


def _trackio(name: str, facts: Row) -> Tracker:
    with redirect_stdout(StringIO()):  # it greets there
        import trackio

        run = trackio.init(project=PROJECT, name=name, config=facts, resume="allow", embed=False)

    def close() -> None:
        with redirect_stdout(StringIO()):
            trackio.finish()  # the run's own would be followed by another at exit, aloud

    return Tracker(lambda row: run.log(numbers(row), step=row["step"]), close)
