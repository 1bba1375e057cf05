"""One run of an instance's tests as they are wanted, on the tree before the change or after it."""

import re
from pathlib import Path

from sera_cli.errors import SeraError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.grade import UNREAD, applied
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.output import last, output
from sera_cli.evaluate.places import Place
from sera_cli.evaluate.script import START
from sera_cli.store import atomically

Statuses = dict[str, str]
"""PASSED, FAILED, SKIPPED, ERROR or XFAIL by test."""


_OFFLINE = re.compile(r"module lookup disabled by GOPROXY=off|you're using offline mode")
_LACKING = re.compile(r"(?m)^(?:error: |.*(?=module lookup disabled)).{1,160}")
"""What go and cargo say where they would have had to fetch something, and the line that names it."""


class Broken(SeraError):
    """The tests tell nothing. `reason` is the same for all of a kind, `detail` the line that says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


def trial(instance: Instance, place: Place, log: Path, *, gold: bool, seconds: float) -> Statuses:
    """The status of each test, in a sandbox of its own; with the gold patch applied where `gold`. `log` is written.

    Raises Broken, SandboxError, Unprepared, Cancelled; DataError where the instance names no log parser.
    """
    swebench.parser(instance)
    with place.sandbox(instance) as box:
        if gold and (refusal := applied(box, instance.patch)):
            raise Broken("the code part does not apply alone", last(refusal))
        done, printed = output(box, place.script(instance), seconds)
    log.parent.mkdir(parents=True, exist_ok=True)
    atomically(log, printed.encode("utf-8", "replace"))
    if done.timed_out:
        raise Broken("the tests hang", f"no end after {seconds:g} s")
    found = _statuses(instance, log)
    if found is None:
        raise Broken("the tests cannot be run", done.note or last(printed))
    if gold and "PASSED" not in found.values():
        told = last(printed.partition(START)[2] or printed)
        if lacking := _LACKING.search(printed) if _OFFLINE.search(printed) else None:
            raise Broken("what it depends on is not on this machine", f"{lacking[0]}; fetch it once, or say --network")
        raise Broken("all tests fail with it too" if found else "the tests do not start", told)
    return found


def _statuses(instance: Instance, log: Path) -> Statuses | None:
    """What swebench reads in a log; None where it tells of no run. Raises Broken where it cannot be read."""
    from swebench.harness.grading import get_logs_eval

    spec = swebench.test_spec(instance)
    try:
        found, ran = get_logs_eval(spec, str(log))
    except swebench.UNREADABLE as error:
        raise Broken("the tests' output cannot be read", UNREAD) from error
    return {test: str(status) for test, status in found.items()} if ran else None
