"""`sera connect`: what a tool is told so that it asks an agent; written into its settings, or only for one start."""

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from sera_cli.cli.options import Json
from sera_cli.cli.serve import KEY, LOOPBACK, PORT
from sera_cli.console import document, say, show
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.agents.connect.wiring import Target, Wiring
    from sera_cli.types import AgentCard

TOOLS = "claude, opencode, codex, aider, mini or zed"


def connect(
    tool: Annotated[str, typer.Argument(help=f"{TOOLS}.", metavar="TOOL", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="With --launch, behind --: what the tool is started with.",
                                         metavar="ARGUMENT", show_default=False)] = None,
    *,
    agent: Annotated[
        str, typer.Option(help="NAME or NAME@VERSION.", metavar="AGENT", show_default="the only one")] = "",
    url: Annotated[
        str, typer.Option(help="Where it is served.", metavar="URL", show_default="where sera serve runs")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write it into the tool's settings; keeps a backup.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what --write wrote.")] = False,
    launch: Annotated[
        bool, typer.Option("--launch", help="Start a server and the tool; both end with the tool.")] = False,
    backend: Annotated[str, typer.Option(help="With --launch, as for sera serve.", metavar="BACKEND")] = "auto",
    offline: Annotated[bool | None, typer.Option("--offline", help="With --launch, as for sera serve.")] = None,
    json: Json = False,
) -> None:
    """Make Claude Code, opencode, Codex, aider, mini-swe-agent or Zed ask an agent.

    Prints what to set and changes nothing, unless told to. The key of a server is never printed or written: the tool
    reads it from $SERA_API_KEY.
    """
    from sera_cli.agents.connect import writing
    from sera_cli.agents.connect.wiring import CLIENTS

    if tool not in CLIENTS:
        raise ConfigError(f"there is no tool {tool!r} to connect; take {TOOLS}")
    if write + undo + launch > 1:
        raise ConfigError("take one of --write, --undo and --launch")
    if undo:
        told = writing.undo(note(tool))
        if json:
            return document({"tool": tool, "undone": told})
        for line in told:
            say(line)
        return None
    card = asked(agent)
    _roomy(tool, card)
    if launch:
        raise typer.Exit(launched(tool, card, url, arguments or (), backend=backend, offline=offline))
    target = aimed(card, url)
    found = wired(tool, target)
    written = writing.write(found, note(tool), os.environ) if write else []
    return document(about(tool, target, found, written)) if json else tell(found, target, written)


def asked(agent: str) -> "AgentCard":
    """The agent of that name; with no name the one that is served, else the only one there is."""
    from sera_cli.agents.serving.standing import where
    from sera_cli.cli.chat import chosen
    from sera_cli.config import home

    served = [*where(home("data"))]
    return chosen(agent or (served[0] if len(served) == 1 else ""))


def _roomy(tool: str, card: "AgentCard") -> None:
    """Warns of a tool that keeps more of a context to itself than the agent leaves it."""
    from sera_cli.agents.connect.wiring import Target

    found = wired(tool, Target(agent=card.name, url="", context=card.context, keyed=False))
    if card.context < found.least:
        say(
            f"note: {found.title} wants {found.least:,} tokens of context or it gives up, and "
            f"{card.name}@{card.version} reads {card.context:,}; take mini, or sera chat, or train with a longer "
            "student.context", prose=True,
        )


def aimed(card: "AgentCard", url: str) -> "Target":
    """The agent at `url`; with none where it is served now, else where `sera serve` would serve it."""
    from sera_cli.agents.connect.wiring import Target
    from sera_cli.agents.serving.standing import where
    from sera_cli.config import home

    name = f"{card.name}@{card.version}"
    places = where(home("data")).get(name, [])
    if not url and not places:
        say(f"note: {name} is not served yet; start it with: sera serve {name}")
    place = url or (places[0] if places else f"http://{LOOPBACK[0]}:{PORT}")
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(sign in place for sign in " \"'\\@?#"):
        raise ConfigError(f"{place!r} is no address of a server; say it as http://127.0.0.1:{PORT}")
    anywhere = parts.hostname in ("0.0.0.0", "::")
    near = f"{parts.scheme}://{LOOPBACK[0]}:{parts.port}" if anywhere else place.rstrip("/").removesuffix("/v1")
    keyed = bool(os.environ.get(KEY)) or parts.hostname not in LOOPBACK
    return Target(agent=name, url=near, context=card.context, keyed=keyed)


def wired(tool: str, target: "Target") -> "Wiring":
    from sera_cli.agents.connect.wiring import wiring

    return wiring(tool, target)  # type: ignore[arg-type]


def launched(
    tool: str, card: "AgentCard", url: str, arguments: Sequence[str], *, backend: str, offline: bool | None
) -> int:
    """The tool's exit code. A server is started for it where no `url` says that one runs, behind a key of its own."""
    from sera_cli import offline as sealing
    from sera_cli.agents.connect.wiring import Target
    from sera_cli.cli.serve import ready, running
    from sera_cli.config import resolve

    name = f"{card.name}@{card.version}"
    if url:
        return started(tool, aimed(card, url), os.environ.get(KEY, ""), arguments)
    present(wired(tool, Target(agent=name, url="", context=card.context, keyed=True)))
    sealed = resolve(Path.cwd(), {"privacy.offline": offline}).config.privacy.offline
    sealing.keep(sealed)
    key = os.environ.get(KEY, "") or secrets.token_urlsafe(24)
    with ready([name], LOOPBACK[0], 0, backend=backend, flags=(), key=key, offline=sealed) as stand, running(stand):
        return started(tool, Target(agent=name, url=stand.url, context=card.context, keyed=True), key, arguments)


def started(tool: str, target: "Target", key: str, arguments: Sequence[str]) -> int:
    from sera_cli.agents.connect.starting import attended, told

    found = wired(tool, target)
    present(found)
    with told(found, key, note(tool), os.environ) as (words, environ):
        return attended([*words, *arguments], environ)


def present(found: "Wiring") -> None:
    """Raises ConfigError where the tool is not installed."""
    if not shutil.which(found.bare[0]):
        raise ConfigError(f"there is no {found.bare[0]} on PATH; {found.title} is installed so: {found.install}")


def tell(found: "Wiring", target: "Target", written: Sequence[Path]) -> None:
    """What was written, or what to set: as lines for a shell where that is enough, else as the file's own."""
    from sera_cli.agents.connect.wiring import exports, snippet

    if written:
        say(f"{found.title} asks {target.agent} at {target.url}: wrote {' and '.join(map(str, written))}")
        say(f"start it with: {' '.join(found.command)}")
    elif found.environment:
        for line in exports(found):
            show(line)
    else:
        for file in found.file:
            say(f"in {file.path(os.environ)}, or let --write put it there:")
            show(snippet(file).rstrip("\n"))
        say(f"then: {' '.join(found.command)}")
    if target.keyed and not os.environ.get(KEY):
        say(f"the server wants a key: set {KEY} where {found.title} starts")
    if found.note and (written or not found.environment):
        say(found.note)


def about(tool: str, target: "Target", found: "Wiring", written: Sequence[Path]) -> dict[str, object]:
    files = [
        {"path": str(file.path(os.environ)), "format": file.style, "settings": file.settings} for file in found.file
    ]
    return {
        "tool": tool, "agent": target.agent, "url": target.url, "keyed": target.keyed,
        "environment": found.environment, "unset": found.unset, "command": found.command, "files": files,
        "written": [str(path) for path in written],
    }  # fmt: skip


def note(tool: str) -> Path:
    from sera_cli.config import home

    return home("data") / "connect" / f"{tool}.json"
