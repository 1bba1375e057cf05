"""What a person sees of a turn while it happens: text as it comes, thinking on one line, commands, changes, outputs."""

import json
import re
from typing import TYPE_CHECKING, Literal
from unicodedata import category

from sera_cli.console import clean, err, say
from sera_cli.wording import counted

if TYPE_CHECKING:
    from rich.status import Status

    from sera_cli.harness.wire.live import Heard
    from sera_cli.types import Reply, ToolCall

SHOWN = 12
"""Lines of an output that are shown; the agent sees all of it."""

CHANGED = 80
"""Lines of a change that are shown before it is asked about."""

TAIL = 24
"""Columns kept free for what is said at the end of a folded thought."""

BEAT = 100
"""Letters of a thought that is folded after which its words are counted anew, so that something moves."""

SAVE, RESTORE, CLEAR = "\x1b7", "\x1b8", "\x1b[K"
"""Where a terminal's cursor stands is kept, and taken again; the rest of its line is emptied."""

COLOURS = {"+": "green", "-": "red", "@": "cyan"}
HIDDEN = ("Cf", "Zl", "Zp", "Co", "Cn")
NOT_RUN = "This was not run"


class Screen:
    """A Watch, for a terminal or a log. `unfolded` shows thinking as it comes; `thought` is the latest."""

    def __init__(self) -> None:
        self.unfolded = False
        self.thought = ""
        self._flow = Flow()
        self._phase: Literal["", "thinking", "said"] = ""
        self._heard: set[str] = set()
        self._status: Status | None = None
        self._counted = False

    def wait(self, what: str = "writing") -> None:
        """Something moves in a terminal until there is more to show."""
        self._stir()
        if err().is_terminal and not err().is_dumb_terminal:
            self._status = err().status(what, spinner="line", spinner_style="dim")
            self._status.start()

    def heard(self, heard: "Heard") -> None:
        if heard.kind == "thinking":
            self._think(heard.text)
        elif heard.kind == "said" and (heard.text.strip() or self._phase == "said"):
            self._enter("said")
            self._flow(heard.text)
        elif heard.kind == "name":
            self._enter("")
            self.wait(f"writing a call of {clean(heard.text)}")

    def replied(self, reply: "Reply") -> None:
        """What was not heard before is shown now: not every model tells what it writes while it does."""
        from sera_cli.harness.loop import NO_CALL
        from sera_cli.harness.wire import thought

        said = str(reply.message.get("content") or "").strip()
        wrong = reply.problem if reply.problem != NO_CALL or not said else ""
        if wrong and self._heard:
            said = ""  # it is the whole reply as it came, thinking and half a call with it
        if "thinking" not in self._heard and (thinking := thought(reply.message)):
            self._think(thinking)
        if "said" not in self._heard and said:
            self._enter("said")
            self._flow(cut(said) if wrong else said)
        self.over()
        if wrong:
            say(f"! {wrong}", style="yellow", prose=True)
            self.wait()

    def calling(self, call: "ToolCall", change: str) -> None:
        self._stir()
        say(visible(in_words(call)), style="bold")
        lines = change.splitlines()[2:]
        for line in lines[:CHANGED]:
            say(visible(line), style=COLOURS.get(line[:1]))
        if len(lines) > CHANGED:
            say(f"… {counted(len(lines) - CHANGED, 'more line')}", style="dim")

    def called(self, call: "ToolCall", outcome: str) -> None:
        if outcome.startswith(NOT_RUN):
            say(f"    {outcome.removeprefix('This was ').partition('. ')[0]}", style="yellow", prose=True)
        elif call.name == "bash":
            say(cut(outcome), style="dim")
        elif call.name == "str_replace_editor" and not re.search("^(The file .* has been|Here are lines)", outcome):
            say(cut(outcome), style="yellow")
        self.wait()

    def over(self) -> None:
        """The reply is whole, or was broken off."""
        self._enter("")
        self._stir()
        self._heard = set()

    def _stir(self) -> None:
        """There is more to show."""
        status, self._status = self._status, None
        if status:
            status.stop()

    def _think(self, text: str) -> None:
        if self._phase != "thinking":
            self.thought = ""
        self._enter("thinking")
        before, self.thought = self.thought, (self.thought + text).lstrip("\n")
        if self.unfolded:
            self._flow(self.thought[len(before):], "dim")
        else:
            self._put(folded(self.thought)[len(folded(before)):])
            self._count(before)

    def _count(self, before: str) -> None:
        """How long a thought is by now, behind what is shown of it: the end of the thought takes that place."""
        hidden = folded(self.thought) == folded(before) and len(self.thought) // BEAT > len(before) // BEAT
        if hidden and err().is_terminal and not err().is_dumb_terminal:
            err().file.write(f"{SAVE} … {len(self.thought.split())} words{CLEAR}{RESTORE}")
            err().file.flush()
            self._counted = True

    def _enter(self, phase: Literal["", "thinking", "said"]) -> None:
        if self._phase == phase:
            return
        self._stir()
        if self._phase == "thinking" and not self.unfolded:
            if self._counted:
                err().file.write(CLEAR)
            self._counted = False
            self._put(rest(self.thought))
        if self._phase:
            self._flow.end()
        self._phase = phase
        self._heard.add(phase)
        if phase == "thinking":
            self._put("· ")

    def _put(self, text: str) -> None:
        err().print(clean(text), end="", style="dim", soft_wrap=True)


class Flow:
    """Text that comes in pieces, broken between words where the terminal is narrow; a word waits until it is whole."""

    def __init__(self) -> None:
        self._word, self._style, self._column = "", "", 0

    def __call__(self, text: str, style: str = "") -> None:
        self._style = style
        *whole, self._word = re.split(r"(\s)", self._word + text)
        for part in whole:
            self._put(part)

    def end(self) -> None:
        """The last word, and a new line."""
        self._put(self._word)
        self._word, self._column = "", 0
        err().print()

    def _put(self, part: str) -> None:
        from rich.cells import cell_len

        if not part:
            return
        size, width = cell_len(part), err().width if err().is_terminal else 0
        if width and not part.isspace() and self._column and self._column + size > width:
            part, self._column = f"\n{part}", 0
        if width and part == " " and self._column >= width:
            return
        self._column = 0 if part == "\n" else self._column + size
        err().print(clean(part), end="", style=self._style, soft_wrap=True)


def folded(thought: str) -> str:
    """What of a thought fits on a line of the terminal."""
    return thought.partition("\n")[0][: max(20, err().width - TAIL)]


def rest(thought: str) -> str:
    """What is said at the end of that line of all that it leaves out."""
    if folded(thought) == thought.strip():
        return ""
    lines = len(thought.strip().splitlines())
    return f" … {lines} lines, /think" if lines > 1 else "… /think"


def in_words(call: "ToolCall") -> str:
    """A call as it will be carried out."""
    from sera_cli.harness.sandbox import ROOT

    given = json.loads(call.arguments or "{}")
    if call.name == "bash":
        return f"$ {given['command']}"
    if call.name != "str_replace_editor":
        return f"→ {call.name}"
    span = given.get("view_range") if given.get("command") == "view" else None
    path = str(given.get("path")).removeprefix(f"{ROOT}/")
    return f"→ {given.get('command')} {path}" + (f" {span[0]} to {span[1]}" if span else "")


def visible(text: str) -> str:
    """Text with what shows nothing, or turns the order of letters around, spelled out: somebody is to allow it."""
    return "".join(f"\\u{{{ord(letter):x}}}" if category(letter) in HIDDEN else letter for letter in text)


def cut(text: str) -> str:
    lines = text.splitlines()
    more = [f"… {counted(len(lines) - SHOWN, 'more line')}"] if len(lines) > SHOWN else []
    return "\n".join(f"    {line}" for line in [*lines[:SHOWN], *more])


def painted(patch: str) -> list[tuple[str, str]]:
    """The lines of a patch, each with its colour."""
    return [("bold" if line.startswith(("diff ", "---", "+++")) else COLOURS.get(line[:1], ""), f"{line}\n")
            for line in patch.splitlines()]
