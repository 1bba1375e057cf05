"""Private folders: whose they are, and what becomes of them when their maker is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sera_cli.harness.sandbox.private import leftovers, private_folder, remove, sweep
from tests.conftest import ROOT

MAKER = """
import os, subprocess, sys
from pathlib import Path
from sera_cli.harness.sandbox.private import private_folder
with private_folder(Path(sys.argv[1]), "my run") as folder:
    subprocess.Popen(["sleep", "98795"], env={"HOME": f"{folder}/home"}, start_new_session=True)
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_this_users_alone_bears_its_label_and_goes_away(tmp_path: Path) -> None:
    with private_folder(tmp_path, "Run 1/of é") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith("sera-Run-1-of---")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_maker_left_is_swept_at_once_with_what_runs_in_it(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(tmp_path)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().decode().strip())
    assert (leftovers(tmp_path), sweep(tmp_path)) == ([], [])
    maker.kill()
    maker.wait()
    assert leftovers(tmp_path) == sweep(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []
    end = time.monotonic() + 20
    while "98795" in commands():
        assert time.monotonic() < end


def commands() -> set[str]:
    words: set[str] = set()
    for entry in Path("/proc").iterdir():
        try:
            words |= set((entry / "cmdline").read_text().split("\0")) if entry.name.isdigit() else set()
        except OSError:
            continue
    return words


def test_a_folder_that_is_just_being_made_is_left_alone_until_it_is_old(tmp_path: Path) -> None:
    made = tmp_path / ".sera-x"
    made.mkdir()
    (made / "lock").touch()
    assert leftovers(tmp_path) == []
    os.utime(made / "lock", (time.time() - 3600,) * 2)
    assert sweep(tmp_path) == [made]


def test_a_link_goes_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o500)
    (tmp_path / "link").symlink_to("own")
    remove(tmp_path / "link")
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("own", 0o500)]


def test_what_is_not_ours_is_never_swept(tmp_path: Path) -> None:
    (tmp_path / "sera-notes").mkdir()
    (tmp_path / "sera-file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "lock").touch()
    assert sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_closed_folder_is_opened_to_be_removed(tmp_path: Path) -> None:
    (tmp_path / "x" / "closed" / "in").mkdir(parents=True)
    (tmp_path / "x" / "closed").chmod(0)
    remove(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
