"""Reads files in processes of its own, one for each core, and gives the pages as bytes, ready for a memory.

A worker gets chunks of files, one a line, and answers for each file with its page, after the length of that. One that
dies is started again at the file where it died; a file at which two have died is named, and the rest is read.
"""

import gc
import os
import selectors
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from json import dumps, loads
from pathlib import Path
from signal import SIGKILL
from subprocess import DEVNULL, PIPE, Popen

import sera_cli
from sera_cli.git import Checkout, blobs
from sera_cli.svg.cores import cores
from sera_cli.svg.memory import Key
from sera_cli.svg.pages import Page, read, told

KILLED = "its reader was killed, twice"
"""By a parser that breaks, or for want of memory."""

MOST = 16
"""Workers at most: each takes about 60 MB."""

WORTH = 700_000
"""Bytes to read for which one more worker is worth its start."""

LEAST, LARGEST = 50_000, 1_000_000
"""Bytes of the files in a chunk. Two chunks are with a worker, so that it need not wait for the next."""

LETTER = 30_000
"""Bytes to name the files of a chunk in: of less than two, a pipe holds all, and nobody waits to write while the other
side does.
"""

_LENGTH = 4
"""Bytes that tell the length of an answer."""

_START = (
    "import sys; from json import loads; sys.path.extend(loads(sys.argv[1])); "
    "from sera_cli.svg.workers import serve; serve(sys.argv[2])"
)
COMMAND = (sys.executable, "-I", "-S", "-c", _START)

Answer = bytes | Page | None
"""A page as bytes; one that names a file that ends its readers; nothing where the file is to be read by who asked."""


def many(sizes: Iterable[int]) -> int:
    """How many workers are worth their start for files of these sizes; 0 where one process reads them as fast."""
    count = min(cores(), MOST, sum(sizes) // WORTH)
    return count if count > 1 and sys.executable else 0


def chunks(files: Sequence[tuple[Key, int]], count: int) -> Iterator[list[Key]]:
    """Files with their sizes, in chunks that get smaller, so that all workers end at about the same time."""
    rest = sum(size for _, size in files)
    some: list[Key] = []
    held = letter = 0
    for key, size in files:
        some.append(key)
        held, letter, rest = held + size, letter + len(dumps(key)) + 2, rest - size
        if letter > LETTER or held > min(max(LEAST, rest // (4 * count)), LARGEST):
            yield some
            some, held, letter = [], 0, 0
    if some:
        yield some


def answers(
    checkout: Checkout, todo: Iterator[list[Key]], count: int, command: Sequence[str] = COMMAND
) -> Iterator[tuple[Key, Answer]]:
    """What `count` workers tell of all these files, each once, in no certain order. No worker outlives it."""
    with ExitStack() as stack, selectors.DefaultSelector() as ready:
        workers = [stack.enter_context(_Worker(checkout, command)) for _ in range(count)]
        for worker in workers:
            worker.feed(todo)
            ready.register(worker.pipe, selectors.EVENT_READ, worker)
        while any(worker.owed for worker in workers):
            for key, _ in ready.select():
                worker = key.data
                yield from worker.heard()
                if worker.dead:
                    ready.unregister(worker.pipe)
                    yield from worker.revived()
                    ready.register(worker.pipe, selectors.EVENT_READ, worker)
                worker.feed(todo)


def serve(root: str) -> None:
    """What a worker does until nobody asks any more."""
    gc.disable()  # syntax trees hold no cycles, and looking for some takes as long as making them
    here = Checkout(root=Path(root), commit="", name="")
    with open(1, "wb") as out, open(0, "rb") as asked:
        for line in asked:
            keys = [Key(*one) for one in loads(line)]
            for key, (_, content) in zip(keys, blobs(here, [key.blob for key in keys]), strict=True):
                page = read(key.path, content, key.declared)
                answer = told(page) if page.harmless else b""
                out.write(len(answer).to_bytes(_LENGTH) + answer)
                out.flush()


class _Worker:
    """A process that reads, in a session of its own: Ctrl-C is for who asks. It owes what it has not answered yet."""

    def __init__(self, checkout: Checkout, command: Sequence[str]) -> None:
        places = [*sys.path, str(Path(sera_cli.__file__).parent.parent)]
        self.command = [*command, dumps(places), str(checkout.root)]
        self.owed: deque[Key] = deque()
        self.died_at: Key | None = None
        self.latest = 0
        self._start()

    def _start(self) -> None:
        self.process = Popen(self.command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True, bufsize=0)
        assert self.process.stdout
        self.pipe, self.rest, self.dead = self.process.stdout.fileno(), b"", False

    def feed(self, todo: Iterator[list[Key]]) -> None:
        """Gives it chunks until it has one more than it is at."""
        while len(self.owed) <= self.latest and (some := next(todo, None)):
            self.latest = len(some)
            self.owed.extend(some)
            self._ask(some)

    def heard(self) -> Iterator[tuple[Key, Answer]]:
        """What it has answered by now."""
        said = os.read(self.pipe, 1 << 20)
        self.dead = not said
        self.rest += said
        while len(self.rest) >= (end := _LENGTH + int.from_bytes(self.rest[:_LENGTH])):
            answer, self.rest = self.rest[_LENGTH:end], self.rest[end:]
            yield self.owed.popleft(), answer or None

    def revived(self) -> Iterator[tuple[Key, Answer]]:
        """Starts it again. What it died at for the second time is answered without it; all, where it failed by itself:
        whoever asks will see why.
        """
        self.process.wait()  # how it ends is not to be how we end it
        self._end()
        if self.owed and self.owed[0] == self.died_at:
            killed = self.process.returncode < 0
            for _ in range(1 if killed else len(self.owed)):
                key = self.owed.popleft()
                yield key, Page(key.path, unreadable=KILLED) if killed else None
        self.died_at = self.owed[0] if self.owed else None
        self._start()
        self._ask([*self.owed])

    def _ask(self, keys: list[Key]) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):  # a dead one is found out when it is listened to
            self.process.stdin.write(dumps(keys).encode() + b"\n")

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, SIGKILL)  # with the git that it reads through
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.process.wait()

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
