"""`sera deploy`: an agent on a GPU elsewhere, on Modal or on one's own host. Nothing leaves this machine unasked."""

import json as codec
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.options import Json
from sera_cli.cli.serve import KEY, of
from sera_cli.console import document, say
from sera_cli.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from sera_cli.agents.serving.stand import Served

app = typer.Typer(help="Serve an agent on a GPU elsewhere.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="AGENT", help="NAME or NAME@VERSION.", show_default="the only one")]


@app.command()
def modal(
    agent: Name = "",
    *,
    gpu: Annotated[str, typer.Option(help="Which, and how many of one machine: H100:2.", metavar="GPU")] = "H100",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The app's file; one that is there is used as it is.",
                                  metavar="FILE", show_default="NAME-VERSION-modal.py")] = None,
    secret: Annotated[
        list[str] | None, typer.Option(help="A secret of Modal's too, as one with HF_TOKEN.", metavar="NAME")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Deploy it: uploads the weights, and costs money.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop it.")] = False,
    json: Json = False,
) -> None:
    """Write a Modal app that serves an agent with vLLM while somebody asks, and with --yes deploy it.

    Clients send a key: $SERA_API_KEY, or one that is made.
    """
    from sera_cli.agents import deploy

    made, text = deploy.modal(wanted(agent), gpu, secret or ())
    if yes or stop:
        reached()
    if stop:
        return asked("app", "stop", made.app, "--yes")
    name, _, version = made.agent.partition("@")
    file = out or Path(f"{name}-{version}-modal.py")
    if new := not file.exists():
        file.write_text(text, encoding="utf-8")
    if yes:
        for words in deploy.uploads(made):
            unless_there(*words)
        keyed(made.secret)
        asked("deploy", str(file))
    if json:
        return document({
            "agent": made.agent, "app": made.app, "file": str(file), "written": new, "deployed": yes,
            "secret": made.secret, "bytes": deploy.size(made), "command": made.command,
        })  # fmt: skip
    say(f"wrote {file}" if new else f"{file} was there, and is used as it is")
    if yes:
        say(f"next: sera connect claude --agent {made.agent} --url URL, with the address above and {KEY} set")
    else:
        what = f"{deploy.size(made) / 1e6:,.1f} MB of weights and the card's settings"
        say(f"{what} would go to Modal, code and samples not")
        say(f"next: sera deploy modal {made.agent} --out {file} --yes")
    return None


@app.command()
def compose(
    agent: Name = "",
    *,
    gpus: Annotated[int, typer.Option(help="GPUs of the host that it takes.", min=1, max=8)] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder that is not there yet.", metavar="FOLDER",
                                  show_default="NAME-VERSION-compose")] = None,
    json: Json = False,
) -> None:
    """Write a folder for docker compose on your own GPU host: the weights, and vLLM that serves them behind a key."""
    from sera_cli.agents import deploy

    made = deploy.deployment(wanted(agent), gpus)
    place = out or Path(f"{made.agent.replace('@', '-')}-compose")
    deploy.compose(made, place, os.environ.get(KEY, ""))
    if json:
        return document({
            "agent": made.agent, "out": str(place), "bytes": deploy.size(made), "command": made.command,
        })  # fmt: skip
    say(f"wrote {place}, {deploy.size(made) / 1e6:,.1f} MB of weights; the key that clients must send is in its .env")
    say(f"next: copy it to the host, and there: cd {place.name} && docker compose up -d")
    return None


def wanted(agent: str) -> "Served":
    from sera_cli.cli.chat import chosen

    return of(chosen(agent))


def reached() -> None:
    """Raises ConfigError where nothing may leave this machine, or Modal's own tool is not there."""
    from sera_cli.config import resolve

    if resolve(Path.cwd()).config.privacy.offline:
        raise ConfigError("Modal is elsewhere, and privacy.offline is set; leave out one of the two")
    if not shutil.which("modal"):
        raise ConfigError("there is no modal on PATH; run: pip install modal && modal setup")


def keyed(secret: str) -> None:
    """Puts the key into a secret of Modal's, by a file that only its owner reads: a command line is read by others.

    A key of an earlier deployment stays, unless SERA_API_KEY says another one.
    """
    from sera_cli.agents import deploy

    given = os.environ.get(KEY, "")
    key = given or secrets.token_urlsafe(24)
    with TemporaryDirectory(prefix="sera-") as folder:
        file = Path(folder) / "key.json"
        file.touch(0o600)
        file.write_text(codec.dumps({deploy.KEY: key}), encoding="utf-8")
        there = unless_there("secret", "create", secret, "--from-json", str(file), *(["--force"] if given else []))
    if there:
        say(f"the key of the earlier deployment stays, in Modal's secret {secret}; set {KEY} to change it")
    elif not given:
        say(f"a key was made, which clients must send; keep it, for it is told only once: {key}")


def unless_there(*words: str) -> bool:
    """Runs Modal's own tool to make something, and says whether it is there already."""
    done = subprocess.run(["modal", *words], capture_output=True, text=True, errors="replace")
    told = " ".join((done.stdout + done.stderr).split())
    there = done.returncode != 0 and "already" in told
    if done.returncode and not there:
        why = told[-300:] or "it does not say why"
        raise ModelError(f"modal {words[0]} {words[1]} ended with exit code {done.returncode}: {why}")
    return there


def asked(*words: str) -> None:
    """Runs Modal's own tool, which says what it does."""
    code = subprocess.run(["modal", *words]).returncode
    if code:
        raise ModelError(f"modal {words[0]} ended with exit code {code}, and says why above")
