"""One run of an instance's tests as they are wanted, on the tree before the change or after it."""

from pathlib import Path

from sera_cli import store
from sera_cli.errors import SeraError
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Place
from sera_cli.evaluate.runners.reading import Statuses, statuses
from sera_cli.harness.sandbox import Sandbox

START, END = ">>>>> Start Test Output", ">>>>> End Test Output"
"""What stands round the output of the tests, in swebench's logs."""

MOST = 16
"""MiB that are read of a log's end: the summary stands there."""

SHORT = 120.0
"""Seconds for what is no test: applying a patch, reading the log."""


class Broken(SeraError):
    """The tests told nothing. `reason` is the same for all of a kind, `detail` the line that says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


def trial(instance: Instance, place: Place, *, gold: bool, seconds: float, log: Path | None = None) -> Statuses:
    """The status of each test, in a sandbox of its own; with the gold patch applied where `gold`.

    Raises Broken, SandboxError, Unprepared, Cancelled; DataError where the instance names no log parser.
    """
    with place.sandbox(instance) as box:
        if gold:
            _apply(box, instance.patch)
        printed, late = _run(box, place.script(instance), seconds)
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        store.atomically(log, printed.encode("utf-8", "replace"))
    if late:
        raise Broken("its tests hang", f"no end after {seconds:g} s")
    if START not in printed or END not in printed:
        raise Broken("its tests cannot be run", _last(printed))
    parser = instance.install_config.log_parser if instance.install_config else ""
    found = statuses(printed.split(START)[1].split(END)[0], parser)
    if gold and not found:
        raise Broken("its tests do not start", _last(printed.split(START)[1].split(END)[0]))
    return found


def _apply(box: Sandbox, patch: str) -> None:
    box.write("/tmp/gold.patch", patch)
    done = box.run("cd /testbed && git apply --whitespace=nowarn /tmp/gold.patch", SHORT)
    if done.code:
        raise Broken("its code part does not apply alone", _last(done.output))


def _run(box: Sandbox, script: str, seconds: float) -> tuple[str, bool]:
    """What the script printed, of a long log the end, and whether its time ran out."""
    box.write("/tmp/tests.sh", script)
    done = box.run("bash /tmp/tests.sh >/tmp/tests.log 2>&1", seconds)
    tail = f"tail -c {MOST << 20} /tmp/tests.log"
    parts = (box.run(f"{tail} | tail -c +{(part << 20) + 1} | head -c {1 << 20}", SHORT).output for part in range(MOST))
    return "".join(iter(parts.__next__, "")), done.timed_out


def _last(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("+")]
    return lines[-1][:200] if lines else "nothing was printed"
