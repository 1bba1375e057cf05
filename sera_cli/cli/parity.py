"""`sera train`, and what it may be asked beside what any verb on the road may: `--parity N`."""

import inspect
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sera_cli.cli.options import Asked, ask
from sera_cli.console import document, show, table

if TYPE_CHECKING:
    from sera_cli.train.parity import Parity


def command(*said: Any, **more: Any) -> None:
    """Train the student on a run's samples and register the agent."""
    from sera_cli.cli.specialize import train

    steps = more.pop("parity")
    asked = ask(*said, **more)
    if steps is None or asked.dry_run:
        return train(asked)
    found = compared(asked, steps)
    document(told(found)) if asked.json else screen(found)
    raise typer.Exit(0 if found.agrees else 1)


def options(
    *,
    parity: Annotated[
        int | None, typer.Option(
            help="Train nothing; compare the first N steps with a plain loop.", metavar="N", min=1)
    ] = None,
) -> None:
    """What `train` may be asked beside what any verb on the road may."""


command.__name__ = "train"
command.__annotations__ = ask.__annotations__ | options.__annotations__
command.__signature__ = inspect.signature(ask).replace(  # type: ignore[attr-defined]
    parameters=[*inspect.signature(ask).parameters.values(), *inspect.signature(options).parameters.values()]
)


def compared(asked: Asked, steps: int) -> "Parity":
    """The training that `asked` would make, its first steps taken twice. Of the run, nothing is changed."""
    from sera_cli.cli import stages, training
    from sera_cli.cli.job import open_job
    from sera_cli.cli.specialize import at_work, need
    from sera_cli.train.parity import parity
    from sera_cli.train.rows import rows

    job = open_job(asked)
    need(job, "prepare")
    with at_work(job) as shown:
        student = stages.the_student(job, shown)
        course, taught, _ = training.course_of(job, student)
        return parity(
            course, rows(taught, student), steps,
            tell=lambda who, step, last, loss: shown("train", step, last, f"{who}: loss {loss:.3f}"),
        )  # fmt: skip


def told(found: "Parity") -> dict[str, Any]:
    """For JSON, which has no word for a loss that is no number."""
    steps = [pair.model_dump() | {"difference": pair.apart} for pair in found.pairs]
    return {
        "steps": [{key: _number(value) for key, value in step.items()} for step in steps],
        "largest_difference": _number(found.worst.apart), "tolerance": found.tolerance, "agrees": found.agrees,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def screen(found: "Parity") -> None:
    rows = [(pair.step, f"{pair.trl:.6f}", f"{pair.plain:.6f}", f"{pair.apart:.1e}") for pair in found.pairs]
    show(table(("step", "TRL", "plain loop", "difference"), rows, right=("TRL", "plain loop", "difference")))
    verdict = "within" if found.agrees else "beyond"
    show(f"largest difference {found.worst.apart:.1e}, at step {found.worst.step}: {verdict} {found.tolerance:g}")
