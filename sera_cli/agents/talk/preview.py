"""What an edit would change, as a diff, before anybody allows it."""

import json
from difflib import unified_diff

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, Sandbox
from sera_cli.redact import redact
from sera_cli.types import ToolCall


def change(call: ToolCall, sandbox: Sandbox) -> str:
    """The unified diff of the file that a call of `str_replace_editor` edits; empty for one that changes nothing.

    Secrets are tokens in it, as the agent sees them.
    """
    given = json.loads(call.arguments or "{}")
    if call.name != "str_replace_editor" or given.get("command") not in ("create", "str_replace", "insert"):
        return ""
    path = str(given.get("path", ""))
    before = "" if given["command"] == "create" else _text(path, sandbox)
    after = _after(before, given)
    name = path.removeprefix(f"{ROOT}/")
    lines = unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)


def _text(path: str, sandbox: Sandbox) -> str:
    try:
        return redact(sandbox.read(path)).replace("\r\n", "\n")
    except (OSError, SandboxError):
        return ""


def _after(before: str, given: dict[str, object]) -> str:
    """The text as the editor will leave it; as it was, where the editor will refuse."""
    old, new = str(given.get("old_str") or ""), str(given.get("new_str") or "")
    match given["command"]:
        case "create":
            return str(given.get("file_text") or "")
        case "str_replace":
            return before.replace(old, new, 1) if old and before.count(old) == 1 else before
        case _:
            lines, at = before.split("\n"), given.get("insert_line")
            if not isinstance(at, int) or not 0 <= at < len(lines):
                return before
            return "\n".join([*lines[:at], *new.removesuffix("\n").split("\n"), *lines[at:]])
