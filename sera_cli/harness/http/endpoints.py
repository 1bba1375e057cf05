"""The servers of a teacher: which one a rollout asks, and how many calls each bears at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from threading import Condition
from weakref import WeakSet

from sera_cli.errors import Late
from sera_cli.harness.http.channel import Channel
from sera_cli.harness.pace import GLANCE, Pace

BACK_OFF = 0.6
"""What is left of the calls at once after the server said it is too busy."""
LEFT_ALONE = (5.0, 60.0)
"""Seconds that a server which is gone is not asked while another is there: at first, and at most."""
STRIKES = 3
"""Calls in a row that break before a server counts as gone."""


@dataclass(eq=False)
class Lease:
    """The right to one call, with a connection to make it on. `cuts` tells calls begun before a step down."""

    channel: Channel
    cuts: int


class Endpoint:
    """One server, at a `socket` of this machine or by its URL. At most `limit` calls at once: fewer after it said it is
    busy, slowly more while it answers.
    """

    def __init__(self, url: str, most: int, pace: Pace, socket: str = "") -> None:
        self.url, self.seen = url, False
        self.limit, self.busy, self.waiting = float(most), 0, 0
        self.down_until = -inf
        self.holders: WeakSet[object] = WeakSet()
        self._most, self._pace, self._socket = most, pace, socket
        self._strikes = self._cuts = 0
        self._idle: list[Channel] = []
        self._turn = Condition()

    @property
    def load(self) -> float:
        """Rollouts that stick to it, one more counted in, for each call that it bears."""
        return (len(self.holders) + 1) / self.limit

    @property
    def down(self) -> bool:
        return self._pace.clock() < self.down_until

    @contextmanager
    def call(self, until: float) -> Iterator[Lease]:
        """Waits for its turn. Raises Late and Cancelled."""
        self._enter(until)
        with self._turn:
            kept = self._idle.pop() if self._idle else None
            lease = Lease(kept or Channel(self.url, self._pace, self._socket), self._cuts)
        try:
            yield lease
        finally:
            with self._turn:
                self._idle.append(lease.channel)
                self.busy -= 1
                self._turn.notify()

    def answered(self) -> None:
        with self._turn:
            self.seen, self._strikes, self.down_until = True, 0, -inf
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
            self._turn.notify()

    def throttled(self, lease: Lease) -> None:
        """Steps down, once for all the calls that were under way together."""
        with self._turn:
            self.seen = True
            if lease.cuts == self._cuts:
                self._cuts += 1
                self.limit = max(1.0, min(self.limit, float(self.busy)) * BACK_OFF)

    def broke(self, *, gone: bool) -> None:
        """Counts a call that broke; a server that is gone is left alone for a while, each time for longer."""
        with self._turn:
            self._strikes += 1
            if gone or self._strikes >= STRIKES:
                first, most = LEFT_ALONE
                self.down_until = self._pace.clock() + min(most, first * 2.0 ** min(self._strikes - 1, 8))

    def close(self) -> None:
        with self._turn:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def _enter(self, until: float) -> None:
        with self._turn:
            self.waiting += 1
            try:
                while self.busy + 1 > max(1.0, self.limit):
                    self._turn.wait(GLANCE)
                    self._pace.check()
                    if self._pace.clock() >= until:
                        raise Late(f"{self.busy} other calls to the teacher were not over in time")
                self.busy += 1
            finally:
                self.waiting -= 1


def choose(endpoints: list[Endpoint], holder: object, last: Endpoint | None) -> Endpoint:
    """The server that `holder` is to ask: the one it asked last while that is there, else the least busy one there.

    When all are gone, the one that is due soonest.
    """
    there = [endpoint for endpoint in endpoints if not endpoint.down]
    if last in there:
        return last
    chosen = min(there, key=lambda one: one.load) if there else min(endpoints, key=lambda one: one.down_until)
    for endpoint in endpoints:
        endpoint.holders.discard(holder)
    chosen.holders.add(holder)
    return chosen
