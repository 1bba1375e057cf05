"""What a client's tools answer, in the words of ours: the observations that the agent was trained on."""

import re
from dataclasses import dataclass, field
from typing import Any

from sera_cli.agents.serving.mapping.calls import BASH
from sera_cli.harness.editor import around, numbered, shown
from sera_cli.harness.tools import SILENT

REMINDER = re.compile(r"\s*<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
"""What Claude Code tells its model beside a result."""

ROW = re.compile(r"^\s*(\d+)(?:→|\t|\|\s?|: )(.*)$")
"""A line of a listing, by its number: as Claude Code, `cat -n` and opencode write it."""

EXIT = re.compile(r"^(?:Error: )?Exit code:? (\d+)\n?")
HEADER = re.compile(
    r"\A(?:(?:Chunk ID|Wall time|Exit code|Process exited with code|Process running with session ID"
    r"|Original token count|Total output lines)\b.*\n)+Output:(?:\n|\Z)"
)
"""What Codex writes above what a command printed."""

CODE = re.compile(r"(?:Exit code|exited with code):? (\d+)")
SESSION = re.compile(r"running with session ID (\d+)")
SILENCE = ("", "(no content)", "(no output)", "(bash completed with no output)", "tool ran without output or errors")
MISSING = re.compile(r"does not exist|no such file|not found: |enoent", re.IGNORECASE)
DIRECTORY = re.compile(r"eisdir|is a directory", re.IGNORECASE)
ABSENT = re.compile(
    r"string to replace not found|could not find|oldstring not found|not found in (?:the )?(?:file|content)",
    re.IGNORECASE,
)
SEVERAL = re.compile(r"found (\d+|multiple) matches|multiple (?:times|occurrences|matches)|replace_?all", re.IGNORECASE)
REFUSED = re.compile(
    r"user doesn't want to|user (?:has )?(?:rejected|denied|declined)|was rejected|permission (?:was )?denied by",
    re.IGNORECASE,
)
UNREAD = re.compile(r"not been read yet|modified since|must read (?:the )?file|use the read tool first", re.IGNORECASE)
STALE = "The file may have changed since it was shown, so nothing was edited. Call again to edit it as it is now."
"""What is told where a client edits no file that it has not read itself: the next call goes through its shell."""

REASON = re.compile(r"(?:the user said|reason)\W*\n?(.+)", re.IGNORECASE | re.DOTALL)
EMPTY = re.compile(r"contents? (?:are|is) empty|file is empty|empty file", re.IGNORECASE)

Arguments = dict[str, Any]


@dataclass
class Known:
    """The text of files as the conversation has shown them whole, by path, until something else can change it."""

    texts: dict[str, str] = field(default_factory=dict)

    def forget(self) -> None:
        """A command ran: whatever it did."""
        self.texts.clear()


def observation(name: str, given: Arguments, result: str, known: Known, *, program: bool = False) -> str:
    """The answer to a call of ours, of what a client answered to the call it was mapped to.

    What the `program` answers is in our words already.
    """
    text = _headless(REMINDER.sub("\n", result).strip("\n"), program=program)
    if REFUSED.search(text[:400]):
        reason = REASON.search(text)
        said = f" They say: {reason[1].strip()}" if reason else ""
        return f"The user refused this call, and it was not carried out.{said}"
    if name == BASH or program:
        known.forget()
        return _shell(text) if name == BASH else text
    path = str(given.get("path", ""))
    if MISSING.search(text[:300]) and not ROW.match(text):
        return f"The path {path} does not exist."
    if DIRECTORY.search(text[:300]) and not ROW.match(text):
        return f"The path {path} is a directory; only `view` works on directories."
    match given.get("command"):
        case "view":
            return _view(path, given, text, empty=bool(EMPTY.search(result[:300])), known=known)
        case "create":
            return _created(path, given, text, known)
        case _:
            return _replaced(path, given, text, known)


def _headless(text: str, *, program: bool) -> str:
    """What a command printed, without what Codex writes above it, but with what matters of that."""
    found = HEADER.match(text)
    if not found:
        return text
    printed, code, session = text[found.end():].rstrip("\n"), CODE.search(found[0]), SESSION.search(found[0])
    if session:
        wait = f"The command still runs. Call `write_stdin` with session_id {session[1]} to wait for the rest."
        return f"{printed}\n{wait}".lstrip("\n")
    return f"Exit code {code[1]}\n{printed}" if code and code[1] != "0" and not program else printed


def _shell(text: str) -> str:
    found = EXIT.match(text)
    output = text[found.end():] if found else text
    if output.strip().lower() not in SILENCE:
        return output
    if found and found[1] != "0":
        return f"The command printed nothing and ended with exit status {found[1]}."
    return SILENT


def _view(path: str, given: Arguments, text: str, *, empty: bool, known: Known) -> str:
    rows = [found for line in text.split("\n") if (found := ROW.match(line))]
    if not rows:
        return f"The file {path} is empty." if empty or not text.strip() else text
    first, last = int(rows[0][1]), int(rows[-1][1])
    lines = [row[2] for row in rows]
    until = (given.get("view_range") or (1, -1))[1]
    ended = until == -1
    if len(rows) > 1 and rows[-1][0].strip(" \t→") == rows[-1][1] and (ended or last < until):
        lines, last = lines[:-1], last - 1  # Claude Code numbers what follows the end of the last line
    if "view_range" not in given:
        known.texts[path] = "\n".join(lines) + "\n"
    count = last if ended else len(known.texts[path].splitlines()) if path in known.texts else None
    return f"{shown(path, first, last, count)}\n{numbered(lines, first)}"


def _created(path: str, given: Arguments, text: str, known: Known) -> str:
    if UNREAD.search(text[:300]):
        return f"The file {path} exists already; `create` does not overwrite. Use `str_replace` to change it."
    if text.lower().startswith(("error", "<tool_use_error>")):
        return text
    known.texts[path] = str(given.get("file_text", ""))
    return f"The file {path} has been created."


def _replaced(path: str, given: Arguments, text: str, known: Known) -> str:
    old, new = str(given.get("old_str", "")), str(given.get("new_str", ""))
    if UNREAD.search(text[:300]):
        known.texts.pop(path, None)
        return STALE
    if ABSENT.search(text[:300]):
        return f"No replacement was performed: old_str does not appear verbatim in {path}."
    if SEVERAL.search(text[:300]):
        return f"No replacement was performed: old_str appears in several places of {path}. Make it unique."
    if text.lower().startswith(("error", "<tool_use_error>")):
        return text
    before = known.texts.get(path, "")
    if before.count(old) == 1:
        known.texts[path] = after = before.replace(old, new)
        line = before[: before.index(old)].count("\n") + 1
        lines = after.removesuffix("\n").split("\n")
        first, last = around(line, new.count("\n") + 1, len(lines))
        snippet = numbered(lines[first - 1 : last], first)
        return f"The file {path} has been edited. {shown(path, first, last, len(lines))}\n{snippet}"
    known.texts.pop(path, None)
    return f"The file {path} has been edited."
