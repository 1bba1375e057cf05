"""The docker sandbox: commands run in a container of a rollout's own, above an image that holds the repository.

Covered: the network, the user's files and processes (nothing of the host is mounted), the environment, capabilities,
new privileges, memory, processes, time, kept output, what is written to disk. Not covered: faults of the kernel, and
those of the engine. Commands run as a plain user; what sera itself relies on inside belongs to root.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep, time
from types import TracebackType
from typing import Self

from sera_cli.config import home
from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import Result, Terms, changes, daemon
from sera_cli.harness.sandbox.answers import OUTPUT, SECONDS, TEXT, check_written, decoded, ended, text
from sera_cli.harness.sandbox.attached import KILLED, Attached
from sera_cli.harness.sandbox.container import NAME, House, Stand
from sera_cli.harness.sandbox.disk import FLOOR, FULL, STEP
from sera_cli.harness.sandbox.environment import Environment, environment_or_plain
from sera_cli.harness.sandbox.layers import GROUP, KEPT, USER, layer
from sera_cli.harness.sandbox.places import INSIDE, SYSTEM_PATH
from sera_cli.harness.sandbox.session import Session, driver
from sera_cli.redact import redact

RESTING = 2
"""Processes of a container in which nothing runs: its init, and the one that init is there for."""

PATIENCE = 10
"""Looks at a container, each a little later than the one before, until what was killed in it has to be gone."""

TRIES = 3
"""How often sera's git is begun until the engine knows how it ended."""

EVERY = 0.5
"""Seconds between two looks at what a running command has written."""

# Nothing runs beside it, so what was put in the way of sera's git before is gone when that begins.
FRESH = (
    "cd {git} && {{ chmod -R u+rwX . 2>/dev/null; find . -mindepth 1 -delete; }} && cp -r {kept}/. . && "
    "mkdir -p objects refs && cd {testbed} && {diff}"
)


class Containers:
    """The Maker of docker sandboxes. A checkout becomes an image when it is first needed; leaving removes those images.

    Raises SandboxGone when no engine answers.
    """

    name = "docker"
    isolates = True

    def __init__(self, terms: Terms) -> None:
        self.terms, self._house = terms, House(terms)
        self._client, self._turn = daemon.connect(), Lock()
        self._under: Environment | None = None
        self._images: dict[Path, str] = {}

    def __call__(self, base: Path, scratch: Path | None = None) -> "DockerSandbox":  # noqa: ARG002
        """Its files lie in the engine, and none in `scratch`."""
        return DockerSandbox(self._house, lambda: self._stand(base.resolve()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for image in self._images.values():
            with self._turn, suppress(SandboxError), daemon.answering(self._client, "remove the images of the run"):
                self._client.remove_image(image, force=True)

    def image(self, base: Path) -> tuple[str, Environment]:
        """The image of a checkout, and the environment it stands on: the first checkout's, for all of a run."""
        with self._turn:
            if self._under is None:
                daemon.sweep()
                self._under = self._environment(base)
            if base not in self._images:
                self._images[base] = layer(self._client, self._under, base, self.terms.label)
            return self._images[base], self._under

    @contextmanager
    def _stand(self, base: Path) -> Iterator[Stand]:
        image, under = self.image(base)
        git = under.git.rpartition("/")[0]
        yield Stand(image=image, variables=under.environment(), git=git, user=f"{USER}:{GROUP}")

    def _environment(self, base: Path) -> Environment:
        log = self.terms.log or home("cache") / "environment.log"
        terms = self.terms
        found = environment_or_plain(self._client, base, terms.env, log, cancelled=terms.cancelled)
        if found.note:
            self.terms.tell(f"note: {found.note}")
        return found


class DockerSandbox:
    """A Sandbox: one container, made on entering and gone on leaving; what it starts from is `lent` for that long."""

    isolates = True

    def __init__(self, house: House, lent: Callable[[], AbstractContextManager[Stand]]) -> None:
        self._house, self._lent = house, lent
        self._session = Session(self._shell, cancelled=self._watched)
        self._looked, self._most, self._full, self._low = 0.0, house.terms.bounds.disk, "", False
        self._free = house.free()
        self._told: str | None = None
        self._talk: Attached | None = None
        self._busy = Lock()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._on = stack.enter_context(self._lent())
            self._client = daemon.connect()
            self._box = self._made()
            stack.callback(self._over)
            with daemon.answering(self._client, "start a container"):
                self._client.start(self._box)
            stack.enter_context(self._house.watch.after(self))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, command: str, timeout: float) -> Result:
        with self._busy:
            earlier, began, self._told, self._full = self._full, int(time()), None, ""
            answer = self._session.run(command, timeout, OUTPUT)
            starved = answer.code == KILLED or (answer.code != 0 and b"Killed" in answer.output)
            notes = [*(self._starved(began) if starved else ()), *ended(answer, self._full)]
        notes = [*([f"What ran in the background was killed: {earlier}."] if earlier else []), *notes]
        return Result(
            output=redact(decoded(answer.output)), code=answer.code, timed_out=answer.end == "late",
            note=" ".join(notes),
        )  # fmt: skip

    def read(self, path: str) -> str:
        with self._busy:
            return text(self._session.read(path, SECONDS, TEXT), path)

    def write(self, path: str, text: str) -> None:
        self._told = None
        with self._busy:
            check_written(self._session.write(path, text.encode("utf-8", "replace"), SECONDS), path)

    def diff(self) -> str:
        """Ignored files, Python's caches and binary files are left out; what is not UTF-8 is replaced."""
        with self._busy:
            if self._told is None or self._session.alive:
                self._session.end()
                self._stop()
                self._told = self._changed()
            return self._told

    def look(self) -> None:
        """Bounds what the background writes to disk while no command runs; asked by another thread."""
        if self._busy.acquire(blocking=False):
            try:
                with suppress(SandboxError):
                    self._bound_disk()
            finally:
                self._busy.release()

    def _changed(self) -> str:
        script = FRESH.format(git=INSIDE["git"], kept=KEPT, testbed=INSIDE["testbed"], diff=changes.DIFF)
        for _ in range(TRIES):
            output, code = self._once(["/bin/sh", "-c", script], changes.environment(INSIDE), TEXT + 1)
            if code is not None:
                break
        if code != 0 or len(output) > TEXT:
            raise SandboxError("cannot tell what changed: git failed, or the diff is larger than 16 MiB")
        return redact(changes.without_binary(decoded(output)))

    def _shell(self) -> Attached:
        argv = driver(INSIDE["testbed"], f"{INSIDE['state']}/shell")
        self._talk = Attached(
            self._client, self._box, argv, user=self._on.user, env=self._on.variables, stop=self._stop, idle=self._idle
        )  # fmt: skip
        return self._talk

    def _once(self, argv: list[str], env: dict[str, str], limit: int) -> tuple[bytes, int | None]:
        """Runs one program of the system to its end, beside what runs already."""
        plain = {"PATH": ":".join((*SYSTEM_PATH, self._on.git)), "LANG": "C.UTF-8"}
        one = Attached(
            self._client, self._box, argv, user=self._on.user, env=plain | env, stop=lambda: None, idle=self._idle
        )  # fmt: skip
        return one.rest(limit, SECONDS)

    def _stop(self) -> None:
        """Ends all that runs, if need be with the container, which then begins again with its files on disk.

        Raises SandboxError for a container that has ended: what runs inside cannot bring that about.
        """
        with daemon.answering(self._client, "end the commands of a rollout"):
            if not self._client.inspect_container(self._box)["State"]["Running"]:
                raise SandboxError("the container of this sandbox has ended, and not by what ran inside")
            for looks in (1, PATIENCE, PATIENCE):
                if self._resting(looks):
                    return
                self._once(["/bin/sh", "-c", "kill -9 -1"], {}, 0)
            if not self._resting(PATIENCE):
                self._client.restart(self._box, timeout=0)

    def _idle(self) -> bool:
        with daemon.answering(self._client, "look for the commands of a rollout"):
            return self._resting(1)

    def _resting(self, looks: int) -> bool:
        """Whether nothing runs inside; what was killed has so many looks' time to be gone."""
        for look in range(looks):
            sleep(0.005 * look)
            if len(self._client.top(self._box, ps_args=self._house.asks)["Processes"]) <= RESTING:
                return True
        return False

    def _watched(self) -> bool:
        """Asked by the session several times a second: whether the run is being stopped. It looks at the disk, too."""
        self._bound_disk()
        return self._house.terms.cancelled()

    def _bound_disk(self) -> None:
        if monotonic() - self._looked > EVERY and self._house.shrunk(self._free):
            if found := self._too_much():
                self._full = found
                self._stop()
                self._most = self._written() + self._house.terms.bounds.disk // 8  # so that a command can tidy up
            self._looked, self._free = monotonic(), self._house.free()

    def _too_much(self) -> str:
        """What is wrong with what was written to disk; empty when nothing is."""
        written = self._written()
        if written > self._most:
            bound = self._house.terms.bounds.disk / 2**30
            return f"more than {bound:.3g} GiB were written to disk; remove what is not needed"
        before, self._low = self._low, self._house.free() < FLOOR
        return FULL if self._low and (before or written > STEP) else ""

    def _written(self) -> int:
        return daemon.written(self._client, self._box)

    def _starved(self, since: int) -> list[str]:
        """What is to be said when the kernel has killed a process for want of memory."""
        wanted = {"container": self._box, "event": "oom"}
        with daemon.answering(self._client, "ask what a container lacked"):
            found = any(True for _ in self._client.events(since=since, until=int(time()) + 1, filters=wanted))
        most = f"{self._house.terms.bounds.memory / 2**30:.3g} GiB"
        return [f"The system killed a process: all together may take {most} of memory."] * found

    def _made(self) -> str:
        terms = self._house.terms
        plain = re.sub(r"[^\w.-]+", "-", terms.label, flags=re.ASCII) or "run"
        with daemon.answering(self._client, "make a container"):
            made = self._client.create_container(
                self._on.image, entrypoint=["/bin/sleep"], command=["infinity"], user=self._on.keeper,
                name=f"sera-{plain}-{secrets.token_hex(6)}", working_dir=INSIDE["testbed"], hostname=NAME,
                labels=daemon.labels(terms.label), host_config=self._house.confined(self._client, self._on),
            )  # fmt: skip
        return str(made["Id"])

    def _over(self) -> None:
        """What cannot be removed now, because the engine is gone, a sweep finds by its labels."""
        self._busy.acquire()  # for good: nobody looks any more
        with suppress(SandboxError), daemon.answering(self._client, "remove a container"):
            self._client.remove_container(self._box, v=True, force=True)
        if self._talk:
            self._talk.close()
        self._client.close()
