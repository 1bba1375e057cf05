"""Starts a local vLLM, waits until it answers, keeps it up and stops it with all it started: the one launcher, for
teachers, serving and evaluation.

It listens at a socket in a folder of this user's alone. A port of loopback would answer every user of the machine, and
vLLM's --api-key leaves `/invocations`, which writes for whoever asks, without a guard.
"""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from shlex import join
from threading import Condition, Event, Thread
from time import monotonic

from sera_cli.errors import Cancelled, ConfigError, Late, Unreachable
from sera_cli.harness.pace import Pace
from sera_cli.harness.sandbox.private import private_folder
from sera_cli.harness.vllm import gpu, guard, launch
from sera_cli.harness.vllm.launch import Order

READY = 3600.0
"""Seconds that a server has to load its model: a large one comes slowly from a network's disk."""

HUNG = 300.0
"""Seconds without an answer after which a server that was up is ended and started again."""

RESTARTS = 3
STEADY = 900.0
"""How often a server that crashes is started again, and seconds of service after which that counts from nothing."""

PAUSE = 2.0
"""Seconds before the first start after a crash; twice as many before each further one."""

POLL = 0.25
NOTICE = 3.0
"""Seconds: between two looks at a server, and after which its end does not go unnoticed."""

SAME = 10.0
"""Seconds after which a log that says nothing new is told again, so that who waits sees the time pass."""

URL = "http://localhost/v1"
"""What a server is called in requests; they reach it by its socket, not by this name."""

LONGEST = 107
"""Bytes of the path of a socket: unix(7)."""

TAIL = 65536
"""Bytes at the end of a log among which its reason stands."""

STOPPED = "the server was stopped; what it was asked is asked again with the next run"

Tell = Callable[[str], None]


def unheard(_: str) -> None:
    """Nobody watches."""


@contextmanager
def serving(
    order: Order, *, tell: Tell = unheard, ready: float = READY, lazily: bool = False
) -> Iterator["Engine"]:
    """A server that answers at `engine.socket`, gone with everything it started, and its GPU memory, on leaving.

    One begun `lazily` answers after `engine.ready`: a run that has all it wants then loads no model.

    `tell` hears how far it is, and of crashes. A server that crashes is started again at the same address. Raises
    Unreachable, which names the log and its last error, when it does not come up or crashes again and again, and
    ConfigError where temporary files lie too deep for a socket.
    """
    engine = Engine(order, tell, ready)
    try:
        if not lazily:
            engine.ready(Pace())
        yield engine
    except Unreachable as error:
        if engine.problem and engine.problem != str(error):
            raise Unreachable(engine.problem) from error
        raise
    finally:
        engine.stop()


class Engine:
    """A server under way. `starts` counts how often it was started; `problem` says why it will not be again.

    `socket` is where it listens, after each start.
    """

    def __init__(self, order: Order, tell: Tell, ready: float) -> None:
        self.order = order
        self.starts = 0
        self.problem = ""
        self._up = False
        self._tell, self._ready = tell, ready
        self._news, self._first, self._stop = Condition(), Event(), Event()
        with ExitStack() as place:
            self.socket = _fitting(place.enter_context(private_folder(label="vllm")) / "socket")
            self._place = place.pop_all()
        self._log_from = 0
        self._thread = Thread(target=self._keep, name="engine", daemon=True)
        self._begun: float | None = None

    @property
    def up(self) -> bool:
        """Whether it answers, as far as was looked."""
        return self._up

    def ready(self, pace: Pace) -> None:
        """Starts the server if nobody has, and returns when it has once answered, however long loading takes.

        Any thread may ask. Raises Unreachable when it does not come up, Cancelled when the run stops.
        """
        if self._first.is_set():
            return
        with self._news:
            if self._begun is None:
                self._begun = monotonic()
                self._thread.start()
        told, said = "", 0.0
        while not (self._settled(POLL * 2) or self._first.is_set()):
            pace.check()
            if self._stop.is_set():
                raise Cancelled(STOPPED)
            line, now = launch.last_line(self._log())[:200] or "is starting", monotonic()
            if line != told or now - said > SAME:
                told, said = line, now
                self._tell(f"{round(now - self._begun)} s  {line}")
        if self.problem:
            raise Unreachable(self.problem)

    def again(self, start: int, until: float, pace: Pace) -> bool:
        """Whether a call that broke off is worth another try: the server it went to, that of the `start`-th start, went
        away, and one answers now. Waits for that.

        Raises Unreachable when there will be none, Late when the clock passes `until`, Cancelled when the run stops.
        """
        noticed = monotonic() + NOTICE
        while self._up and self.starts == start:
            if monotonic() > noticed or self._stop.wait(POLL):
                return False
        while not self._settled(POLL):
            pace.check()
            if self._stop.is_set():
                raise Cancelled(STOPPED)
            if pace.clock() > until:
                raise Late("time was over before the server was up again")
        if self.problem:
            raise Unreachable(self.problem)
        return True

    def stop(self) -> None:
        """Ends the server and whatever it started, and waits until that is so."""
        self._stop.set()
        if self._begun is not None:
            self._thread.join()
        self._place.close()

    def _settled(self, wait: float) -> bool:
        """Whether it is known that the server answers, or that it will not; looks again after `wait` seconds."""
        with self._news:
            return self._news.wait_for(lambda: self._up or bool(self.problem), wait)

    def _keep(self) -> None:
        """Starts the server, and again after a crash, until it is to stop or crashes too often."""
        crashes = 0
        while not self._stop.is_set():
            try:
                served, what = self._serve()
            except OSError as error:
                return self._say(problem=f"vLLM cannot be started: {error.strerror}: {error.filename}")
            if self._stop.is_set():
                return None
            crashes = 1 if served > STEADY else crashes + 1
            if (served == 0 and self.starts == 1) or crashes > RESTARTS:
                return self._say(problem=f"vLLM {what}; its log: {self.order.log}")
            self._tell(f"vLLM {what}; it is started again ({crashes} of {RESTARTS})")
            self._stop.wait(PAUSE * 2 ** (crashes - 1))
        return None

    def _serve(self) -> tuple[float, str]:
        """One server from its start to its end, its memory given back: the seconds it served, and what became of it."""
        before = gpu.used()
        with _guarded(self.order, self.socket) as process:
            self._log_from = self.order.log.stat().st_size
            self.starts += 1
            served = self._watch(process)
            late = process.poll() is None
            self._say(up=False)
        gpu.given_back(before)
        if late and served:
            return served, f"has not answered for {HUNG:.0f} seconds"
        if late:
            return served, f"was not ready after {self._ready:.0f} seconds: {launch.last_line(self._log())[:200]}"
        what = "crashed" if served else f"cannot serve {self.order.model}"
        reason = launch.complaint(self._log()) or "it said nothing"
        return served, f"{what} (exit code {process.returncode}): {reason}"

    def _watch(self, process: "subprocess.Popen[bytes]") -> float:
        """Until the server ends, is to stop, or is silent too long; the seconds since it first answered, else 0."""
        heard, first = monotonic(), inf
        while process.poll() is None and not self._stop.wait(POLL if first == inf else 4 * POLL):
            up = _answers(self.socket)
            if up:
                heard = monotonic()
            if up and first == inf:
                first = heard
                self._first.set()
                self._tell("vLLM answers")
            if up != self._up:
                self._say(up=up)
            if monotonic() - heard > (self._ready if first == inf else HUNG):
                break
        return max(0.0, monotonic() - first)

    def _say(self, *, up: bool = False, problem: str = "") -> None:
        with self._news:
            self._up, self.problem = up, problem
            self._news.notify_all()

    def _log(self) -> str:
        """What this start has written so far, at most the end of it."""
        with suppress(OSError), self.order.log.open("rb") as file:
            file.seek(max(self._log_from, self.order.log.stat().st_size - TAIL))
            return file.read().decode(errors="replace")
        return ""


@contextmanager
def _guarded(order: Order, place: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The server below a guard, which ends with it; ended on leaving, as it is when this process is killed."""
    place.unlink(missing_ok=True)  # of a server that crashed: where a file is, nobody can listen
    words = order.words(place)
    order.log.parent.mkdir(parents=True, exist_ok=True)
    with order.log.open("ab") as log:
        log.write(f"# {datetime.now(UTC).isoformat(timespec='seconds')} {join(words)}\n".encode())
        log.flush()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guard.__file__)), *words], stdin=subprocess.PIPE, stdout=log,
            stderr=log, env=launch.environment(os.environ, offline=order.offline), start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a guard, which ends what it started when its stdin closes."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(2 * guard.GRACE)
    except subprocess.TimeoutExpired:  # something that not even SIGKILL ends, as a driver that hangs
        process.kill()
        process.wait()


def _fitting(place: Path) -> Path:
    if len(os.fsencode(place)) > LONGEST:
        raise ConfigError(f"{place} is too long for the address of a socket; set TMPDIR to a shorter path")
    return place


def _answers(place: Path) -> bool:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    try:
        with socket.socket(socket.AF_UNIX) as connection.sock:
            connection.sock.settimeout(5)
            connection.sock.connect(str(place))
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
