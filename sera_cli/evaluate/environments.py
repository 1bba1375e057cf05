"""Environments by their specification, in the user's cache: built by one process while others wait, whole or not at
all, and used by everybody after that.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from sera_cli import plumbing, store
from sera_cli.errors import Cancelled
from sera_cli.evaluate import building, repositories
from sera_cli.evaluate.building import FOUND, Workplace
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.pythons import Interpreter
from sera_cli.evaluate.specification import Specification
from sera_cli.export import export
from sera_cli.git import Checkout
from sera_cli.harness.sandbox import Shown, Terms
from sera_cli.harness.sandbox.disk import free
from sera_cli.harness.sandbox.private import remove
from sera_cli.types import Value, digest

MARKER = "made.json"
USED = "used"
"""Beside an environment, the file by which whoever uses it keeps it from being removed."""

ROOM = 2 << 30
"""Bytes of free disk without which no environment is begun."""

POLL = 0.2

CACHES = ("__pycache__/", ".pyc", ".pyo", ".pytest_cache/")
"""What is not kept of the traces of an installation."""


class Made(Value):
    """An environment: the interpreter it was made with, and the packages in it as `pip freeze` says them."""

    specification: str
    interpreter: Interpreter
    packages: tuple[str, ...]
    seconds: float

    @property
    def digest(self) -> str:
        return digest([self.specification, self.interpreter.name, self.packages], 16)


def environment(
    wanted: Specification, made_with: Interpreter, checkout: Checkout, folder: Path, terms: Terms, *, offline: bool
) -> Made:
    """The environment in `folder`, found there or built from the repository's commit.

    Raises Unprepared where it cannot be built, and where it would have to be `offline`; Cancelled; SandboxError.
    """
    with alone(folder, terms.cancelled):
        if found := _found(folder, wanted, made_with):
            return found
        if offline:
            raise Unprepared("offline: its environment is not there yet, and would be built from the network")
        if (left := free(folder)) < ROOM:
            raise Unprepared(f"{folder.parent} has {left >> 20} MiB left, too few for an environment; make room")
        terms.tell(f"building an environment of {wanted.repo} with Python {made_with.name} (log: {folder / 'log'})")
        made = _build(wanted, made_with, checkout, folder, terms.cancelled)
        store.atomically(folder / MARKER, made.model_dump_json().encode())
        return made


def use(terms: Terms, folder: Path, made: Made) -> Terms:
    """The terms of sandboxes whose commands find the environment in `folder` active.

    Its packages are those of its interpreter too: what tox makes is a link to that, and no part of an environment.
    """
    interpreter = building.shown(made.interpreter)
    variables = {"VIRTUAL_ENV": FOUND, "LC_ALL": "C.UTF-8", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    packages = f"lib/{made.interpreter.program.name}/site-packages"
    own = [Shown(folder / "env" / packages, f"{home.inside}/{packages}") for home in interpreter[:1]]
    return replace(
        terms, shown=(*terms.shown, Shown(folder / "env", FOUND), *interpreter, *own),
        path=(f"{FOUND}/bin", *terms.path), variables={**terms.variables, **variables},
    )  # fmt: skip


def _found(folder: Path, wanted: Specification, made_with: Interpreter) -> Made | None:
    """What is there, if it is whole and its interpreter is still the same."""
    try:
        made = Made.model_validate_json((folder / MARKER).read_bytes())
    except (OSError, ValidationError):
        return None
    return made if (made.specification, made.interpreter) == (wanted.digest, made_with) else None


def _build(
    wanted: Specification, made_with: Interpreter, checkout: Checkout, folder: Path, cancelled: Callable[[], bool]
) -> Made:
    begun = time.monotonic()
    where = Workplace(folder / "env", folder / "checkout", repositories.objects(checkout), folder / "log")
    for old in (folder / MARKER, where.log):
        old.unlink(missing_ok=True)
    for old in (where.environment, where.checkout, folder / "left"):
        remove(old)
    where.environment.mkdir()
    try:
        export(checkout, where.checkout)
        repositories.give_past(checkout, where.checkout, building.OBJECTS)
        packages = building.build(wanted, made_with, where, cancelled=cancelled)
        _keep(where.checkout, folder / "left")
    except BaseException:
        remove(where.environment)
        raise
    finally:
        remove(where.checkout)
    seconds = round(time.monotonic() - begun, 1)
    return Made(specification=wanted.digest, interpreter=made_with, packages=packages, seconds=seconds)


def _keep(checkout: Path, folder: Path) -> None:
    """Moves what the installation added to the checkout to `folder`: metadata of packages, built modules."""
    listed = plumbing.answer(checkout, "ls-files", "-z", "--others").decode("utf-8", "surrogateescape")
    folder.mkdir()
    for name in filter(None, listed.split("\0")):
        if not name.endswith("/") and not any(cache in name for cache in CACHES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).rename(folder / name)


@contextmanager
def alone(folder: Path, cancelled: Callable[[], bool]) -> Iterator[None]:
    """While this is open, no other thread or process is at work on the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise Cancelled("stopped while another process builds an environment") from None
                time.sleep(POLL)
        yield
