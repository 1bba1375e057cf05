"""`sera chat`: work with an agent in a repository: in a private copy of it, or with --here in the checkout itself."""

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.talk import working
from sera_cli.cli.talk.answering import Setting, addresses, is_remote
from sera_cli.cli.talk.answering import chosen as chosen
from sera_cli.cli.talk.commands import COMMANDS, Desk, obey, prompt_note
from sera_cli.cli.talk.events import Events, tell
from sera_cli.cli.talk.keys import Keys, is_typed
from sera_cli.cli.talk.screen import Screen
from sera_cli.console import exactly, say
from sera_cli.errors import ConfigError, ContextOverflow, SeraError

if TYPE_CHECKING:
    from sera_cli.agents.talk.places import Place
    from sera_cli.agents.talk.session import Kept
    from sera_cli.agents.talk.talk import Talk, Watch
    from sera_cli.config import Config
    from sera_cli.git import Checkout
    from sera_cli.types import Exit

UNFINISHED = 1
"""The exit code of a prompt that the agent gave up, or for which its steps or its time were not enough."""


def chat(
    repo: Annotated[
        Path, typer.Argument(help="The repository to work in.", metavar="REPO", show_default="this folder")] = Path(),
    *,
    agent: Annotated[
        str, typer.Option("--agent", "-a", "--model", "-m", help="NAME, NAME@VERSION, or openai:, anthropic: or "
                          "vllm:MODEL.", metavar="AGENT", show_default="the only one")] = "",
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="Say this, print the patch on stdout and end.")] = "",
    here: Annotated[bool, typer.Option("--here", help="Work in the checkout itself; each step is asked for.")] = False,
    yolo: Annotated[bool, typer.Option("--yolo", help="Ask for nothing; only in a sandbox.")] = False,
    resume: Annotated[str, typer.Option(help="Go on with a conversation: its name, or last.", metavar="NAME")] = "",
    at: Annotated[str, typer.Option(help="The commit to work from.", metavar="REV")] = "HEAD",
    sandbox: Annotated[str | None, typer.Option(help="auto, bubblewrap, docker or folder.", metavar="SANDBOX")] = None,
    url: Annotated[str | None, typer.Option(help="Base URL of the model's server.", metavar="URL")] = None,
    context: Annotated[
        int, typer.Option(help="Tokens that the model reads.", min=0, metavar="N", show_default="as known of it")] = 0,
    json: Annotated[bool, typer.Option("--json", help="With -p: print what happens, a JSON object a line.")] = False,
) -> None:
    """Work with an agent in a repository.

    It works in a private copy: your files stay as they are, and what it changed comes out as a patch. With -p the exit
    code is 0 when it is done and 1 when it gave up.
    """
    from sera_cli import git
    from sera_cli.agents.talk.session import attended
    from sera_cli.config import resolve

    if json and not prompt:
        raise ConfigError("--json tells what comes of a prompt; say what to do with --prompt")
    settings = resolve(repo, {"rollout.sandbox": sandbox, "teacher.url": url})
    checkout = git.open_repository(repo, at)
    asked = not prompt and is_typed()
    with ExitStack() as stack, _told(json=json):
        home = _home(checkout, repo)
        stack.enter_context(attended(home / "chat"))
        folder, session, kept = _kept(home, resume)
        name = agent or (kept.model if kept else "")
        setting = Setting(settings.config, checkout, folder / f"{session.stem}.spend")
        working.guard(repo, checkout, settings, addresses(name, setting), remote=is_remote(name))
        if here or (kept and kept.place == "here"):
            _may_be_here(kept, at, yolo=yolo)
            place = stack.enter_context(working.here(checkout, folder, session.stem, kept))
        else:
            alone = yolo or (is_remote(name) and not asked)
            place = stack.enter_context(working.copied(checkout, settings.config, kept, alone=alone))
        watch = Events() if json else Screen()
        keys = Keys(folder / "history", (f"/{name}" for name in COMMANDS)) if asked or place.kind == "here" else None
        talk = _talk(place, session, watch, keys if not yolo else None, settings.config)
        screen = watch if isinstance(watch, Screen) else Screen()
        stack.callback(screen.over)
        desk = Desk(talk, screen, setting, checkout.root, folder, stack, context)
        desk.hire(name)
        if kept:
            talk.go_on(kept)
            say(f"going on with {kept.title}: {kept.about}", prose=True)
        if prompt:
            _once(desk, prompt, json=json)
        else:
            _on_and_on(desk, keys if asked else None)
            _keep(place, home / "chat.patch", repo)


def _may_be_here(kept: "Kept | None", at: str, *, yolo: bool) -> None:
    if at != "HEAD":
        raise ConfigError(f"--here works on the files as they are, not at {at}; leave one of the two out")
    if kept and kept.place == "copy":
        raise ConfigError(f"{kept.title} worked in a copy; leave out --here")
    if yolo:
        raise ConfigError("--yolo asks for nothing, so it is for the sandbox; leave it out here")


def _home(checkout: "Checkout", repo: Path) -> Path:
    """`.sera` of the project; a bare repository has it among the user's own data."""
    from sera_cli import config, runs

    bare = not (checkout.root / ".git").exists()
    return runs.home(config.home("data") / "bare" / checkout.name if bare else config.project(repo))


def _kept(home: Path, resume: str) -> tuple[Path, Path, "Kept | None"]:
    """The folder of conversations, the file of this one, and what is in it already."""
    from datetime import datetime

    from sera_cli.agents.talk.session import find, fresh

    folder = home / "chat"
    kept = find(folder, resume) if resume else None
    return folder, kept.path if kept else fresh(folder, datetime.now().astimezone()).path, kept


def _talk(place: "Place", session: Path, watch: "Watch", keys: Keys | None, config: "Config") -> "Talk":
    from sera_cli.agents.talk.approval import Rules, yes
    from sera_cli.agents.talk.session import Session
    from sera_cli.agents.talk.talk import Talk
    from sera_cli.harness.loop import Limits

    limits = Limits(**config.rollout.model_dump(include=set(Limits.model_fields)))
    if keys:  # nobody is hurried who thinks about an answer
        limits = limits.model_copy(update={"seconds": float("inf")})
    return Talk(place, Session(session), Rules(keys.ask if keys else yes), watch, limits)


def _once(desk: Desk, prompt: str, *, json: bool) -> None:
    """One turn; the patch is told at its end. Raises typer.Exit where the agent did not come to an end."""
    talk = desk.talk
    exit_: Exit | None = None
    steps = 0
    for step in talk.say(prompt):
        exit_, steps = step.exit, steps + 1
    desk.screen.over()
    patch = talk.place.diff()
    if json:
        used = {name: one.model_dump() for name, one in talk.used.items()}
        tell("end", agent=talk.name, steps=steps, exit=exit_, patch=patch, usage=used,
             session=talk.session.path.stem)
    elif talk.place.kind == "copy":
        exactly(patch) if patch else say("nothing was changed")
    if not _ended(exit_):
        raise typer.Exit(UNFINISHED)


def _ended(exit_: "Exit | None") -> bool:
    """Whether the agent came to an end, submitting or in words; if not, that is said."""
    if exit_ in (None, "submitted"):
        return True
    say(f"the agent did not come to an end ({exit_}); what it changed so far is there", prose=True)
    return False


def _on_and_on(desk: Desk, keys: Keys | None) -> None:
    """Turn after turn, until Ctrl-D, or the end of a pipe."""
    if keys:
        desk.stack.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        say("Say what to do; /help tells more. Ctrl-C stops a turn, Ctrl-D ends.", prose=True)
    for line in _lines(keys):
        with _ending_well(desk.screen, goes_on=keys is not None):
            if line.startswith("/") and "/" not in line.split()[0][1:]:
                if not obey(desk, line):
                    return
                continue
            desk.screen.wait()
            exits = [step.exit for step in desk.talk.say(line)]
            desk.screen.over()
            _ended(exits[-1])
            prompt_note(desk)


def _lines(keys: Keys | None) -> Iterator[str]:
    if keys is None:
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    while (said := keys.line()) is not None:
        yield said


@contextmanager
def _ending_well(screen: Screen, *, goes_on: bool) -> Iterator[None]:
    """What ends a turn ends no conversation where somebody is there to go on; what was changed stays."""
    try:
        yield
    except KeyboardInterrupt:
        screen.over()
        if not goes_on:
            raise
        say("stopped; say what to do instead, /undo takes it back", prose=True)
    except ContextOverflow as full:
        screen.over()
        say(f"{full}; /undo goes back a turn", prose=True)
    except SeraError as error:
        screen.over()
        if not goes_on:
            raise
        say(f"error: {error}", prose=True)


@contextmanager
def _told(*, json: bool) -> Iterator[None]:
    """An error is an event too, the last one."""
    try:
        yield
    except SeraError as error:
        if not json:
            raise
        say(f"error: {error}", prose=True)
        tell("error", kind=type(error).__name__, code=error.code, message=str(error))
        raise typer.Exit(error.code) from error


def _keep(place: "Place", file: Path, repo: Path) -> None:
    """Leaves the patch where `git apply` finds it."""
    from sera_cli.config import project
    from sera_cli.store import atomically

    patch = place.diff() if place.kind == "copy" else ""
    if not patch:
        return
    atomically(file, patch.encode("utf-8", "surrogatepass"))
    command = f"git -C {quote(str(project(repo)))} apply {quote(str(file))}"
    say(f"what was changed is in {file}; take it over with: {command}")
