"""Calls of the agent's tools as calls of a client's, and back: what was mapped there comes back as it was.

What a client has no tool for goes through its shell, as a small program that answers in the words of our own editor:
a view of what may be a folder, lines that are inserted, an edit that is taken back, and, for a client without tools for
files, every view and edit. It needs python3 where the client runs commands.
"""

import json
import shlex
from typing import Any

from sera_cli import templates
from sera_cli.agents.serving.mapping.clients import Client, Files, Shell
from sera_cli.harness.tools import problem
from sera_cli.types import ToolCall

EDITOR, BASH, SUBMIT = "str_replace_editor", "bash", "submit"
MILLISECONDS = 300_000
"""What a command may take where the agent was trained."""

BEGIN, END = "python3 - ", "SERA_EDITOR"
"""A command that stands for a call of the editor: the call as JSON, and the program that carries it out."""

Arguments = dict[str, Any]


def there(name: str, given: Arguments, client: Client, last: Arguments | None = None) -> tuple[str, Arguments]:
    """A call of ours as the client's. `last` is the edit that an `undo_edit` is to take back, where there is one.

    A call of the editor that no editor carries out goes through the shell too, with what is to be said of it.
    """
    if name == BASH:
        return _shelled(str(given.get("command", "")), client.shell)
    wrong = problem(ToolCall(id="", name=EDITOR, arguments=json.dumps(given)))
    if client.files and not wrong and (found := _filed(given, client.files)):
        return found
    beside = {key: value for key, value in (("last", last), ("wrong", wrong)) if value}
    asked = json.dumps(given | beside, ensure_ascii=True)
    program = templates.text("serving/editor.py")
    return _shelled(f"{BEGIN}{shlex.quote(asked)} <<'{END}'\n{program}{END}", client.shell)


def here(name: str, given: Arguments, client: Client) -> tuple[str, Arguments]:
    """A call of the client's as ours; one of another tool as it is."""
    if name == client.shell.tool:
        return _unshelled(given, client.shell)
    if client.files and name in (client.files.read, client.files.edit, client.files.write):
        return EDITOR, _unfiled(name, given, client.files)
    return name, given


def _shelled(command: str, shell: Shell) -> tuple[str, Arguments]:
    made: Arguments = {shell.argument: [*shell.words, command] if shell.words else command}
    if shell.described:
        made[shell.described] = (command.strip().partition("\n")[0] or "Run a command")[:80]
    if shell.milliseconds:
        made[shell.milliseconds] = MILLISECONDS
    return shell.tool, made


def _unshelled(given: Arguments, shell: Shell) -> tuple[str, Arguments]:
    said = given.get(shell.argument, "")
    if isinstance(said, list):
        words = [str(word) for word in said]
        behind = len(words) == len(shell.words) + 1 and words[1:-1] == [*shell.words[1:]]
        said = words[-1] if behind else shlex.join(words)
    return _edited(str(said)) or (BASH, {"command": str(said)})


def _edited(command: str) -> tuple[str, Arguments] | None:
    """The call of the editor that a command stands for."""
    first, _, rest = command.partition("\n")
    if not (first.startswith(BEGIN) and first.endswith(f" <<'{END}'") and rest.endswith(f"\n{END}")):
        return None
    try:
        asked = json.loads(shlex.split(first)[2])
    except (ValueError, IndexError):
        return None
    return EDITOR, {key: value for key, value in asked.items() if key not in ("last", "wrong")}


def _filed(given: Arguments, files: Files) -> tuple[str, Arguments] | None:
    """The call of a tool for files; None where none does it."""
    path = {files.path: given["path"]}
    match given.get("command"):
        case "view" if given.get("view_range"):
            return (files.read, path | span) if (span := _span(given["view_range"], files)) else None
        case "view" if not _perhaps_a_folder(path[files.path]):
            return files.read, path
        case "create":
            return files.write, path | {files.content: given.get("file_text", "")}
        case "str_replace":
            return files.edit, path | {files.old: given.get("old_str", ""), files.new: given.get("new_str", "")}
    return None


def _span(lines: object, files: Files) -> Arguments | None:
    """The lines `[first, last]` as a client's tool is told them; None for what are none."""
    match lines:
        case [int(first), None | -1]:
            return {files.offset: first}
        case [int(first), int(last)] if first <= last:
            return {files.offset: first, files.limit: last - first + 1}
    return None


def _unfiled(name: str, given: Arguments, files: Files) -> Arguments:
    path = given.get(files.path, "")
    if name == files.write:
        return {"command": "create", "path": path, "file_text": given.get(files.content, "")}
    if name == files.edit:
        return {
            "command": "str_replace", "path": path, "old_str": given.get(files.old, ""),
            "new_str": given.get(files.new, ""),
        }  # fmt: skip
    first, count = (one if isinstance(one := given.get(key), int) else None for key in (files.offset, files.limit))
    if first is None and count is None:
        return {"command": "view", "path": path}
    first = max(1, first or 1)
    return {"command": "view", "path": path, "view_range": [first, -1 if count is None else first + count - 1]}


def _perhaps_a_folder(path: str) -> bool:
    """A file's name mostly has a dot; what has none is viewed by the program, which sees what it is."""
    return "." not in path.rstrip("/").rpartition("/")[2]
