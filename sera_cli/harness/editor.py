"""The str_replace_editor tool: views, creates and edits the text files of a sandbox, and takes edits back.

Unlike SWE-agent's it leaves tabs and line ends as the file has them; a file with CRLF is shown and matched with LF.
"""

import shlex
from typing import NamedTuple

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, Sandbox
from sera_cli.redact import redact

LONGEST = 16_000
"""Characters of a file or listing that are shown."""

CONTEXT = 4
"""Lines shown before and after an edit."""

CLIPPED = "<response clipped> There is more. Find the line numbers you need with `grep -n` and view those lines."


class Editor:
    """`editor(command=…, path=…, …)` does one command and returns what the model is shown."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._undo: dict[str, list[str | None]] = {}

    def __call__(
        self, command: str, path: str, *, file_text: str = "", old_str: str = "", new_str: str = "",
        insert_line: int = 0, view_range: list[int] | None = None,
    ) -> str:
        if not path.startswith("/"):
            return f"The path {path} is not absolute. Did you mean {ROOT}/{path.removeprefix('./')}?"
        try:
            match command:
                case "view":
                    return self._view(path, view_range)
                case "create":
                    return self._create(path, file_text)
                case "str_replace":
                    return self._replace(path, old_str, new_str)
                case "insert":
                    return self._insert(path, insert_line, new_str)
                case _:
                    return self._take_back(path)
        except FileNotFoundError:
            return f"The path {path} does not exist."
        except IsADirectoryError:
            return f"The path {path} is a directory; only `view` works on directories."
        except SandboxError as error:
            return f"{error}."

    def _view(self, path: str, span: list[int] | None) -> str:
        try:
            text = _Text.of(self._sandbox.read(path))
        except IsADirectoryError:
            return self._listing(path) if span is None else f"{path} is a directory: `view_range` is for files."
        first, last = span or (1, -1)
        count = len(text.lines)
        last = count if last == -1 else last
        if count == 0:
            return f"The file {path} is empty."
        if not 1 <= first <= last <= count:
            return f"Invalid `view_range` {span}: {path} has lines 1 to {count}."
        return f"{shown(path, first, last, count)}\n{_told(text.lines[first - 1 : last], first)}"

    def _listing(self, path: str) -> str:
        where = shlex.quote(path)
        found = self._sandbox.run(
            f"find -H {where} -mindepth 1 -maxdepth 2 -name '.*' -prune -o -mindepth 1 -print | LC_ALL=C sort", 60
        )
        return f"Files and directories in {path}, two levels deep, without hidden ones:\n{_cut(found.output)}".rstrip()

    def _create(self, path: str, content: str) -> str:
        try:
            self._sandbox.read(path)
        except FileNotFoundError:
            self._sandbox.write(path, content)
            self._undo.setdefault(path, []).append(None)
            return f"The file {path} has been created."
        return f"The file {path} exists already; `create` does not overwrite. Use `str_replace` to change it."

    def _replace(self, path: str, old: str, new: str) -> str:
        before = self._sandbox.read(path)
        text = _Text.of(before)
        old, new = text.fitted(old), text.fitted(new)
        starts = _starts(text.content, old)
        if not starts:
            return f"No replacement was performed: old_str does not appear verbatim in {path}."
        if len(starts) > 1:
            return f"No replacement was performed: old_str appears in lines {starts} of {path}. Make it unique."
        if old == new:
            return "No replacement was performed: new_str is the same as old_str."
        after = text._replace(content=text.content.replace(old, new, 1))
        return self._put(path, before, after, starts[0], new.count("\n") + 1)

    def _insert(self, path: str, line: int, new: str) -> str:
        before = self._sandbox.read(path)
        text = _Text.of(before)
        if not 0 <= line <= len(text.lines):
            return f"Invalid `insert_line` {line}: {path} has {len(text.lines)} lines, so 0 to {len(text.lines)} work."
        lines, added = text.content.split("\n"), text.fitted(new).removesuffix("\n").split("\n")
        after = text._replace(content="\n".join([*lines[:line], *added, *lines[line:]]))
        return self._put(path, before, after, line + 1, len(added))

    def _take_back(self, path: str) -> str:
        past = self._undo.get(path)
        if not past:
            return f"There is no edit of {path} to undo."
        before = past.pop()
        if before is None:
            self._sandbox.run(f"rm -f -- {shlex.quote(path)}", 60)
        else:
            self._sandbox.write(path, before)
        return f"The last edit of {path} has been undone."

    def _put(self, path: str, before: str, after: "_Text", line: int, count: int) -> str:
        self._sandbox.write(path, after.raw)
        self._undo.setdefault(path, []).append(before)
        first, last = around(line, count, len(after.lines))
        snippet = _told(after.lines[first - 1 : last], first)
        return f"The file {path} has been edited. {shown(path, first, last, len(after.lines))}\n{snippet}"


class _Text(NamedTuple):
    """A file's text with LF, and the line end it has on disk."""

    content: str
    end: str

    @classmethod
    def of(cls, raw: str) -> "_Text":
        if "\r\n" in raw and raw.count("\r\n") == raw.count("\n"):
            return cls(raw.replace("\r\n", "\n"), "\r\n")
        return cls(raw, "\n")

    @property
    def raw(self) -> str:
        return self.content.replace("\n", self.end)

    def fitted(self, part: str) -> str:
        """A text that a model gave, with the line ends of `content`."""
        return part if self.end == "\n" else part.replace(self.end, "\n")

    @property
    def lines(self) -> list[str]:
        """Without the empty one after a last line end."""
        return self.content.removesuffix("\n").split("\n") if self.content else []


def _starts(text: str, part: str) -> list[int]:
    """The lines, from 1, in which `part` begins."""
    pieces = text.split(part)[:-1] if part else []
    lines, line = [], 1
    for piece in pieces:
        line += piece.count("\n")
        lines.append(line)
        line += part.count("\n")
    return lines


def shown(path: str, first: int, last: int, count: int | None) -> str:
    """What stands above lines that are shown; `count` is how many the file has, where that is known."""
    return f"Here are lines {first} to {last} of {path}{'' if count is None else f', which has {count}'}:"


def around(line: int, count: int, most: int) -> tuple[int, int]:
    """The first and the last line to show of a file of `most` when `count` lines from `line` on were edited."""
    return max(1, line - CONTEXT), min(most, line + count - 1 + CONTEXT)


def numbered(lines: list[str], first: int) -> str:
    """As `cat -n` prints them."""
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, first))


def _told(lines: list[str], first: int) -> str:
    """Secrets go first, or a cut could leave one half."""
    return numbered(_cut(redact("\n".join(lines))).split("\n"), first)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n{CLIPPED}"
