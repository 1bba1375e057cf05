"""Decides whether a patch resolves an instance: it is applied in a fresh sandbox, the benchmark's tests are run, and
the swebench package judges what they print.

Whose failure is it? A patch that does not apply, tests that fail, a run that hangs or tears down its own shell: the
patch's. A sandbox that cannot be had or breaks: nobody's, `infra`. No environment: `unvalidated`.
"""

from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Literal

from sera_cli import hunks
from sera_cli.errors import SandboxError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.output import PLACE, last, output
from sera_cli.evaluate.places import Place, Unprepared
from sera_cli.harness.sandbox import ROOT, Sandbox
from sera_cli.harness.sandbox.disk import FULL
from sera_cli.redact import redact, restore, tokens
from sera_cli.store import atomically
from sera_cli.types import Record, Value
from sera_cli.wording import counted

Verdict = Literal["resolved", "unresolved", "infra", "unvalidated"]

SECONDS = 1800.0
"""Seconds that the tests of an instance may take; swebench's own."""

APPLYING = 120.0
"""Seconds that applying a patch may take."""

PATCH = f"{PLACE}/patch.diff"
GIT_FILES = f"cd {ROOT} && find .git -printf '%p %s %C@\\n' | sort | sha256sum"
UNREAD = "the tests printed a line that ends swebench's log parser"
MOST = 200
"""Names of failing tests that are kept: a syntax error fails ten thousand."""


class Outcome(Value):
    """`failing` are tests that should pass and do not, at most MOST of them; `reason` says in a line why it is not
    resolved. `applied` says whether there is a patch and it could be applied.
    """

    verdict: Verdict
    applied: bool = False
    timed_out: bool = False
    reason: str = ""
    failing: tuple[str, ...] = ()


class Grade(Record, Outcome):
    """The outcome of one patch on one instance. `log` is the name of the file with what its tests printed."""

    instance_id: str
    seconds: float = 0.0
    log: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict == "infra"


def grade(
    instance: Instance, patch: str, place: Place, *, logs: Path, id: str, seconds: float = SECONDS, attempt: int = 1
) -> Grade:
    """Grades a patch; `logs` is the folder where what the tests print is kept, under a name that has `id` in it, and
    beside it the script that ran them.

    Raises what ends the whole run, and DataError where no log parser reads the instance's tests.
    """
    begun, log = monotonic(), logs / f"{instance.instance_id.replace('/', '__')}.{id}.log"
    for old in (log, script_of(log)):
        old.unlink(missing_ok=True)
    if patch.strip():
        outcome = tested(instance, patch, place, log, seconds=seconds)
    else:
        outcome = Outcome(verdict="unresolved", reason="no patch")
    return Grade(
        id=id, attempt=attempt, instance_id=instance.instance_id, seconds=round(monotonic() - begun, 3),
        log=log.name if log.exists() else "", **outcome.model_dump(),
    )  # fmt: skip


def tested(instance: Instance, patch: str, place: Place, log: Path, *, seconds: float = SECONDS) -> Outcome:
    """What the tests make of a patch; of the tree as it is where the patch is empty. Raises as `grade` does."""
    swebench.parser(instance)
    try:
        with place.sandbox(instance) as box:
            return _tested(instance, patch, box, log, script=place.script(instance), seconds=seconds)
    except Unprepared as error:
        return Outcome(verdict="unvalidated", reason=str(error))
    except SandboxError as error:
        if error.ends_run:
            raise
        return Outcome(verdict="infra", reason=str(error))


def _tested(instance: Instance, patch: str, box: Sandbox, log: Path, *, script: str, seconds: float) -> Outcome:
    log.parent.mkdir(parents=True, exist_ok=True)
    if patch.strip() and (refusal := applied(box, meant(box, patch))):
        atomically(log, refusal.encode())
        return Outcome(verdict="unresolved", reason=f"the patch does not apply: {_complaint(refusal)}")
    atomically(script_of(log), script.encode("utf-8", "replace"))
    done, printed = output(box, script, seconds)
    atomically(log, printed.encode())
    if FULL in done.note:
        raise SandboxError(f"the tests were ended: {FULL}; make room")
    if done.timed_out:
        late = f"the tests did not end in {seconds:g} s"
        return Outcome(verdict="unresolved", applied=True, timed_out=True, reason=late)
    judged = swebench.judged(instance, log)
    if judged.resolved:
        return Outcome(verdict="resolved", applied=True)
    reason = _why(instance, judged, printed, done.note)
    return Outcome(verdict="unresolved", applied=True, reason=reason, failing=judged.failing[:MOST])


def script_of(log: Path) -> Path:
    """Where the script is kept whose output a log is: beside it."""
    return log.with_suffix(".sh")


def meant(box: Sandbox, patch: str) -> str:
    """A rollout's patch with the secrets that its tokens stand for: with those it would not apply, or do what it did.

    What an earlier process took out is known again once the files that the patch changes were looked through.
    """
    found = restore(patch)
    if not tokens(found):
        return found
    for change in hunks.read(found).files:
        with suppress(OSError, SandboxError):  # no such file, or no text: no secret of it is in the patch
            redact(box.read(f"{ROOT}/{change.old or change.new}"))
    return restore(found)


def applied(box: Sandbox, patch: str) -> str:
    """Applies a patch by the first of swebench's commands that can; empty, or what they all said.

    Only the last of them, `patch`, would write into `.git`, also through a link that the patch makes; what it changed
    there is no patch of files. Raises SandboxError where one of the programs is not there.
    """
    box.write(PATCH, patch)
    before = box.run(GIT_FILES, APPLYING).output
    said = list[str]()
    for command in swebench.apply_commands():
        done = box.run(f"cd {ROOT} && {command} {PATCH}", APPLYING)
        if done.code == 0 and box.run(GIT_FILES, APPLYING).output != before:
            return "".join([*said, "error: it changes the repository's .git\n"])
        if done.code == 0:
            return ""
        if done.code == 127:
            raise SandboxError(f"grading needs `{command.split()[0]}` where the tests run; install it")
        said.append(f"$ {command}\n{done.output}\n")
    return "".join(said)


def named(tests: tuple[str, ...]) -> str:
    """In a few words which tests fail."""
    shown = ", ".join(name if len(name) <= 60 else f"{name[:59]}…" for name in tests[:2])
    more = f" and {len(tests) - 2} more" if len(tests) > 2 else ""
    return f"{counted(len(tests), 'test fails', 'tests fail')}: {shown}{more}"


def _why(instance: Instance, judged: swebench.Judged, printed: str, note: str) -> str:
    """Where nothing that should pass does, what was said at last tells most: an import that fails, say."""
    if not judged.ran:
        return f"the tests did not run to their end. {note}".strip() if judged.read else UNREAD
    every = len(judged.failing) >= len(instance.fail_to_pass) + len(instance.pass_to_pass)
    return named(judged.failing) + (f"; the last thing they say: {last(printed)}" if every else "")


def _complaint(said: str) -> str:
    """The line that says most: which hunk of which file does not fit, else the first error."""
    errors = [line.removeprefix("error: ").strip() for line in said.splitlines() if line.startswith("error: ")]
    first = errors[0] if errors else "it is no diff"
    return next((error for error in errors if error.startswith("patch failed: ")), first)[:200]
