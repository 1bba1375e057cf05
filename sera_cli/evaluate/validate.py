"""Whether an instance can be trusted here: with its own fix it is resolved, and without any patch it is not.

Both are really run. What came of it is kept in the user's cache, so that the next evaluation goes on from there.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import IO

from pydantic import ValidationError

from sera_cli import config
from sera_cli.errors import Cancelled, DataError, SandboxError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.grade import SECONDS, Outcome, tested
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Place, Unprepared
from sera_cli.store import atomically
from sera_cli.types import Record, digest

POLL = 0.1
"""Seconds between two looks whether another process is done with an instance."""


class Validation(Record):
    """`environment` is the digest of what the instance was tried in; `reason` says in a line why it is not valid.

    The id covers all that decides the outcome: patches, tests, the script that runs them and the seconds that they may
    take, environment, swebench.
    """

    instance_id: str
    environment: str
    valid: bool
    reason: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return not self.valid


def validated(
    instance: Instance, place: Place, *, logs: Path, cache: Path | None = None, seconds: float = SECONDS,
    again: bool = False, cancelled: Callable[[], bool] = lambda: False,
) -> Validation:
    """Whether the instance can be trusted in `place`; what is known of it is not tried again.

    `again` tries what was not valid once more. `logs` keeps what the two runs print. One process tries an instance
    while others wait. Raises SandboxError when the sandbox broke meanwhile: nothing is known then; Cancelled.
    """
    try:
        parser, environment = swebench.parser(instance), place.prepare(instance)
        at = (cache or folder()) / f"{_id(instance, place, parser, environment, seconds)}.json"
        with _alone(at, cancelled) as file:
            known = _known(file)
            if known and (known.valid or not again):
                return known
            attempt = known.attempt + 1 if known else 1
            found = _tried(instance, place, environment, logs, seconds=seconds)
            found = found.model_copy(update={"id": file.stem, "attempt": attempt})
            atomically(file, found.model_dump_json().encode() + b"\n")
            return found
    except (Unprepared, DataError) as error:
        return Validation(id="", instance_id=instance.instance_id, environment="", valid=False, reason=str(error))


def folder() -> Path:
    """Where validations are kept, one file each."""
    return config.home("cache") / "evaluate" / "validated"


def _id(instance: Instance, place: Place, parser: str, environment: str, seconds: float = SECONDS) -> str:
    asked = instance.model_dump(mode="json", exclude={"row", "problem_statement", "created_at"})
    run = [place.name, place.script(instance), environment, float(seconds)]
    return digest([asked, run, parser, instance.row.get("eval_type") or "", swebench.release()], 16)


def _known(file: Path) -> Validation | None:
    try:
        return Validation.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):  # never tried, or written by another release of sera
        return None


def _tried(instance: Instance, place: Place, environment: str, logs: Path, *, seconds: float) -> Validation:
    begun = monotonic()
    reason = _reason(instance, place, logs, seconds)
    return Validation(
        id="", instance_id=instance.instance_id, environment=environment, valid=not reason, reason=reason,
        seconds=round(monotonic() - begun, 3),
    )  # fmt: skip


def _reason(instance: Instance, place: Place, logs: Path, seconds: float) -> str:
    """Why not; empty where it can be trusted."""
    if not instance.fail_to_pass:
        return "it names no test that fails before the fix"
    name = instance.instance_id.replace("/", "__")
    gold = _outcome(instance, instance.patch, place, logs / f"{name}.gold.log", seconds)
    if gold.verdict != "resolved":
        return f"its own fix does not resolve it: {gold.reason}"
    empty = _outcome(instance, "", place, logs / f"{name}.empty.log", seconds)
    return "it is resolved without any patch" if empty.verdict == "resolved" else ""


def _outcome(instance: Instance, patch: str, place: Place, log: Path, seconds: float) -> Outcome:
    outcome = tested(instance, patch, place, log, seconds=seconds)
    match outcome.verdict:
        case "infra":
            raise SandboxError(f"{instance.instance_id} could not be validated: {outcome.reason}")
        case "unvalidated":
            raise Unprepared(outcome.reason)
        case _:
            return outcome


@contextmanager
def _alone(file: Path, cancelled: Callable[[], bool]) -> Iterator[Path]:
    """Holds what is known of one instance, for this thread; another's two runs of the tests may take an hour."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_suffix(".lock").open("a")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror}); what is known is kept there", file) from error
    with lock:
        while not _locked(lock):
            if cancelled():
                raise Cancelled("stopped while another process tries an instance")
            sleep(POLL)
        yield file


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
