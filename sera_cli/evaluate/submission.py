"""The folder in which a submission to SWE-bench's leaderboard is made.

Of what swebench's own runner logs of an instance, all is there that was made here: its patch, the script of its tests,
what they said, its report, and what was done in our words. There is no image_build_dir, for no image was built.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import copyfile
from typing import Any

from pydantic import Field

from sera_cli import templates
from sera_cli.evaluate.evaluation import Files
from sera_cli.evaluate.grade import Grade, script_of
from sera_cli.evaluate.predictions import write
from sera_cli.store import atomically
from sera_cli.types import Value


class Entry(Value):
    """One instance of a submission: the patch that was handed in, its grade, and what swebench says of its tests, where
    they ran.
    """

    name: str
    patch: str
    grade: Grade
    tests: dict[str, Any] = Field(default_factory=dict)


def whole(patch: str) -> str:
    """A patch that ends with a newline, as `git apply` wants it."""
    return patch if patch.endswith("\n") or not patch else f"{patch}\n"


def submission(folder: Path, files: Files, seed: int, entries: Iterable[Entry], facts: dict[str, Any]) -> None:
    """The folder of one pass over the benchmark: predictions, a trace and a log each, metadata and a page to fill in.

    `facts` are what the templates ask for: model, bench, open, resolved, total, date, version; and the `environment`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = list(entries)
    write(folder / "all_preds.jsonl", facts["model"], {one.name: whole(one.patch) for one in found})
    for one in found:
        _logged(folder / "logs" / one.name, files.logs / str(seed), one, facts)
        trace = files.trajectories / str(seed) / one.name / f"{one.name}.traj.json"
        if trace.exists():
            (folder / "trajs").mkdir(exist_ok=True)
            copyfile(trace, folder / "trajs" / trace.name)
    for page in ("metadata.yaml", "README.md"):
        if not (folder / page).exists():
            atomically(folder / page, templates.render(f"submission/{page}", **facts).encode() + b"\n")


def _logged(folder: Path, logs: Path, one: Entry, facts: dict[str, Any]) -> None:
    """What the leaderboard's own scripts read of an instance, and who looks into it: in the files of swebench's runner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atomically(folder / "patch.diff", whole(one.patch).encode("utf-8", "surrogateescape"))
    report = {
        "patch_is_None": False, "patch_exists": bool(one.patch.strip()),
        "patch_successfully_applied": one.grade.applied, "resolved": one.grade.verdict == "resolved",
    } | ({"tests_status": one.tests} if one.tests else {})  # fmt: skip
    atomically(folder / "report.json", json.dumps({one.name: report}, indent=4).encode() + b"\n")
    log = logs / one.grade.log
    done = "".join(f"{line}\n" for line in _done(one, log, facts))
    atomically(folder / "run_instance.log", done.encode("utf-8", "replace"))
    for kept, name in ((log, "test_output.txt"), (script_of(log), "eval.sh")) if one.grade.applied else ():
        if kept.is_file():
            copyfile(kept, folder / name)


def _done(one: Entry, log: Path, facts: dict[str, Any]) -> Iterator[str]:
    """What was done with a patch, line by line; where it could not be applied, with what was said to that."""
    grade = one.grade
    yield f"{one.name}: graded by sera {facts['version']}, environment {facts['environment']}"
    if not one.patch.strip():
        yield "no patch was handed in, and no tests were run"
    elif grade.applied:
        yield "the patch was applied, and eval.sh run: see test_output.txt"
    else:
        yield "the patch was not applied, and no tests were run"
        yield from log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ()
    yield f"took {grade.seconds:.2f} seconds, the making of the sandbox included"
    yield f"{grade.verdict}{f': {grade.reason}' if grade.reason else ''}"
    yield from (f"should pass and does not: {test}" for test in grade.failing)
