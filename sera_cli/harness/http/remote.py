"""The teachers behind HTTP: which model, on which servers, asked on which terms. Threads share one."""

from threading import Lock
from typing import Any, NamedTuple

from sera_cli.harness.http.channel import checked
from sera_cli.harness.http.conversation import Conversation
from sera_cli.harness.http.dialect import Dialect
from sera_cli.harness.http.endpoints import Endpoint, choose
from sera_cli.harness.http.faults import FIELDS, Who
from sera_cli.harness.money.spend import Free, Meter
from sera_cli.harness.pace import Pace
from sera_cli.types import Value

HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "sera"}
RENAMED = {"max_tokens": "max_completion_tokens"}
"""The other name of a parameter, for servers that do not take the usual one."""


class Terms(Value):
    """How a teacher is asked. Seconds: the most that a call may take, and those without a byte of an answer that has
    begun. `stream` asks for answers a piece at a time.
    """

    temperature: float = 0.6
    max_tokens: int = 8192
    timeout: float = 600.0
    stall: float = 120.0
    stream: bool = False


class Place(NamedTuple):
    """Which model, on which servers, with which key. Of several servers a rollout sticks to one.

    A server on this machine may listen at a `socket`, a path, instead of at the address in its URL.
    """

    model: str
    urls: tuple[str, ...]
    key: str = ""
    socket: str = ""


class Remote:
    """A Teacher: makes the Model of each rollout. `close` it when all of them are done.

    At most `most` calls go to one server at once. Raises ConfigError for a URL that is none.
    """

    def __init__(
        self,
        dialect: Dialect,
        place: Place,
        terms: Terms,
        *,
        most: int = 32,
        meter: Meter | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.dialect, self.place, self.terms = dialect, place, terms
        self.pace, self.meter = pace or Pace(), meter or Free()
        self.endpoints = [Endpoint(checked(url), most, self.pace, place.socket) for url in place.urls]
        self.headers = {**HEADERS, **dialect.headers(place.key)}
        self.who = Who(place.model, dialect.variable, place.key)
        self._refused: dict[str, str] = {}
        self._turn = Lock()

    def __call__(self, seed: int) -> Conversation:
        return Conversation(self, seed)

    def close(self) -> None:
        for endpoint in self.endpoints:
            endpoint.close()

    def choose(self, holder: object, last: Endpoint | None) -> Endpoint:
        """The server that `holder` is to ask next."""
        with self._turn:
            return choose(self.endpoints, holder, last)

    @property
    def sampling(self) -> dict[str, Any]:
        """How answers are sampled, without what the servers turned out not to take."""
        terms = {"temperature": self.terms.temperature, "max_tokens": self.terms.max_tokens}
        return self.taken(terms)

    def taken(self, parameters: dict[str, Any]) -> dict[str, Any]:
        named = {self._refused.get(name, name): value for name, value in parameters.items()}
        return {name: value for name, value in named.items() if name}

    @property
    def untaken(self) -> frozenset[str]:
        """The fields of messages that the servers do not take."""
        return frozenset(self._refused).intersection(FIELDS)

    def leave_out(self, name: str) -> None:
        """From now on a parameter, or a field of messages, is not sent, or under its other name."""
        self._refused[name] = RENAMED.get(name, "")
