"""What an agent may do without being asked, and who is asked about the rest, before anything is carried out."""

import json
import re
import shlex
from collections.abc import Callable
from math import inf
from typing import Literal, NamedTuple, Protocol

from sera_cli.agents.talk.preview import change
from sera_cli.harness.sandbox import ROOT, Sandbox
from sera_cli.harness.sandbox.places import INSIDE
from sera_cli.harness.tools import Outcome, Toolbox
from sera_cli.types import ToolCall

PRIVILEGED = frozenset({
    "sudo", "sudo-rs", "doas", "su", "pkexec", "runuser", "sudoedit", "run0", "systemd-run", "machinectl",
})  # fmt: skip
SUBCOMMANDS = frozenset({"cargo", "git", "go", "make", "npm", "pip", "pnpm", "poetry", "uv", "yarn"})
"""Programs whose second word says what they do."""

RUNNERS = frozenset({
    ".", "alias", "awk", "bash", "builtin", "busybox", "chroot", "command", "dash", "declare", "enable", "env", "eval",
    "exec", "export", "find", "hash", "ionice", "ksh", "nice", "node", "nohup", "parallel", "perl", "php", "python",
    "python3", "readonly", "ruby", "sed", "set", "setsid", "sh", "shopt", "source", "ssh", "stdbuf", "time", "timeout",
    "trap", "typeset", "watch", "xargs", "zsh",
})  # fmt: skip
"""Programs that run whatever their arguments say, or change what names mean: allowing one would allow everything."""

JOINING = re.compile(r"[;&|<>`$(){}\n\\*?\[~!]")
"""What makes more of a command than one program and its words."""

NO_PRIVILEGES = "This was not run: commands that gain privileges ({word}) are not allowed here. Do without."
NOBODY = "This was not run: nobody is there to allow it."


class Answer(NamedTuple):
    """What was said to a question; `instead` is for the agent, why it may not, or what it is to do."""

    verdict: Literal["once", "always", "no", "never"]
    instead: str = ""


class Question(NamedTuple):
    """A call that waits for an answer, and its kind, for which the answer can be given once and for all."""

    call: ToolCall
    kind: str


Ask = Callable[[Question], Answer]


def yes(_: Question) -> Answer:
    """Whatever it is: for a sandbox from which nothing can be reached."""
    return Answer("once")


class Rules:
    """What was allowed or refused for good in this conversation, and whom to ask about the rest."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.always: set[str] = set()
        self.never: set[str] = set()

    def refusal(self, call: ToolCall) -> str:
        """Why a call is not carried out, for the agent; empty when it is."""
        command = _given(call).get("command", "")
        if call.name == "bash" and (word := privileged(command)):
            return NO_PRIVILEGES.format(word=word)
        kind = kind_of(call)
        if not kind or kind in self.always:
            return ""
        if kind in self.never:
            return f"This was not run: the user allows no {kind} here. Do without."
        answer = self.ask(Question(call, kind))
        if answer.verdict in ("always", "never"):
            (self.always if answer.verdict == "always" else self.never).add(kind)
        if answer.verdict in ("once", "always"):
            return ""
        said = f' They say: "{answer.instead}"' if answer.instead else " Do something else, or ask what they want."
        return f"This was not run: the user did not allow it.{said}"


class Calls(Protocol):
    """Told of each call before anybody is asked about it, with the change it would make to a file as a diff; and of
    what came of it.
    """

    def calling(self, call: ToolCall, change: str) -> None: ...

    def called(self, call: ToolCall, outcome: str) -> None: ...


class Guarded(Toolbox):
    """The tools, each call told of, and asked for where the rules say so."""

    def __init__(self, sandbox: Sandbox, rules: Rules, watch: Calls, *, command_seconds: float) -> None:
        super().__init__(sandbox, command_seconds=command_seconds)
        self._inside, self._rules, self._watch = sandbox, rules, watch

    def call(self, call: ToolCall, *, seconds: float = inf) -> Outcome:
        self._watch.calling(call, change(call, self._inside))
        refused = outside(call, self._inside) or self._rules.refusal(call)
        outcome = Outcome(refused) if refused else super().call(call, seconds=seconds)
        self._watch.called(call, outcome.text)
        return outcome


def kind_of(call: ToolCall) -> str:
    """What a standing answer covers; empty for what nobody need be asked about: looking, and submitting.

    Commands of one plain program are of one kind by its name. All others, and those that name a place outside the
    repository, are of a kind of their own: an answer then covers the very same command.
    """
    given = _given(call)
    match call.name:
        case "bash":
            return f"command `{_program(given.get('command', ''))}`"
        case "str_replace_editor" if given.get("command") != "view":
            return "edits"
        case _:
            return ""


def outside(call: ToolCall, sandbox: Sandbox) -> str:
    """Why an edit is not made, whoever allows it: it is of a file of this machine, from which nothing isolates."""
    path = str(_given(call).get("path", ROOT))
    known = any(f"{path}/".startswith(f"{place}/") for place in (ROOT, INSIDE["tmp"], INSIDE["home"]))
    if sandbox.isolates or not path.startswith("/") or (known and ".." not in path.split("/")):
        return ""
    return f"This was not run: {path} is outside the repository; only files in {ROOT} can be seen and edited."


def privileged(command: str) -> str:
    """The first word of a command that would gain privileges; empty without one. Quoted text counts too, and a word
    that quotes and backslashes are strewn over.
    """
    plain = re.sub(r"['\"\\]", "", command.replace("\\\n", ""))
    words = re.split(r"[\s;&|()`'\"$={},<>]+", f"{plain} {command}")
    return next((word for word in words if word.rpartition("/")[2] in PRIVILEGED), "")


def _program(command: str) -> str:
    command = command.strip()
    if JOINING.search(command):
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if not words or "=" in words[0] or "/" in words[0] or words[0] in RUNNERS or any(map(_outside, words[1:])):
        return command
    if words[0] not in SUBCOMMANDS:
        return words[0]
    return " ".join(words[:2]) if len(words) > 1 and words[1][:1].isalpha() else command


def _outside(word: str) -> bool:
    path = word.rpartition("=")[2] if word.startswith("-") else word
    return ".." in path.split("/") or (path.startswith("/") and path != ROOT and not path.startswith(f"{ROOT}/"))


def _given(call: ToolCall) -> dict[str, str]:
    given = json.loads(call.arguments or "{}")
    return given if isinstance(given, dict) else {}
