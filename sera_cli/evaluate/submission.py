"""The folder in which a submission to SWE-bench's leaderboard is made."""

import json
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfile
from typing import Any

from sera_cli import templates
from sera_cli.evaluate.evaluation import Files
from sera_cli.evaluate.grade import Grade
from sera_cli.evaluate.predictions import write
from sera_cli.store import atomically
from sera_cli.types import Value


class Entry(Value):
    """One instance of a submission: the patch that was handed in, and what its tests said."""

    name: str
    patch: str
    grade: Grade


def whole(patch: str) -> str:
    """A patch that ends with a newline, as `git apply` wants it."""
    return patch if patch.endswith("\n") or not patch else f"{patch}\n"


def submission(folder: Path, files: Files, seed: int, entries: Iterable[Entry], facts: dict[str, Any]) -> None:
    """The folder of one pass over the benchmark: predictions, a trace and a log each, metadata and a page to fill in.

    `facts` are what the templates ask for: model, bench, open, resolved, total, date.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = list(entries)
    write(folder / "all_preds.jsonl", facts["model"], {one.name: whole(one.patch) for one in found})
    for one in found:
        _logged(folder / "logs" / one.name, files.logs / str(seed), one)
        trace = files.trajectories / str(seed) / one.name / f"{one.name}.traj.json"
        if trace.exists():
            (folder / "trajs").mkdir(exist_ok=True)
            copyfile(trace, folder / "trajs" / trace.name)
    for page in ("metadata.yaml", "README.md"):
        if not (folder / page).exists():
            atomically(folder / page, templates.render(f"submission/{page}", **facts).encode() + b"\n")


def _logged(folder: Path, logs: Path, one: Entry) -> None:
    """What the leaderboard's own scripts read of an instance: its patch, its report, the output of its tests."""
    folder.mkdir(parents=True, exist_ok=True)
    atomically(folder / "patch.diff", whole(one.patch).encode("utf-8", "surrogateescape"))
    report = {
        "patch_is_None": False, "patch_exists": bool(one.patch.strip()),
        "patch_successfully_applied": one.grade.applied, "resolved": one.grade.verdict == "resolved",
    }  # fmt: skip
    atomically(folder / "report.json", json.dumps({one.name: report}, indent=4).encode() + b"\n")
    if one.grade.log and (logs / one.grade.log).exists():
        copyfile(logs / one.grade.log, folder / "test_output.txt")
