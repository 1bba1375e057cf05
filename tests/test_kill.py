"""What is left after an end that nobody chose: kill -9, Ctrl-C, a full disk. The command typed again goes on."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sera_cli import store
from sera_cli.types import Function, Record, Task, Trajectory, Verdict
from tests.conftest import ROOT

KINDS: dict[str, type[Record]] = {
    "1-functions": Function,
    "2-explored": Trajectory,
    "3-issues": Task,
    "4-reproduced": Trajectory,
    "5-verdicts": Verdict,
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with a home and temporary files of its own."""
    with tempfile.TemporaryDirectory(prefix="sera-kill-") as temporary:
        yield os.environ | {"SERA_HOME": str(tmp_path / "home"), "TMPDIR": temporary, "PYTHONPATH": str(ROOT)}


def command(repo: Path, run: str, jobs: int) -> list[str]:
    words = ["generate", str(repo), "--run", run, "-j", str(jobs), "--sandbox", "folder", "--samples", "8"]
    return [sys.executable, "-m", "sera_cli", *words]


def started(words: list[str], home: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(repo: Path, run: str) -> dict[str, Counter[str]]:
    """How often each id stands in each file."""
    folder = repo / ".sera" / "runs" / run
    return {
        name: Counter(record.id for record in store.scan(folder / f"{name}.jsonl", kind))
        for name, kind in KINDS.items()
    }


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_run_killed_five_times_ends_as_one_that_never_was(example: Path, home: dict[str, str], jobs: int) -> None:
    began = time.monotonic()
    assert started(command(example, "whole", 2), home).wait() == 0
    whole = time.monotonic() - began
    chance = random.Random(jobs)
    killed = 0
    while killed < 5:
        process = started(command(example, "cut", jobs), home)
        try:
            process.communicate(timeout=chance.uniform(0.2, 0.8) * whole)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
    assert killed > 0
    assert started(command(example, "cut", jobs), home).wait() == 0
    assert lines(example, "cut") == lines(example, "whole")
    assert all(count == 1 for ids in lines(example, "cut").values() for count in ids.values())


def test_ctrl_c_says_one_line_leaves_no_sandbox_and_loses_nothing(example: Path, home: dict[str, str]) -> None:
    process = started(command(example, "r", 2), home)
    explored = example / ".sera" / "runs" / "r" / "2-explored.jsonl"
    while not (explored.exists() and len(explored.read_bytes().splitlines()) > 2):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert next(line for line in said.splitlines() if "what was done is kept" in line).startswith("stopped: ")
    assert "Traceback" not in said
    assert list(Path(home["TMPDIR"]).iterdir()) == []
    kept = store.read(explored, Trajectory)
    assert started(command(example, "r", 2), home).wait() == 0
    assert set(kept) <= set(lines(example, "r")["2-explored"])
    assert max(lines(example, "r")["2-explored"].values()) == 1


def test_a_second_ctrl_c_ends_at_once(example: Path, home: dict[str, str]) -> None:
    process = started(command(example, "r", 2), home)
    while not (example / ".sera" / "runs" / "r" / "2-explored.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
    assert started(command(example, "r", 2), home).wait() == 0


def mountable() -> bool:
    """Whether a small file system can be mounted, in a namespace of its own."""
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.skipif(not mountable(), reason="needs unshare and tmpfs, for a small disk to fill")
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(example: Path, home: dict[str, str]) -> None:
    """The run's folder is on a disk of 200 kB; what it held when it was full is put back on a larger one."""
    disk, kept = example / ".sera", example.parent / "kept"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=200k none .sera && "${@:2}"; code=$?; cp -a .sera "$1"; exit $code'
    words = ["unshare", "-rm", "bash", "-c", script, "bash", str(kept), *command(example, "r", 2)]
    full = subprocess.run(words, env=home, cwd=example, capture_output=True, text=True)
    assert full.returncode == 1
    errors = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "No space left on device; what was written before is kept" in errors[0]
    assert "Traceback" not in full.stderr
    disk.rmdir()
    shutil.copytree(kept, disk)
    before = lines(example, "r")
    assert started(command(example, "r", 2), home).wait() == 0
    after = lines(example, "r")
    assert all(set(before[name]) <= set(after[name]) for name in KINDS)
    assert started(command(example, "whole", 2), home).wait() == 0
    assert lines(example, "whole") == after
