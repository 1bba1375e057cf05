"""The main job on repositories: records and seconds of every stage.

    python tests/bench/repositories.py [REPO ...] [--samples 40] [--jobs 2]

Each is rehearsed as a user would, through `sera specialize`, in a new run. Without a REPO: a clone of this one.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
STAGES = ("functions", "explored", "issues", "reproduced", "verified", "samples")
SECONDS = ("mine", "generate", "student", "prepare", "train", "register")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="*", type=Path)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    print(row("repository", *STAGES, "recall", *(f"{stage} s" for stage in SECONDS), "whole s", "held-out loss"))
    print(row(*["---"] * (len(STAGES) + len(SECONDS) + 4)))
    with TemporaryDirectory() as scratch:
        for repository in asked.repositories or [clone(Path(scratch))]:
            print(measured(repository, asked.samples, asked.jobs), flush=True)


def clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "sera")], check=True)
    return folder / "sera"


def measured(repository: Path, samples: int, jobs: int) -> str:
    words = [
        sys.executable,
        "-m",
        "sera_cli",
        "specialize",
        str(repository),
        "--teacher",
        "rehearsal",
        "--student",
        "rehearsal",
    ]
    more = ["--samples", str(samples), "-j", str(jobs), "--run", f"bench-{time.time_ns()}", "--name", "bench", "--json"]
    began = time.monotonic()
    done = subprocess.run(
        [*words, *more], check=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    whole = time.monotonic() - began
    found = json.loads(done.stdout)
    losses = f"{found['loss']['heldout_base']:.2f} → {found['loss']['heldout_agent']:.2f}"
    seconds = (f"{found['seconds'][stage]:.1f}" for stage in SECONDS)
    counts = (found["stages"][stage] for stage in STAGES)
    return row(repository.name, *counts, f"{found['recall']['mean']:.2f}", *seconds, f"{whole:.0f}", losses)


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
