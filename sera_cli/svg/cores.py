"""How many cores this process may use: those it may run on, and no more than its container pays for."""

import os
from contextlib import suppress
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
"""Where Linux tells of the control group; in a container, that of the container."""

_FILES = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
"""Microseconds of CPU in each period, and the period: how version 2 of control groups says it, and version 1."""


def cores(group: Path = GROUP) -> int:
    """At least 1. A part of a core that is allowed beyond whole ones counts as one more."""
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = next(filter(None, (_quota(group, *names) for names in _FILES)), 0.0)
    return min(most, max(1, -int(-quota // 1))) if quota else most


def _quota(group: Path, *names: str) -> float:
    """The cores that are allowed; 0 where any number is, or nothing is told."""
    with suppress(OSError, ValueError):  # `max` is no number
        quota, period = map(int, " ".join((group / name).read_text() for name in names).split())
        return quota / period if quota > 0 < period else 0.0
    return 0.0
