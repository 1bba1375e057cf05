"""Where a training can go on from: the trainer's own checkpoints, each trusted only with a mark, written last."""

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sera_cli.errors import ConfigError, DataError
from sera_cli.store import atomically
from sera_cli.train.course import Course, differing
from sera_cli.types import Value

MARK = "whole.json"
KEPT = 2
"""The newest so many are kept: with one alone, a disk that breaks while it is read would take everything."""


class Mark(Value):
    """What a whole checkpoint says of itself: its step, its files with their bytes, and what it was learning.

    `shards` is the layout that alone can read it, or `whole`.
    """

    step: int
    settings: dict[str, Any]
    shards: str
    files: dict[str, int]


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; None where there is none."""
    return next((place for place in _places(folder) if _mark(place)), None)


def step(folder: Path) -> int:
    """The step after which the newest whole checkpoint was made; 0 where there is none."""
    found = newest(folder)
    return _number(found) if found else 0


def agreed(place: Path, course: Course) -> Path:
    """That checkpoint, if it is one of this course. Raises ConfigError, naming what differs."""
    mark = _mark(place)
    if mark is None:
        raise DataError("is not whole; remove it", place)
    wrong = list(differing(mark.settings | {"layout": mark.shards}, course.settings | {"layout": shards(course)}))
    if wrong:
        raise ConfigError(
            f"{place} is of another training: {', '.join(wrong)}; undo that, take another run with --run, or remove "
            f"{place.parent} to begin anew"
        )
    return place


def shards(course: Course) -> str:
    """The layout that alone can read a checkpoint of this course; `whole` where each process holds all of it."""
    return course.layout.kind if course.layout.kind in ("fsdp2", "zero3") else "whole"


def tidy(folder: Path, *, keep: int = KEPT) -> None:
    """Removes what a killed save left, and all but the newest whole checkpoints."""
    whole = [place for place in _places(folder) if _mark(place)]
    for place in _places(folder):
        if place not in whole[:keep]:
            (place / MARK).unlink(missing_ok=True)  # first: a half removed one is not to be trusted
            shutil.rmtree(place, ignore_errors=True)


def mark(place: Path, course: Course) -> None:
    """Says of a checkpoint that it is whole, once all of it is on disk."""
    files = sorted(file for file in place.rglob("*") if file.is_file())
    for one in (*files, *(folder for folder in place.rglob("*") if folder.is_dir()), place, place.parent):
        _flush(one)
    sizes = {str(file.relative_to(place)): file.stat().st_size for file in files}
    made = Mark(step=_number(place), settings=course.settings, shards=shards(course), files=sizes)
    atomically(place / MARK, made.model_dump_json(indent=1).encode() + b"\n")
    _flush(place)


def saving(course: Course, folder: Path, saves: Collection[int], evaluates: Collection[int]) -> Any:
    """The callback that has the trainer evaluate and save after these steps, and marks what was saved."""
    from transformers import TrainerCallback

    class Saving(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
            control.should_save = control.should_save or state.global_step in saves
            control.should_evaluate = control.should_evaluate or state.global_step in evaluates
            return control

        def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            _together()  # every rank wrote its part
            if state.is_world_process_zero:
                mark(folder / f"checkpoint-{state.global_step}", course)
                tidy(folder)

    return Saving()


def _together() -> None:
    from accelerate import PartialState

    PartialState().wait_for_everyone()


def _places(folder: Path) -> list[Path]:
    """Checkpoints, whole or not, newest first."""
    found = [place for place in folder.glob("checkpoint-*") if place.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=_number, reverse=True)


def _number(place: Path) -> int:
    return int(place.name.rpartition("-")[2])


def _mark(place: Path) -> Mark | None:
    """What it says of itself, where that is still so."""
    try:
        found = Mark.model_validate_json((place / MARK).read_bytes())
        sizes = {name: (place / name).stat().st_size for name in found.files}
    except (OSError, ValidationError, json.JSONDecodeError):
        return None
    return found if sizes == found.files else None


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
