"""Whoever is at work in a folder is known to whoever would clear it away, also in another process."""

import errno
import fcntl
import gc
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from sera_cli.presence import Uses, attended, deserted
from tests.conftest import ROOT

OTHER = """
import sys
from pathlib import Path
from sera_cli.presence import attended
with attended(Path(sys.argv[1])):
    print("there", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_deserted_when_the_last_one_has_left(tmp_path: Path) -> None:
    lock = tmp_path / "made" / "used"
    with attended(lock):
        with attended(lock), deserted(lock) as nobody:
            assert not nobody
        with deserted(lock) as nobody:
            assert not nobody
    with deserted(lock) as nobody:
        assert nobody


def test_whoever_is_killed_is_there_no_more(tmp_path: Path) -> None:
    lock = tmp_path / "used"
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, lock], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)  # fmt: skip
    assert other.stdout and other.stdout.readline() == b"there\n"
    with deserted(lock) as nobody:
        assert not nobody
    other.kill()
    other.communicate()
    with deserted(lock) as nobody:
        assert nobody


def test_whoever_comes_while_it_is_cleared_waits_for_that(tmp_path: Path) -> None:
    lock, begun, order = tmp_path / "used", Event(), list[str]()

    def come() -> None:
        begun.set()
        with attended(lock):
            order.append("come")

    with deserted(lock):
        one = Thread(target=come)
        one.start()
        begun.wait()
        order.append("cleared")
    one.join()
    assert order == ["cleared", "come"]


def test_a_program_that_was_started_there_does_not_stay_there(tmp_path: Path) -> None:
    lock = tmp_path / "used"
    with attended(lock):
        program = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    with deserted(lock) as nobody:
        assert nobody
    program.communicate()


def test_what_was_begun_goes_on_for_as_long_as_it_is_kept_unless_it_failed(tmp_path: Path) -> None:
    uses, one, other = Uses(), tmp_path / "one", tmp_path / "other"
    with uses.begun(one):
        pass
    with pytest.raises(KeyError), uses.begun(other):
        raise KeyError
    for lock, free in ((one, False), (other, True)):
        with deserted(lock) as nobody:
            assert nobody is free
    del uses
    gc.collect()
    with deserted(one) as nobody:
        assert nobody


def test_a_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: object, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    for way in (attended, deserted):
        with pytest.raises(OSError, match="No locks available") as told, way(tmp_path / "used"):
            pass
        assert told.value.filename == str(tmp_path / "used")
