"""`sera serve`: agents over HTTP, for the tools that people use, on this machine unless told otherwise."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sera_cli.console import say, show
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn

    from sera_cli.agents.local import LocalModel
    from sera_cli.agents.serving.answer import Agent
    from sera_cli.agents.serving.engine import Engine
    from sera_cli.agents.serving.stand import Served
    from sera_cli.types import AgentCard

PORT = 8111
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKENDS = ("auto", "vllm", "here")
KEY = "SERA_API_KEY"


def serve(
    names: Annotated[
        list[str] | None, typer.Argument(help="NAME or NAME@VERSION; several of one base.", metavar="AGENT…",
                                         show_default="the only one")] = None,
    *,
    host: Annotated[str, typer.Option(help="The address to listen at; any but loopback needs a key.")] = LOOPBACK[0],
    port: Annotated[int, typer.Option("--port", "-p", help="0 takes a free one.", min=0, max=65535)] = PORT,
    key_file: Annotated[
        Path | None, typer.Option(help=f"A file with the key clients must send; else ${KEY}.", metavar="FILE")] = None,
    backend: Annotated[
        str, typer.Option(help="auto, vllm or here: in this process, for trying out.", metavar="BACKEND")] = "auto",
    flags: Annotated[str, typer.Option(help="More flags for vLLM, as in a shell.", metavar="FLAGS")] = "",
    offline: Annotated[bool | None, typer.Option("--offline", help="Refuse every connection but this one's.")] = None,
) -> None:
    """Serve agents to other tools, and the base of adapters beside them.

    OpenAI's chat completions and responses and Anthropic's messages, at /v1. Ctrl-C ends it, and the engine with it.
    """
    from sera_cli import offline as sealing
    from sera_cli.config import resolve
    from sera_cli.harness.vllm.launch import words

    sealed = resolve(Path.cwd(), {"privacy.offline": offline}).config.privacy.offline
    sealing.keep(sealed)
    key = keyed(host, key_file)
    more = words(flags, "--flags")
    with ready(names or [""], host, port, backend=backend, flags=more, key=key, offline=sealed) as stand:
        show(f"{', '.join(stand.names)} at {stand.url}/v1")
        stand.server.run(sockets=[stand.place])


class Stand(NamedTuple):
    """A server that can run: who is served, at which address, and the socket that listens there."""

    names: tuple[str, ...]
    url: str
    server: "uvicorn.Server"
    place: socket.socket


@contextmanager
def ready(
    names: Sequence[str], host: str, port: int, *, backend: str, flags: Sequence[str], key: str, offline: bool
) -> Iterator[Stand]:
    """Agents with an engine behind them; noted as served, for as long as it lasts."""
    from sera_cli.agents.serving.standing import noted
    from sera_cli.cli.chat import chosen
    from sera_cli.config import home

    served = [of(chosen(name)) for name in names]
    with (
        raised(served, host, port, backend=backend, flags=flags, key=key, offline=offline) as stand,
        noted(home("data"), stand.url, [*stand.names]),
    ):
        yield stand


@contextmanager
def raised(
    served: "Sequence[Served]", host: str, port: int, *, backend: str, flags: Sequence[str], key: str, offline: bool
) -> Iterator[Stand]:
    """The same of what is to be served, registered or not, and without a note of it."""
    import uvicorn

    from sera_cli.agents.serving.app import Server
    from sera_cli.agents.serving.stand import base_of

    with listening(host, port) as place, standing(served, backend, flags, offline=offline) as engine:
        agents = {one.name: spoken(one) for one in served}
        bare = base_of(served)
        beside = {bare: agents[served[0].name]._replace(name=bare, model=bare)} if bare else {}
        where = f"http://{f'[{host}]' if ':' in host else host}:{place.getsockname()[1]}"
        app = Server(agents | beside, engine, key=key).app()
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=5)
        place.listen()
        yield Stand(tuple(agents), where, uvicorn.Server(config), place)


@contextmanager
def running(stand: Stand) -> Iterator[None]:
    """The server in a thread of its own, beside what else this process does; stopped on leaving."""
    from threading import Thread

    thread = Thread(target=stand.server.run, kwargs={"sockets": [stand.place]}, name="server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stand.server.should_exit = True
        thread.join()


def keyed(host: str, file: Path | None) -> str:
    """The key that clients must send: the one given, or one made for an address that others reach; else none."""
    import secrets

    try:
        given = file.expanduser().read_text(encoding="utf-8").strip() if file else os.environ.get(KEY, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key cannot be read from {file}: {error}") from error
    if file and not given:
        raise ConfigError(f"{file} is empty; write a key into it")
    if given or host in LOOPBACK:
        return given
    made = secrets.token_urlsafe(24)
    say(f"others can reach {host}, so a key was made for this server: {made}", prose=True)
    return made


def of(card: "AgentCard") -> "Served":
    """What is to be served of an agent. Its base is looked for only where its weights are an adapter."""
    from sera_cli.agents.registry import folder, spoken
    from sera_cli.agents.serving.stand import Served
    from sera_cli.config import home
    from sera_cli.train.student import student

    weights, wire = folder(home("data"), card), spoken(card)
    found = Served(card, weights, "", wire)
    if not found.adapter:
        return found
    base = student(card.base, home("cache"), context=card.context, family=wire.family, thinking=wire.thinking).base
    return found._replace(base=base)


def spoken(served: "Served") -> "Agent":
    from sera_cli.agents.serving.answer import Agent
    from sera_cli.harness import tokens

    return Agent(served.name, served.name, served.card.context, served.spoken, tokens.load(str(served.weights)))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The place where the server will listen, taken before a model is loaded for it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        place = socket.socket(family, kind, protocol)
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port}: {error.strerror}; choose another --port") from error
    with place:
        yield place


@contextmanager
def standing(served: "Sequence[Served]", backend: str, flags: Sequence[str], *, offline: bool) -> "Iterator[Engine]":
    """The engine that writes for these agents, up, and gone on leaving."""
    from sera_cli.agents.serving.engine import Here, Remote
    from sera_cli.agents.serving.stand import base_of, ordered
    from sera_cli.agents.serving.standing import logged
    from sera_cli.config import home
    from sera_cli.harness.vllm.engine import serving
    from sera_cli.harness.vllm.launch import command

    if backend not in BACKENDS:
        raise ConfigError(f"there is no backend {backend!r}; take {', '.join(BACKENDS)}")
    if backend == "auto":
        try:
            command(os.environ)
        except ConfigError as error:
            say_alone(error)
            backend = "here"
    if backend == "here":
        bare = base_of(served)
        beside = {bare: loaded(served[0], bare)} if bare else {}
        yield Here({one.name: loaded(one) for one in served} | beside)
        return
    with logged(home("data")) as log:
        order = ordered(served, log, os.environ, flags=flags, offline=offline)
        say(f"vLLM loads {order.name}; its log: {log}", prose=True)
        with serving(order, tell=say) as engine:
            yield Remote(engine)


def say_alone(why: object) -> None:
    """Says how replies are written where there is no vLLM."""
    say(f"note: {why}. Until then one reply at a time is written in this process", prose=True)


def loaded(served: "Served", bare: str = "") -> "LocalModel":
    """An agent in this process; or, under the name `bare`, its base without it."""
    from transformers.utils import logging

    from sera_cli.agents.local import LocalModel

    logging.disable_progress_bar()
    return LocalModel(
        served.base, None if bare else served.weights, name=bare or served.name, context=served.card.context,
        spoken=served.spoken,
    )  # fmt: skip
