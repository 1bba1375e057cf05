"""Which tests a change fixes and which it keeps, found by running them before and after it, several times."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Place
from sera_cli.evaluate.trial import Broken, Statuses, trial
from sera_cli.types import Value

RUNS = 3
SECONDS = 600.0
"""Seconds that one run of the tests may take."""

Side = Literal["before", "after"]


class Tried(Value):
    """What became of the tests. `reason` says in a few words why the change is no task, the same for all of a kind,
    and `detail` what was seen; both are empty where it is one.

    `flaky` tests did not end alike in all runs, before or after; they are in neither of the others.
    """

    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""


def tried(
    instance: Instance, place: Place, *, runs: int = RUNS, seconds: float = SECONDS, logs: Path | None = None
) -> Tried:
    """Runs the tests of `instance` with its test patch alone, and with its gold patch too, each `runs` times.

    Each run has a sandbox of its own. `instance.install_config` names the log parser; its own FAIL_TO_PASS and
    PASS_TO_PASS are not looked at. `logs` keeps what was printed. Raises SandboxError, Unprepared, Cancelled.
    """
    seen: dict[Side, list[Statuses]] = {"before": [], "after": []}
    with nullcontext(str(logs)) if logs else TemporaryDirectory() as folder:
        try:
            for side, number in _order(runs):
                log = Path(folder) / f"{side}-{number}.log"
                seen[side].append(trial(instance, place, log, gold=side == "after", seconds=seconds))
                if side == "before" and not fixed(seen["before"], seen["after"]):
                    break
        except Broken as broken:
            return Tried(reason=broken.reason, detail=f"{side} the change: {broken.detail}")
    return judged(seen["before"], seen["after"])


def _order(runs: int) -> Iterator[tuple[Side, int]]:
    """After the change first: what does not run then never will."""
    for number in range(runs):
        yield "after", number
        yield "before", number


def judged(before: Sequence[Statuses], after: Sequence[Statuses]) -> Tried:
    """What several runs on each side come to; a test that a run does not mention has failed there, as for swebench."""
    tests = {test for run in (*before, *after) for test in run}
    flaky = {test for test in tests if not (_steady(test, before) and _steady(test, after))}
    good = fixed(before, after) - flaky
    kept = {test for test in tests - flaky if _ends(test, before[0]) == _ends(test, after[0]) == "passed"}
    if not good:
        detail = f"{len(flaky)} flaky" if flaky else ""
        return Tried(flaky=tuple(sorted(flaky)), reason="no test fails before it and passes after it", detail=detail)
    return Tried(fail_to_pass=tuple(sorted(good)), pass_to_pass=tuple(sorted(kept)), flaky=tuple(sorted(flaky)))


def fixed(before: Sequence[Statuses], after: Sequence[Statuses]) -> set[str]:
    """The tests that pass in the first run after the change and fail in the first one before it."""
    return {test for test, status in after[0].items() if status == "PASSED" and _ends(test, before[0]) == "failed"}


def _steady(test: str, runs: Sequence[Statuses]) -> bool:
    return len({_ends(test, run) for run in runs}) == 1


def _ends(test: str, run: Statuses) -> Literal["passed", "failed", "skipped"]:
    match run.get(test, "FAILED"):
        case "PASSED" | "XFAIL":
            return "passed"
        case "SKIPPED":
            return "skipped"
        case _:
            return "failed"
