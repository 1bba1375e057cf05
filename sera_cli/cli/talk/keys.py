"""What a person types: lines with a history, several of them with Alt-Enter, and the answer to a question."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.console import say

if TYPE_CHECKING:
    from sera_cli.agents.talk.approval import Answer, Question

WIDEST = 36
"""Characters of a command that a question repeats."""


class Keys:
    """A terminal at which somebody sits. `words` are completed at the beginning of a line."""

    def __init__(self, history: Path, words: Iterable[str] = ()) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.output import create_output

        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)
        output = create_output(always_prefer_tty=True)
        completer = WordCompleter(list(words), sentence=True)
        self._lines: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)), completer=completer, complete_while_typing=False, output=output,
            key_bindings=_bindings(), prompt_continuation="  ",
        )
        self._answers: PromptSession[str] = PromptSession(output=output)

    def line(self) -> str | None:
        """What is said next; None when it is enough (Ctrl-D). Ctrl-C begins the line anew."""
        while True:
            try:
                said = self._lines.prompt("> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None
            if said:
                return said

    def ask(self, question: "Question") -> "Answer":
        """Whether a call that was shown may be carried out; Ctrl-D is no, Ctrl-C stops the turn."""
        about = question.kind if len(question.kind) <= WIDEST else f"{question.kind[:WIDEST]}…`"
        say(f"y once, a always for {about}, n no, v never, or say what to do instead", style="dim", prose=True)
        while True:
            try:
                said = self._answers.prompt("allow? ").strip()
            except EOFError:
                said = "n"
            if said:
                return answer(said)


def answer(said: str) -> "Answer":
    """What a typed answer means; any but the known ones is a no, and for the agent."""
    from sera_cli.agents.talk.approval import Answer

    match said.lower():
        case "y" | "yes":
            return Answer("once")
        case "a" | "always":
            return Answer("always")
        case "v" | "never":
            return Answer("never")
        case "n" | "no":
            return Answer("no")
        case _:
            return Answer("no", said)


def is_typed() -> bool:
    """Whether somebody sits at the terminal, rather than a pipe."""
    return sys.stdin.isatty()


def _bindings() -> Any:
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: Any) -> None:
        event.current_buffer.insert_text("\n")

    return keys
