"""The slash commands of a chat: what a line that begins with / does."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.cli.talk.answering import Setting, Who, answering
from sera_cli.cli.talk.screen import Screen, painted
from sera_cli.console import err, say
from sera_cli.errors import ConfigError, SeraError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.agents.talk.talk import Talk


@dataclass
class Desk:
    """A conversation at a terminal. `whos` are those who answered in it, by name; the last one answers now."""

    talk: "Talk"
    screen: Screen
    setting: Setting
    root: Path
    folder: Path
    stack: ExitStack
    context: int = 0
    whos: dict[str, Who] = field(default_factory=dict)
    hired: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.stack.callback(lambda: self.hired.close())

    def hire(self, name: str) -> None:
        """From now on this one answers; whoever did before is let go once the new one is there."""
        from sera_cli.agents.talk.folding import Folding

        with ExitStack() as made:
            who = made.enter_context(answering(name, self.setting, context=self.context))
            self.hired.close()
            self.hired = made.pop_all()
        self.whos[who.name] = who
        self.talk.answer_by(who.name, Folding(who.model, who.context), who.spoken)


def obey(desk: Desk, line: str) -> bool:
    """Does what a line beginning with / says; False when that was to end. What goes wrong is told, and ends nothing."""
    name, _, rest = line[1:].partition(" ")
    if name in ("quit", "exit"):
        return False
    if name not in COMMANDS:
        say(f"there is no /{name}; /help tells what there is", style="yellow")
        return True
    try:
        COMMANDS[name][0](desk, rest.strip())
    except SeraError as error:
        say(f"error: {error}", prose=True)
    return True


def _diff(desk: Desk, _: str) -> None:
    patch = desk.talk.place.diff()
    if not patch:
        say("nothing is changed")
    for style, line in painted(patch):
        say(line.rstrip("\n"), style=style or None)


def _undo(desk: Desk, _: str) -> None:
    turn = desk.talk.undo()
    say(f"taken back: {_short(turn.said)}; /redo puts it back" if turn else "there is nothing to take back")


def _redo(desk: Desk, _: str) -> None:
    turn = desk.talk.redo()
    say(f"put back: {_short(turn.said)}" if turn else "there is nothing to put back")


def _commit(desk: Desk, message: str) -> None:
    from sera_cli.agents.talk.commits import commit, subject, take_over

    talk, patch = desk.talk, desk.talk.place.diff()
    if not patch:
        return say("nothing is changed")
    if talk.place.kind == "copy":
        take_over(desk.root, patch)
    made = commit(desk.root, patch, message or subject(talk.turns[-1].said if talk.turns else "Change files"))
    talk.settle(made)
    return say(f"committed as {made[:10]} in {desk.root}")


def _add(desk: Desk, names: str) -> None:
    from shlex import split

    if not names:
        raise ConfigError("say which file: /add PATH")
    for name in split(names):
        shown = desk.talk.add(name)
        say(shown.partition("\n")[0])


def _model(desk: Desk, name: str) -> None:
    from sera_cli.agents.registry import agents
    from sera_cli.config import home

    if name:
        desk.hire(name)
        return say(f"{desk.talk.name} answers from now on")
    there = sorted({card.name for card in agents(home("data"))})
    say(f"{desk.talk.name} answers. /model NAME takes another: {', '.join(there) or 'no agents yet'}, or "
        "openai:, anthropic: or vllm:MODEL", prose=True)
    return None


def _cost(desk: Desk, _: str) -> None:
    talk = desk.talk
    for name, used in talk.used.items():
        price = desk.whos[name].price if name in desk.whos else None
        dollars = f"${price.of(used):,.4f}" if price else "unpriced"
        say(f"{name}: {used.prompt:,} tokens read, {used.cached:,} of them cached, {used.completion:,} written, "
            f"{dollars}", prose=True)
    say(context(desk))


def _save(desk: Desk, name: str) -> None:
    from re import fullmatch

    session = desk.talk.session
    if not desk.talk.turns:
        raise ConfigError("nothing was said yet; a conversation is kept from the first thing on")
    if name and not fullmatch(r"(?!\d+$)[\w.-]+", name):
        raise ConfigError(f"{name!r} cannot be a name; use letters, digits, '.', '_' and '-'")
    if name:
        session.note("named", name=name)
    say(f"kept in {session.path}; go on with: sera chat --resume {name or session.path.stem}")


def _resume(desk: Desk, name: str) -> None:
    from sera_cli.agents.talk.session import find, kept

    if not name:
        there = kept(desk.folder)[:9]
        for number, one in enumerate(there, 1):
            say(f"{number} {one.title}  {one.about}")
        return say("/resume takes a number or a name" if there else "no conversation is kept yet")
    found = find(desk.folder, name)
    if found.place != desk.talk.place.kind:
        here = "in the checkout itself: sera chat --here" if found.place == "here" else "in a copy: sera chat"
        raise ConfigError(f"{found.title} worked {here} --resume {found.title}")
    desk.talk.go_on(found)
    return say(f"going on with {found.title}: {found.about}")


def _think(desk: Desk, _: str) -> None:
    desk.screen.unfolded = not desk.screen.unfolded
    if desk.screen.unfolded and desk.screen.thought:
        say(desk.screen.thought.strip(), style="dim", prose=True)
    say("thinking is shown as it comes" if desk.screen.unfolded else "thinking is folded to a line")


def _help(_desk: Desk, _rest: str) -> None:
    for name, (_, about) in COMMANDS.items():
        say(f"/{name:<8} {about}")
    say("Alt-Enter begins a new line, Ctrl-C stops a turn, Ctrl-D ends.", prose=True)


COMMANDS: dict[str, tuple[Callable[[Desk, str], None], str]] = {
    "diff": (_diff, "what was changed so far"),
    "undo": (_undo, "take the last turn back, in files and words"),
    "redo": (_redo, "put back what was undone"),
    "commit": (_commit, "[MESSAGE] commit it in the checkout"),
    "add": (_add, "PATH… show files with what you say next"),
    "model": (_model, "[NAME] who answers"),
    "cost": (_cost, "tokens, dollars and room in the context"),
    "save": (_save, "[NAME] where this is kept; give it a name"),
    "resume": (_resume, "[NAME] go on with an earlier conversation"),
    "think": (_think, "show thinking, or fold it again"),
    "help": (_help, "this"),
    "quit": (_help, "end; so does Ctrl-D"),
}  # fmt: skip


def context(desk: Desk) -> str:
    """How full the context is."""
    model, messages = desk.talk.model, desk.talk.messages
    taken, folded = model.tokens(messages), model.count(messages)
    most = f" of {model.context:,} ({100 * taken // model.context} %)" if model.context else ""
    return f"context: about {taken:,}{most} tokens" + (f", {counted(folded, 'output')} folded" if folded else "")


def prompt_note(desk: Desk) -> None:
    """Said after a turn, once the context begins to fill."""
    model = desk.talk.model
    if model.context and desk.talk.model.tokens(desk.talk.messages) * 2 > model.context and err().is_terminal:
        say(context(desk), style="dim")


def _short(said: str) -> str:
    line = " ".join(said.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
