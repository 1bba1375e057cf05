"""kill -9 at random moments of the whole main job: does the finished run hold the same ids as an undisturbed one?

    python tests/bench/kill.py [REPO] [--kills 20] [--jobs 1 8] [--samples 8]

Each kill comes at a moment drawn from what is left of an undisturbed run's time, in whatever stage that is; the same
command is typed again until it ends by itself. Without a REPO: the example package.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--samples", type=int, default=8)
    asked = parser.parse_args()
    with TemporaryDirectory() as scratch:
        repository = asked.repository or example(Path(scratch))
        whole, seconds = undisturbed(repository, asked.samples)
        print(
            f"undisturbed: {seconds:.0f} s, {sum(map(len, whole.values()))} records, loss {loss(repository, 'whole')}"
        )
        for jobs in asked.jobs:
            stages = disturbed(repository, f"cut-{jobs}", jobs, asked.samples, asked.kills, seconds)
            cut = lines(repository, f"cut-{jobs}")
            twice = sum(count > 1 for ids in cut.values() for count in ids.values())
            print(
                f"-j {jobs}: {stages.total()} kills ({', '.join(f'{n} in {name}' for name, n in stages.items())}); "
                f"same ids: {cut == whole}; ids held twice: {twice}; loss {loss(repository, f'cut-{jobs}')}"
            )
            if cut != whole:
                sys.exit(1)


def example(folder: Path) -> Path:
    repository = folder / "timesheet"
    shutil.copytree(ROOT / "examples" / "timesheet", repository)
    for words in (["init", "-q"], ["add", "-A"], [*IDENTITY, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    return repository


def command(repository: Path, run: str, jobs: int, samples: int) -> "subprocess.Popen[bytes]":
    words = ["specialize", str(repository), "--run", run, "-j", str(jobs), "--samples", str(samples), "--name", "bench"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "sera_cli", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def undisturbed(repository: Path, samples: int) -> tuple[dict[str, Counter[str]], float]:
    """The ids of an undisturbed run and its seconds; one before it, which may make the student, is not timed."""
    if command(repository, "first", 2, samples).wait():
        sys.exit("the undisturbed run failed; type it by hand to see why")
    began = time.monotonic()
    if command(repository, "whole", 2, samples).wait():
        sys.exit("the undisturbed run failed; type it by hand to see why")
    return lines(repository, "whole"), time.monotonic() - began


def disturbed(repository: Path, run: str, jobs: int, samples: int, kills: int, seconds: float) -> Counter[str]:
    """Kills `kills` times, counting in which stage, then lets the command end."""
    chance = random.Random(jobs)
    stages: Counter[str] = Counter()
    while stages.total() < kills:
        process = command(repository, run, jobs, samples)
        try:
            process.wait(timeout=chance.uniform(0.2, max(1.0, seconds)))
            shutil.rmtree(repository / ".sera" / "runs" / run)  # it got through: begin another, to kill that
        except subprocess.TimeoutExpired:
            stages[stage(repository, run)] += 1
            process.kill()
            process.wait()
    if command(repository, run, jobs, samples).wait():
        sys.exit("the last run, which nobody killed, failed; type it by hand to see why")
    return stages


def stage(repository: Path, run: str) -> str:
    """How far a run got: by the last file there is."""
    folder = repository / ".sera" / "runs" / run
    names = sorted(file.name for file in folder.glob("[1-6]-*.jsonl"))
    return names[-1] if names else "the beginning"


def lines(repository: Path, run: str) -> dict[str, Counter[str]]:
    """How often each id stands in each stage file."""
    folder = repository / ".sera" / "runs" / run
    return {
        file.name: Counter(json.loads(text)["id"] for text in file.read_bytes().split(b"\n")[1:] if text)
        for file in sorted(folder.glob("[1-6]-*.jsonl"))
    }


def loss(repository: Path, run: str) -> float:
    report = json.loads((repository / ".sera" / "runs" / run / "report.json").read_text())
    return round(report["loss"]["heldout_agent"], 4)


if __name__ == "__main__":
    main()
