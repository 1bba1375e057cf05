"""`sera agents`: the registered agents of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.options import Json, Yes
from sera_cli.console import document, say, show, table
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.types import AgentCard

app = typer.Typer(help="The registered agents.", no_args_is_help=True)

Spec = Annotated[
    str, typer.Argument(metavar="AGENT", help="NAME for the newest version, or NAME@VERSION.", show_default=False)]


@app.command(name="list")
def list_agents(*, json: Json = False) -> None:
    """All agents, by name and version."""
    from sera_cli.agents.registry import agents

    cards = agents(home())
    if json:
        document([about(card) for card in cards])
    elif not cards:
        say("no agents yet; make one with: sera specialize REPO")
    else:
        columns = ("agent", "repository", "commit", "base", "method", "samples", "alpha", "teacher", "created")
        show(table(columns, [
            (called(card), Path(card.repository).name, card.commit[:8], Path(card.base).name, card.method, card.samples,
             card.alpha, card.teacher, card.created[:10]) for card in cards
        ]))


@app.command(name="show")
def show_agent(agent: Spec, *, json: Json = False) -> None:
    """All that is known of one agent."""
    from sera_cli.agents.registry import find

    card = find(home(), agent)
    if json:
        document(about(card))
    else:
        show(table(("", ""), [(key, value) for key, value in lines(card) if value != ""]))


@app.command()
def path(agent: Spec) -> None:
    """The folder with the agent's weights, and nothing else on the line."""
    from sera_cli.agents.registry import find, folder

    show(str(folder(home(), find(home(), agent))))


@app.command()
def rm(agent: Spec, *, yes: Yes = False) -> None:
    """Delete one version of an agent, with its weights."""
    from sera_cli.agents.registry import agents, find, remove

    card = find(home(), agent)
    others = [called(one) for one in agents(home()) if one.name == card.name]
    if "@" not in agent and len(others) > 1:
        raise ConfigError(f"{card.name} has several versions ({', '.join(others)}); say which one")
    if not yes:
        typer.confirm(f"Delete {called(card)} and its weights?", abort=True, err=True)
    remove(home(), card)
    say(f"deleted {called(card)}")


def home() -> Path:
    from sera_cli import config

    return config.home("data")


def called(card: "AgentCard") -> str:
    return f"{card.name}@{card.version}"


def about(card: "AgentCard") -> dict[str, object]:
    from sera_cli.agents.registry import folder

    return {"agent": called(card), **card.model_dump(), "path": str(folder(home(), card))}


def lines(card: "AgentCard") -> list[tuple[str, str]]:
    """An agent's card as (key, text), scores one by one."""
    plain = {key: value for key, value in about(card).items() if key not in ("name", "version", "scores")}
    said = [(key.replace("_", " "), str(value)) for key, value in plain.items()]
    return said + [(key.replace("_", " "), f"{value:.3f}") for key, value in card.scores.items()]
