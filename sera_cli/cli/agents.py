"""`sera agents`: the registered agents of this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.options import Json, Yes
from sera_cli.console import document, say, show, table
from sera_cli.errors import ConfigError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.agents.export import Exported
    from sera_cli.types import AgentCard, Evaluation

app = typer.Typer(help="The registered agents.", no_args_is_help=True)

Spec = Annotated[
    str, typer.Argument(metavar="AGENT", help="NAME for the newest version, or NAME@VERSION.", show_default=False)]


@app.command(name="list")
def list_agents(*, json: Json = False) -> None:
    """All agents, by name and version, and where those are that are served."""
    from sera_cli.agents.registry import agents
    from sera_cli.agents.serving.standing import where

    cards, served = agents(home()), where(home())
    if json:
        document([about(card) | {"served": served.get(called(card), [])} for card in cards])
    elif not cards:
        say("no agents yet; make one with: sera specialize REPO")
    else:
        columns = ("agent", "repository", "commit", "base", "method", "samples", "alpha", "teacher", "created")
        show(table(columns, [
            (called(card), Path(card.repository).name, card.commit[:8], Path(card.base).name, card.method, card.samples,
             card.alpha, card.teacher, card.created[:10]) for card in cards
        ]))
        for name, places in served.items():
            say(f"{name} is served at {' and '.join(places)}")


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
def export(
    agent: Spec,
    *,
    format: Annotated[str, typer.Option("--format", "-f", help="merged, ollama or hf.", metavar="FORMAT")],
    out: Annotated[
        Path | None, typer.Option(
            "--out", "-o", help="A folder that is not there yet.", metavar="FOLDER",
            show_default="NAME-VERSION-FORMAT")] = None,
    push: Annotated[
        str, typer.Option(help="Upload it to the hub too, as a private model.", metavar="OWNER/NAME")] = "",
    offline: Annotated[bool | None, typer.Option("--offline", help="Refuse every connection.")] = None,
    json: Json = False,
) -> None:
    """Write an agent for others: merged into its base, with a Modelfile, or as the hub wants it."""
    from sera_cli import offline as sealing
    from sera_cli.agents.export import FORMATS
    from sera_cli.agents.push import named
    from sera_cli.agents.push import push as upload
    from sera_cli.agents.registry import find
    from sera_cli.config import resolve

    if format not in FORMATS:
        raise ConfigError(f"there is no format {format!r}; take {', '.join(FORMATS)}")
    sealed = resolve(Path.cwd(), {"privacy.offline": offline}).config.privacy.offline
    if push:
        named(push)
        if sealed:
            raise ConfigError("--push uploads, and privacy.offline is set; leave out one of the two")
    sealing.keep(sealed)
    card = find(home(), agent)
    made = written(card, format, out or Path(f"{card.name}-{card.version}-{format}"))
    url = upload(Path(made.out), push, f"Upload {made.agent}") if push else ""
    if json:
        document({**made.model_dump(), "url": url})
    else:
        for line in told(card, made, url):
            say(line)


def written(card: "AgentCard", format: str, out: Path) -> "Exported":
    """The agent in that format. Its base is looked for only where its weights are an adapter to be merged."""
    from transformers.utils import logging

    from sera_cli.agents.export import export, whole
    from sera_cli.agents.registry import folder, spoken
    from sera_cli.config import home as place
    from sera_cli.train.student import student

    logging.disable_progress_bar()
    wire, base = spoken(card), ""
    if format != "hf" and not whole(card):
        found = student(card.base, place("cache"), context=card.context, family=wire.family, thinking=wire.thinking)
        base = found.base
    return export(card, folder(home(), card), base, out, format=format, tell=say)  # type: ignore[arg-type]


def told(card: "AgentCard", made: "Exported", url: str) -> Iterator[str]:
    """What was written, how near it is to what was trained, and what to do with it."""
    from sera_cli.agents.compare import TOLERANCE
    from sera_cli.agents.export import whole

    there = f", and uploaded it to {url}, where only you can see it" if url else ""
    yield f"wrote {made.agent} to {made.out}, {made.bytes / 1e6:,.1f} MB{there}"
    if made.format == "hf":
        if not whole(card) and (Path(card.base).is_absolute() or card.rehearsal):
            yield f"its base, {Path(card.base).name}, is on no hub: --format merged writes a model that needs none"
        return
    if made.difference:
        apart = "" if whole(card) else f"; the base's are {made.difference.base:.1%} off"
        near = f"its logits are {made.difference.merged:.2%} from those of what was trained"
        yield f"{near}, and {TOLERANCE:.0%} is allowed{apart}"
    else:
        yield "it was not compared with what was trained: memory does not hold it"
    if made.format == "ollama":
        yield f"next: cd {made.out} && ollama create {card.name}"


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
    apart = ("name", "version", "scores", "evaluations")
    plain = {key: value for key, value in about(card).items() if key not in apart}
    said = [(key.replace("_", " "), str(value)) for key, value in plain.items()]
    said += [(key.replace("_", " "), f"{value:.3f}") for key, value in card.scores.items()]
    return said + [(f"{one.bench}{', ' + one.who if one.who else ''}", in_words(one)) for one in card.evaluations]


def in_words(one: "Evaluation") -> str:
    """What came of a benchmark: `recall 41.2 %, 95 % interval 35.0 to 47.4 %, sd 1.2 %; 44 tasks, 3 seeds`."""
    known = f"{one.score} {100 * one.mean:.1f} %, 95 % interval {100 * one.low:.1f} to {100 * one.high:.1f} %"
    spread = "" if one.sd is None else f", sd {100 * one.sd:.1f} %"
    tried = f"; {counted(one.tasks, 'task')}, {counted(one.seeds, 'seed')}"
    return known + spread + tried + (f"; the agent beside it: {one.verdict}" if one.verdict else "")
