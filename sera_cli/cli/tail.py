"""`sera runs tail`: what happens in a run, one line for each record as it is written, in whatever stage."""

import json
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sera_cli.cli.options import InProject
from sera_cli.console import clean, exactly

if TYPE_CHECKING:
    from sera_cli.runs import Run

STAGES = ("functions", "explored", "issues", "reproduced", "verdicts", "samples")
EVERY = 0.5
"""Seconds between two looks at the files of a run."""

BLOCK = 1 << 20
Row = dict[str, Any]


class Mark(NamedTuple):
    """How far a file was read: which file it was, and up to which byte."""

    file: int = 0
    read: int = 0


def tail(
    name: Annotated[str, typer.Argument(help="Name of the run.", metavar="RUN")],
    project: InProject = Path(), *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until nobody works in the run.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="The latest of each stage to begin with.", min=0)] = 5,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object for each record.")] = False,
) -> None:
    """Say what a run did last and, with -f, what it does: a line for each record."""
    from sera_cli.cli.runs import find

    run = find(name, project)
    for row in happening(run, lines, following=follow):
        exactly((json.dumps(row, ensure_ascii=False) if jsonl else clean(_words(row))) + "\n")


def happening(
    run: "Run", latest: int, *, following: bool = False, wait: Callable[[float], object] | None = None
) -> Iterator[Row]:
    """The `latest` records of each stage; then, when `following`, every further one until nobody works in the run."""
    from time import sleep

    from sera_cli.runs import holder

    marks: dict[str, Mark] = {}
    for stage, path in _files(run):
        marks[stage] = Mark(*_last(path, latest))
        marks[stage] = yield from _new(stage, path, marks[stage])
    while following:
        busy = holder(run)
        for stage, path in _files(run):
            marks[stage] = yield from _new(stage, path, marks[stage])
        if not busy:
            return
        (wait or sleep)(EVERY)


def _files(run: "Run") -> list[tuple[str, Path]]:
    """What grows in a run: a file for each stage, and that of the training."""
    return [*((stage, getattr(run, stage)) for stage in STAGES), ("training", run.metrics)]


def _new(stage: str, path: Path, mark: Mark) -> Generator[Row, None, Mark]:
    """Every whole line after the mark, told in short; returns the mark behind them. A file put in place anew is told
    from its beginning.
    """
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            read = mark.read if mark.file == about.st_ino and mark.read <= about.st_size else 0
            file.seek(read)
            for row in file:
                if not row.endswith(b"\n"):
                    break
                read += len(row)
                if told := _told(stage, row):
                    yield told
            return Mark(about.st_ino, read)
    except FileNotFoundError:
        return mark


def _last(path: Path, count: int) -> tuple[int, int]:
    """Where the last `count` whole lines of a file begin, found from its end."""
    if not path.exists():
        return (0, 0)
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        left, begin, seen = count + 1, about.st_size, 0
        while begin and left > 0:
            size = min(BLOCK, begin)
            file.seek(begin - size)
            block = file.read(size)
            at = size
            while left > 0 and (at := block.rfind(b"\n", 0, at)) >= 0:
                left, seen = left - 1, begin - size + at + 1
            begin -= size
        return (about.st_ino, seen if left == 0 else 0)


def _told(stage: str, line: bytes) -> Row:
    """A record in short; empty for a header, and for a line that is none of ours."""
    try:
        record = json.loads(line)
        if stage == "training":
            return {"stage": stage, "id": f"step {record['step']}", **_training(record)}
        return {"stage": stage, "id": record["id"], **SHORT[stage](record)} if "sera" not in record else {}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return {}


def _function(record: Row) -> Row:
    return {"name": record["name"], "path": record["path"], "line": record["line"]}


def _rollout(record: Row) -> Row:
    """A rollout, with what its teacher said of its patch where it was asked."""
    checked = {} if record["check"] is None else {"check": record["check"]}
    usage, error = record["usage"], {"error": record["error"]} if record["error"] else {}
    return {
        "function": record["task"]["function"], "exit": record["exit"], **checked, "steps": len(record["steps"]),
        "tokens": usage["prompt"] + usage["completion"], "seconds": record["seconds"], "attempt": record["attempt"],
        **error,
    }  # fmt: skip


def _issue(record: Row) -> Row:
    if record["error"]:
        return {"function": record["function"], "error": record["error"]}
    return {"function": record["function"], "statement": record["statement"].strip().partition("\n")[0]}


def _verdict(record: Row) -> Row:
    return {"recall": record["recall"], "matched": record["matched"], "target": record["target"]}


def _sample(record: Row) -> Row:
    return {"origin": record["origin"], "tokens": record["tokens"], "kept": record["kept"], "steps": record["steps"]}


def _training(record: Row) -> Row:
    """A step, a held-out loss, or why it was stopped."""
    plain = ("heldout", "stopped", "loss", "grad_norm", "lr", "tokens_per_second", "memory")
    return {key: record[key] for key in plain if key in record}


SHORT: dict[str, Callable[[Row], Row]] = {
    "functions": _function, "explored": _rollout, "issues": _issue, "reproduced": _rollout, "verdicts": _verdict,
    "samples": _sample,
}  # fmt: skip


def _words(row: Row) -> str:
    """`explored    3f…  exit submitted, check yes, steps 12`."""
    said = ", ".join(
        f"{key.replace('_', ' ')} {_bytes(value) if key == 'memory' else _value(value)}"
        for key, value in row.items() if key not in ("stage", "id")
    )  # fmt: skip
    return f"{row['stage']:10}  {row['id']}  {' '.join(said.split())}"


def _bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if value == 0 or abs(value) >= 0.01 else f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)[:120]
