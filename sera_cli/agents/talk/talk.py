"""A conversation about a repository: what was said, where the agent works, and the way back, turn by turn."""

from collections.abc import Callable, Iterator
from typing import Protocol

from sera_cli.agents.chat import turn
from sera_cli.agents.talk.approval import Calls, Guarded, Rules
from sera_cli.agents.talk.folding import Folding
from sera_cli.agents.talk.places import Place
from sera_cli.agents.talk.session import Kept, Session, Turn
from sera_cli.errors import SandboxError
from sera_cli.harness.editor import Editor
from sera_cli.harness.loop import Limits
from sera_cli.harness.model import Thought
from sera_cli.harness.sandbox import ROOT
from sera_cli.harness.tools import specs
from sera_cli.harness.wire import Wire
from sera_cli.harness.wire.live import Heard, Live
from sera_cli.types import Message, Reply, Step, Usage


class Watch(Calls, Protocol):
    """Told of all that happens in a turn, as it happens."""

    def heard(self, heard: Heard) -> None: ...

    def replied(self, reply: Reply) -> None: ...


class Ear:
    """Hears one reply after the other: text as models write it, control tokens and all, where `spoken` says how; else
    what a server tells apart.
    """

    def __init__(self, spoken: Wire | None, tell: Callable[[Heard], None]) -> None:
        self._spoken, self._tell = spoken, tell
        self._live: Live | None = None

    def __call__(self, text: str) -> None:
        if self._spoken is None:
            self._tell(Heard("thinking" if isinstance(text, Thought) else "said", text))
            return
        self._live = self._live or Live(tools=specs(), spoken=self._spoken)
        for heard in self._live.hear(text):
            self._tell(heard)

    def end(self) -> None:
        """The reply is whole."""
        live, self._live = self._live, None
        for heard in live.end() if live else ():
            self._tell(heard)

    def forget(self) -> None:
        """The reply was broken off."""
        self._live = None


class Talk:
    """`say` takes a turn. `messages` are the whole conversation, `turns` what can be taken back.

    `used` counts tokens by the name of the model that wrote.
    """

    def __init__(self, place: Place, session: Session, rules: Rules, watch: Watch, limits: Limits) -> None:
        self.place, self.session, self.rules = place, session, rules
        self.messages: list[Message] = []
        self.turns: list[Turn] = []
        self.used: dict[str, Usage] = {}
        self._watch, self._limits = watch, limits
        self._undone: list[tuple[Turn, list[Message], str]] = []
        self._added: list[str] = []
        self._noted = 0
        self._renew()

    def answer_by(self, name: str, model: Folding, spoken: Wire | None) -> None:
        """From now on `model` answers, which is asked for by `name`, and is heard as `spoken` says."""
        self.name, self.model, self._ear = name, model, Ear(spoken, self._watch.heard)
        if self.turns:
            self.session.note("model", model=name)

    def go_on(self, kept: Kept) -> None:
        """Takes up a conversation where it was left; in a copy, its files too. Raises SandboxError."""
        self.messages, self.turns, self.used = list(kept.messages), list(kept.turns), dict(kept.used)
        self.session, self._noted, self._undone = Session(kept.path), len(kept.messages), []
        if self.turns and kept.place == "copy":
            self.place.go(self.turns[-1].after or self.turns[-1].before, "")
        self._renew()

    def say(self, said: str) -> Iterator[Step]:
        """The steps that follow. However they end, what was changed is kept, and so is the conversation so far."""
        before = self._begin(said)
        text, self._added = "\n\n".join([*self._added, said]), []
        try:
            for step in turn(text, self.model, self._tools, self.messages, self._limits,
                             on_text=self._ear, on_reply=self._replied):
                self._note(step.reply.usage)
                yield step
        finally:
            self._ear.forget()
            self._note()
            self._end(before)

    def undo(self) -> Turn | None:
        """Takes the last turn back, from the files and from the conversation; None where there is none."""
        if not self.turns:
            return None
        last = self.turns[-1]
        now = self.place.mark()
        self.place.go(last.before, last.after or now)
        self.turns.pop()
        self._undone.append((last, self.messages[last.messages :], now))
        self._cut(last.messages)
        self.session.note("undone")
        self._renew()
        return last

    def redo(self) -> Turn | None:
        """Puts back what was undone last; None where nothing was, or something was said since."""
        if not self._undone:
            return None
        last, messages, mark = self._undone.pop()
        self.place.go(mark, last.before)
        self.session.note("turn", said=last.said, before=last.before)
        self.messages += messages
        self._note()
        self.session.note("ended", after=last.after)
        self.turns.append(last)
        self._renew()
        return last

    def add(self, path: str) -> str:
        """Shows the agent a file with the next thing that is said; what it is shown of it is returned."""
        inside = path if path.startswith(f"{ROOT}/") else f"{ROOT}/{path.removeprefix('./')}"
        shown = Editor(self.place.sandbox)("view", inside)
        self._added.append(shown)
        return shown

    def settle(self, commit: str) -> None:
        """What was changed is in this commit."""
        self.place.settle(commit)
        if self.turns:
            after = self.place.begun if self.place.kind == "copy" else self.turns[-1].after
            self.turns[-1] = self.turns[-1].model_copy(update={"after": after})
            self.session.note("settled", begun=self.place.begun, after=after)
        self._renew()

    def _begin(self, said: str) -> str:
        before = self.place.mark()
        if not self.turns and not self._noted:
            self.session.note("begin", model=self.name, place=self.place.kind, begun=self.place.begun)
        self.session.note("turn", said=said, before=before)
        self.turns.append(Turn(said=said, before=before, messages=len(self.messages)))
        self._undone = []
        return before

    def _end(self, before: str) -> None:
        try:
            after = self.place.mark()
        except SandboxError:  # it is told where it happened; what was there before the turn is kept
            after = before
        self.turns[-1] = self.turns[-1].model_copy(update={"after": after})
        self.session.note("ended", after=after)

    def _replied(self, reply: Reply) -> None:
        self._ear.end()
        self._watch.replied(reply)

    def _note(self, usage: Usage | None = None) -> None:
        if new := self.messages[self._noted :]:
            self.session.note("messages", messages=new)
            self._noted = len(self.messages)
        if usage and usage != Usage():
            self.used[self.name] = self.used.get(self.name, Usage()) + usage
            self.session.note("used", model=self.name, usage=usage.model_dump())

    def _cut(self, length: int) -> None:
        del self.messages[length:]
        self._noted = length

    def _renew(self) -> None:
        """Tools know what they did: they begin anew where the files are others."""
        self._tools = Guarded(
            self.place.sandbox, self.rules, self._watch, command_seconds=self._limits.command_seconds)
