"""The quota of a container, as each version of control groups tells it."""

import os
from pathlib import Path

import pytest

from sera_cli.svg.cores import cores

ALL = 16


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(ALL)), raising=False)


@pytest.mark.parametrize(("told", "count"), [
    ("200000 100000\n", 2), ("150000 100000\n", 2), ("20000 100000\n", 1), ("6400000 100000\n", ALL),
    ("max 100000\n", ALL), ("nonsense\n", ALL), ("1 0\n", ALL), ("", ALL),
])  # fmt: skip
def test_no_more_cores_are_used_than_a_container_pays_for(tmp_path: Path, told: str, count: int) -> None:
    (tmp_path / "cpu.max").write_text(told)
    assert cores(tmp_path) == count


@pytest.mark.parametrize(("quota", "count"), [("300000\n", 3), ("-1\n", ALL)])
def test_the_first_version_of_control_groups_says_it_in_two_files(tmp_path: Path, quota: str, count: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert cores(tmp_path) == count


def test_where_nothing_is_told_all_cores_count_and_those_of_this_machine_at_least_once(tmp_path: Path) -> None:
    assert cores(tmp_path / "none") == ALL
    assert 1 <= cores() <= ALL
