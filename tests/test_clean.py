"""What `sera clean` finds after a kill, removes, and leaves alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sera_cli import runs
from sera_cli.cli import clean
from sera_cli.cli.app import app
from sera_cli.data.files import parted
from sera_cli.harness.sandbox.private import private_folder
from tests.conftest import ROOT
from tests.test_kill import command, lines, started
from tests.test_strays import ORPHAN


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, with temporary files, caches and agents of its own."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "project" / ".git").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    return tmp_path


def cleaned(project: Path, *flags: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["clean", str(project), "--json", *flags])
    return dict(json.loads(done.stdout), code=done.exit_code)


def mine(found: dict[str, Any], what: str, kind: str, where: str) -> list[str]:
    """What was found of a kind and holds a text: other tests may leave things of theirs."""
    return [name for name in found[what].get(kind, []) if where in name]


def test_where_nothing_was_left_nothing_is_said_to_be(place: Path) -> None:
    found = cleaned(place / "project", "--dry-run")
    assert found["dry_run"] and "folder" not in found["left"] and "part" not in found["left"]


def test_a_folder_of_a_dead_process_goes_and_that_of_a_living_one_stays(place: Path) -> None:
    code = (
        "import os\nfrom sera_cli.harness.sandbox.private import private_folder\n"
        "with private_folder(label='killed'):\n    os.kill(os.getpid(), 9)"
    )
    with private_folder(label="alive") as living:  # whoever makes a folder sweeps a little, too
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)})
        before = cleaned(place / "project", "--dry-run")
        dead = mine(before, "left", "folder", "sera-killed")
        assert len(dead) == 1 and Path(dead[0]).is_dir()
        found = cleaned(place / "project")
        assert mine(found, "removed", "folder", "sera-killed") == dead
        assert not Path(dead[0]).exists() and living.is_dir()


def test_a_process_of_a_dead_sera_is_ended(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=True,
    )
    name = f"{int(done.stdout)} sleep 600"
    assert name in cleaned(place / "project", "--dry-run")["left"]["process"]
    assert name in cleaned(place / "project")["removed"]["process"]


def test_parts_of_a_run_go_unless_somebody_works_in_it(place: Path) -> None:
    idle, busy = (runs.named(place / "project", name) for name in ("idle", "busy"))
    parts = [run.folder / f".report.json.{os.getpid()}.part" for run in (idle, busy)]
    for part in parts:
        part.parent.mkdir(parents=True)
        part.write_text("half")
    with runs.held(busy):
        assert cleaned(place / "project")["removed"]["part"] == [str(parts[0])]
    assert not parts[0].exists() and parts[1].exists()


def test_parts_of_evaluations_and_benchmarks_go_too(place: Path) -> None:
    own = place / "project" / ".sera"
    parts = [own / "bench" / ".soft.jsonl.999999999.part", own / "bench" / "soft-1" / ".x.1.part",
             own / "evals" / "swe" / ".report.json.2.part"]
    for part in (*parts, own / "bench" / f".soft.jsonl.{os.getpid()}.part"):
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("half")
    assert sorted(cleaned(place / "project")["removed"]["part"]) == sorted(map(str, parts))


def test_parts_elsewhere_go_when_nobody_can_be_writing_them(place: Path) -> None:
    cache = place / "home" / "cache" / "students"
    cache.mkdir(parents=True)
    names = (f".a.{os.getpid()}.part", ".a.999999999.x8yz.part", ".new.part", ".old.part")
    own, dead, new, old = (cache / name for name in names)
    for part in (own, dead, new, old):
        part.mkdir()
    long_ago = time.time() - 2 * clean.FORGOTTEN
    os.utime(old, (long_ago, long_ago))
    assert cleaned(place / "project")["removed"]["part"] == [str(dead), str(old)]
    assert own.exists() and new.exists()


def test_the_part_of_an_export_that_was_killed_is_found_wherever_it_lies(place: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom sera_cli.data.files import parted\n"
        "with parted(Path(sys.argv[1])) as folder:\n    (folder / 'row').touch()\n    os.kill(os.getpid(), 9)"
    )
    out = place / "elsewhere" / "out"
    out.parent.mkdir()
    subprocess.run([sys.executable, "-c", code, str(out)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    with parted(out) as living:
        [dead] = [part for part in out.parent.iterdir() if part != living]
        link = place / "home" / "data" / "parts" / dead.name
        assert cleaned(place / "project")["removed"]["part"] == [str(dead), str(link)]
        assert list(out.parent.iterdir()) == [living]
    assert list(out.parent.iterdir()) == list(link.parent.iterdir()) == []


def test_what_cannot_be_removed_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = clean.Kind("folder", lambda _: ["/a", "/b"], lambda _: ["/a"])
    monkeypatch.setattr(clean, "KINDS", (stuck,))
    found = cleaned(place / "project")
    assert (found["removed"], found["left"], found["code"]) == ({"folder": ["/a"]}, {"folder": ["/b"]}, 1)


def test_a_person_is_shown_what_went(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean, "KINDS", (clean.Kind("folder", lambda _: ["/a"], lambda _: ["/a"]),))
    assert CliRunner().invoke(app, ["clean", str(place)]).stdout.split() == ["kind", "removed", "folder", "/a"]
    shown = CliRunner().invoke(app, ["clean", str(place), "--dry-run"]).stdout
    assert shown.split() == ["kind", "would", "be", "removed", "folder", "/a"]


def named(text: str) -> list[int]:
    """Processes that live and have this text in their environment or command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and text.encode() in told and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def test_after_kill_nine_and_clean_nothing_is_left_and_the_run_goes_on(example: Path, place: Path) -> None:
    """In the best sandbox that there is: its processes, mounts, groups and folders carry the name of the run."""
    home = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [word if word != "folder" else "auto" for word in command(example, "killed-run", 2)]
    process = started(words, home)
    explored = example / ".sera" / "runs" / "killed-run" / "2-explored.jsonl"
    while not (explored.exists() and explored.read_bytes().count(b"\n") > 1):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert list((place / "tmp").glob("sera-killed-run*"))
    found = cleaned(example)
    assert found["left"] == {} or not any("killed-run" in name for names in found["left"].values() for name in names)
    assert mine(found, "removed", "folder", "killed-run")
    assert list((place / "tmp").iterdir()) == []
    assert named(str(place / "tmp" / "sera-")) == []
    assert str(place / "tmp") not in Path("/proc/self/mountinfo").read_text()
    assert [group for group in Path("/sys/fs/cgroup").rglob("sera-*") if f".{process.pid}" in group.name] == []
    assert started(words, home).wait() == 0
    assert max(lines(example, "killed-run")["2-explored"].values()) == 1
