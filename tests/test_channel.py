"""A connection on which no answer outstays its deadline, against sockets that misbehave."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sera_cli.errors import Cancelled, ConfigError
from sera_cli.harness.http import channel
from sera_cli.harness.http.channel import Channel, Overdue, checked
from tests.teachers import Clock

HEARD: list[bytes] = []
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@contextmanager
def listening(
    serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None, *, tunnel: bool = False
) -> Iterator[str]:
    """Runs `serve` on the first connection, whose request went into HEARD; behind TLS where a context is given. As a
    proxy that makes a `tunnel` it is itself at the other end.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError), listener.accept()[0] as plain:
                if tunnel:
                    HEARD.append(plain.recv(1 << 16))
                    plain.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                peer = tls.wrap_socket(plain, server_side=True) if tls else plain
                asked = b""
                while not asked.endswith(b"{}"):
                    asked += peer.recv(1 << 16)
                HEARD.append(asked)
                serve(peer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"{'https://localhost' if tls and not tunnel else 'http://127.0.0.1'}:{listener.getsockname()[1]}"
        thread.join(30)


def posted(url: str, clock: Clock, *, deadline: float, stall: float = 1e9, on: Channel | None = None) -> bytes:
    used = on or Channel(url, clock.pace())
    try:
        with used.post(f"{url}/x", {}, b"{}", deadline=clock() + deadline, stall=stall) as answer:
            return answer.whole()
    finally:
        used.close()


def until_gone(peer: socket.socket, each: Callable[[], None]) -> None:
    """Sends a byte, and again, until the other side has left."""
    try:
        while True:
            each()
            peer.sendall(b" ")
    except OSError:
        return


def test_a_server_that_says_nothing_is_left_at_the_deadline() -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        clock.skip(600)
        peer.recv(1)

    with listening(serve) as url, pytest.raises(Overdue, match="it took too long"):
        posted(url, clock, deadline=500)


def test_a_server_that_dribbles_is_left_at_the_deadline_all_the_same() -> None:
    clock = Clock()
    wait = threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.sendall(HEAD)
        until_gone(peer, lambda: (clock.skip(9), wait.wait(0.01))[0])

    with listening(serve) as url, pytest.raises(Overdue, match="it took too long"):
        posted(url, clock, deadline=60, stall=10)


def test_an_answer_that_stalls_once_it_has_begun_is_given_up() -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"some")
        threading.Timer(0.3, clock.skip, [15]).start()
        peer.recv(1)

    with listening(serve) as url, pytest.raises(Overdue, match="it stalled: nothing came for 10 seconds"):
        posted(url, clock, deadline=500, stall=10)


def test_what_is_left_of_a_body_that_has_said_all_gets_a_second() -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"some")
        threading.Timer(0.3, clock.skip, [2]).start()
        peer.recv(1)

    with (
        listening(serve) as url,
        pytest.raises(Overdue, match="it stalled: nothing came for 1 seconds"),
        Channel(url, clock.pace()).post(f"{url}/x", {}, b"{}", deadline=clock() + 500, stall=100) as answer,
    ):
        answer.over()
        answer.whole()


def test_a_server_that_thinks_for_long_before_it_begins_does_not_stall() -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        clock.skip(100)
        peer.sendall(HEAD + b"x" * 100)

    with listening(serve) as url:
        assert posted(url, clock, deadline=500, stall=10) == b"x" * 100


def test_a_run_that_stops_leaves_an_answer_half_way() -> None:
    clock, stop = Clock(), threading.Event()

    def serve(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"some")
        stop.set()
        peer.recv(1)

    with listening(serve) as url, pytest.raises(Cancelled):
        posted(url, clock, deadline=500, on=Channel(url, clock.pace(stop.is_set)))


def test_whether_a_call_may_have_been_carried_out_is_known() -> None:
    clock = Clock()
    status = b"HTTP/1.1 429 Busy\r\nContent-Length: 0\r\n\r\n"
    for reply, unsettled in ((status, False), (HEAD + b"x" * 100, True)):
        with listening(lambda peer, reply=reply: peer.sendall(reply)) as url:  # type: ignore[misc]
            used = Channel(url, clock.pace())
            assert not used.unsettled
            posted(url, clock, deadline=500, on=used)
            assert used.unsettled is unsettled


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of localhost, with its key in `key.pem` beside it; nobody has signed it."""
    folder = tmp_path_factory.mktemp("tls")
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate with")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:nowhere.invalid",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes it the one certificate that is trusted, for one test."""
    channel._trust.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield
    channel._trust.cache_clear()


@pytest.mark.usefixtures("trusted")
def test_the_same_holds_behind_tls(tls: ssl.SSLContext) -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        threading.Timer(0.4, clock.skip, [15]).start()
        peer.sendall(HEAD + b"some")
        peer.recv(1)

    with listening(lambda peer: peer.sendall(HEAD + b"x" * 100), tls) as url:
        assert posted(url, clock, deadline=500) == b"x" * 100
    with listening(serve, tls) as url, pytest.raises(Overdue, match="it stalled"):
        posted(url, clock, deadline=500, stall=10)


def test_a_certificate_that_nobody_signed_is_not_trusted(tls: ssl.SSLContext) -> None:
    from httpcore import ConnectError

    with listening(lambda peer: None, tls) as url, pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        posted(url, Clock(), deadline=500)


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://", "http://host:0", "http://host:x", "http://é/v1",
                                 "http://a b", "127.0.0.1:8000/v1", ""])
def test_an_url_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a URL; name one like http://.*--url of eval and chat"):
        checked(url)


def test_an_url_loses_its_last_slash() -> None:
    assert [checked(url) for url in ("http://[::1]:8000/v1/", "https://host")] == ["http://[::1]:8000/v1", "https://host"]


def test_a_proxy_is_used_but_not_for_this_machine_or_hosts_that_are_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere")

    with listening(serve) as proxy:
        named = proxy.replace("http://", "http://me:p%40ss@")
        monkeypatch.setenv("http_proxy", named)
        monkeypatch.setenv("no_proxy", "elsewhere.invalid")
        assert posted("http://nowhere.invalid", Clock(), deadline=500) == b"here"
    assert HEARD[-1].startswith(b"POST http://nowhere.invalid/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in HEARD[-1]
    with listening(serve) as url:
        assert posted(url, Clock(), deadline=500) == b"here"
    assert HEARD[-1].startswith(b"POST /x HTTP/1.1\r\n")
    assert [channel._proxy("http", host) for host in ("elsewhere.invalid", "nowhere.invalid")] == ["", named]


@pytest.mark.usefixtures("trusted")
def test_what_a_tunnel_says_is_not_taken_for_the_beginning_of_an_answer(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def serve(peer: socket.socket) -> None:
        clock.skip(100)
        peer.sendall(HEAD + b"x" * 100)

    with listening(serve, tls, tunnel=True) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        assert posted("https://nowhere.invalid", clock, deadline=500, stall=10) == b"x" * 100
    assert HEARD[-2].startswith(b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n")
    assert HEARD[-1].startswith(b"POST /x HTTP/1.1\r\n")


def test_a_call_that_a_proxy_did_not_let_through_was_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from httpcore import ProxyError

    def refuse(listener: socket.socket) -> None:
        with listener.accept()[0] as peer:
            peer.recv(1 << 16)
            peer.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")

    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=[listener], daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        used = Channel("https://nowhere.invalid", clock.pace())
        with pytest.raises(ProxyError):
            posted("https://nowhere.invalid", clock, deadline=500, on=used)
    assert not used.unsettled


def test_a_proxy_that_cannot_be_used_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ConfigError, match="a socks5 proxy cannot be used for host; name an http:// one, or add"):
        Channel("http://host/v1", Clock().pace())
