"""One kept-alive HTTP connection to a server, on which no answer can outstay its deadline.

A read that waits looks at the clock a few times a second, so a server that sends a byte now and then, or none at all,
holds nobody up, and a run that stops leaves its calls at once. The clock may be any: that of the caller.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sera_cli.errors import ConfigError
from sera_cli.harness.pace import GLANCE, Pace

if TYPE_CHECKING:
    import ssl

    import httpcore

CONNECTS = 10.0
"""Seconds to reach a server, and those that it may take to accept a piece of a request."""
PIECE = 1 << 16
KEPT = 4.0
"""Seconds that an idle connection is used again: servers of this kind close theirs after five."""


LINGERS = 1.0
"""Seconds that the end of a body may take once its contents are there: a connection that came to it is used again."""


class Overdue(Exception):
    """The answer, or its next byte, did not come in time."""


@dataclass
class Watch:
    """The call under way on a connection: its bounds on the clock of `pace`, and how far it has come."""

    pace: Pace
    deadline: float = inf
    stall: float = inf
    sent: bool = False
    heard: float | None = None
    status: int | None = None

    def begin(self, deadline: float, stall: float) -> None:
        self.deadline, self.stall = deadline, stall
        self.sent, self.heard, self.status = False, None, None

    def over(self) -> None:
        self.stall = min(self.stall, LINGERS)

    def check(self) -> None:
        """Raises Overdue or Cancelled."""
        self.pace.check()
        now = self.pace.clock()
        if now >= self.deadline:
            raise Overdue("it took too long")
        if self.heard is not None and now - self.heard >= self.stall:
            raise Overdue(f"it stalled: nothing came for {self.stall:.0f} seconds")


@dataclass(frozen=True)
class Answer:
    """`headers` have lower-case names. `pieces` are the body as it comes, and may be read once; whoever has all that
    matters of it calls `over`, and what is still to come has a second for it.
    """

    status: int
    headers: dict[str, str]
    pieces: Iterable[bytes]
    over: Callable[[], None]

    def whole(self) -> bytes:
        return b"".join(self.pieces)


class Stream:
    """An httpcore.NetworkStream that minds a Watch."""

    def __init__(self, inner: "httpcore.NetworkStream", watch: Watch) -> None:
        import httpcore

        self._inner, self._watch, self._nothing_yet = inner, watch, httpcore.ReadTimeout

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        while True:
            self._watch.check()
            try:
                data = self._inner.read(max_bytes, GLANCE)
            except self._nothing_yet:
                continue
            self._watch.heard = self._watch.pace.clock()
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._watch.heard = None  # what a proxy said before is not the beginning of the answer
        for start in range(0, len(buffer), PIECE):
            self._watch.check()
            self._watch.sent = self._watch.sent or not buffer.startswith(b"CONNECT ")
            self._inner.write(buffer[start : start + PIECE], timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: "ssl.SSLContext", server_hostname: str | None = None, timeout: float | None = None
    ) -> "Stream":
        return Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._watch)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Backend:
    """An httpcore.NetworkBackend whose streams mind a Watch."""

    def __init__(self, watch: Watch) -> None:
        import httpcore

        self._inner, self._watch = httpcore.SyncBackend(), watch

    def connect_tcp(self, *where: Any, **how: Any) -> Stream:
        return Stream(self._inner.connect_tcp(*where, **how), self._watch)

    def connect_unix_socket(self, *where: Any, **how: Any) -> Stream:
        return Stream(self._inner.connect_unix_socket(*where, **how), self._watch)


class Channel:
    """A connection to the server of `url`, opened when first needed, for one call at a time. Where there is a `socket`,
    the server is reached by that, whatever the name in its URL.
    """

    def __init__(self, url: str, pace: Pace, socket: str = "") -> None:
        self._watch = Watch(pace)
        self._pool = _pool(url, self._watch, socket)

    @property
    def unsettled(self) -> bool:
        """Whether the latest call may have been carried out: it went out, and no status says that it was refused."""
        return self._watch.sent and self._watch.status in (None, 200)

    @contextmanager
    def post(
        self, url: str, headers: dict[str, str], body: bytes, *, deadline: float, stall: float
    ) -> Iterator[Answer]:
        """Raises Overdue when the clock passes `deadline`, or `stall` seconds pass without a byte of an answer that has
        begun; Cancelled; and what httpcore raises.
        """
        self._watch.begin(deadline, stall)
        self._watch.check()
        sent = [("Content-Length", str(len(body))), *headers.items()]
        timeout = {"connect": CONNECTS, "write": CONNECTS}
        with self._pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeout}) as response:
            self._watch.status = response.status
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            yield Answer(response.status, told, response.iter_stream(), self._watch.over)

    def close(self) -> None:
        self._pool.close()


def checked(url: str) -> str:
    """The URL of a server, without a slash at its end. Raises ConfigError for what is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{url!r} is not a URL; name one like http://127.0.0.1:8000/v1 (--teacher-url; --url of eval and chat)")
    return url.rstrip("/")


def _pool(url: str, watch: Watch, socket: str) -> "httpcore.ConnectionPool":
    import httpcore

    parts = urlsplit(url)
    settings: dict[str, Any] = {
        "max_connections": 1, "keepalive_expiry": KEPT, "network_backend": Backend(watch),
        "ssl_context": _trust() if parts.scheme == "https" else None,
    }  # fmt: skip
    proxy = "" if socket else _proxy(parts.scheme, parts.hostname or "")
    if not proxy:
        return httpcore.ConnectionPool(**settings, uds=socket or None)
    through = urlsplit(proxy)
    account = (unquote(through.username), unquote(through.password or "")) if through.username else None
    return httpcore.HTTPProxy(through._replace(netloc=through.netloc.rpartition("@")[2]).geturl(), account, **settings)


def _proxy(scheme: str, host: str) -> str:
    """The proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for a host; empty where there is none, as for this
    machine. Raises ConfigError for a proxy of a kind that cannot be used.
    """
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all") or ""
    if not found or host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return ""
    if "://" in found and not found.startswith(("http://", "https://")):
        kind = found.partition(":")[0]
        raise ConfigError(f"a {kind} proxy cannot be used for {host}; name an http:// one, or add {host} to NO_PROXY")
    return found if "://" in found else f"http://{found}"


@cache
def _trust() -> "ssl.SSLContext":
    """The certificates to trust: certifi's, or those that SSL_CERT_FILE or SSL_CERT_DIR name. Reading them is slow."""
    import os
    import ssl

    import certifi

    folder = os.environ.get("SSL_CERT_DIR")
    file = os.environ.get("SSL_CERT_FILE") or (None if folder else certifi.where())
    return ssl.create_default_context(cafile=file, capath=folder)
