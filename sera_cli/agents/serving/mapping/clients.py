"""The tools of the clients that bring their own, as far as tools of ours stand for them: one row for each client."""

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Shell(NamedTuple):
    """The client's tool for commands. `whole` holds the command as one text, `words` as a list behind a shell's own."""

    tool: str
    argument: str
    words: tuple[str, ...] = ()
    described: str = ""
    milliseconds: str = ""


class Files(NamedTuple):
    """The client's tools for files, and what it calls their arguments."""

    read: str
    edit: str
    write: str
    path: str
    old: str
    new: str
    content: str
    offset: str = "offset"
    limit: str = "limit"


class Client(NamedTuple):
    """A client: known by its tools. Without `files`, edits go through its shell.

    What a client brings beside those is its own, and the agent is not offered it: the descriptions alone would fill its
    context. Tools from elsewhere stay: those whose names begin as one of `kept`, or, of a client that does not mark
    them, all that are not among `others`.
    """

    name: str
    shell: Shell
    files: Files | None = None
    kept: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def tools(self) -> frozenset[str]:
        """The tools that ours stand for."""
        files = (self.files.read, self.files.edit, self.files.write) if self.files else ()
        return frozenset({self.shell.tool, *files})

    @property
    def bare(self) -> "Client":
        """The same client, were its shell all it had."""
        return self._replace(files=None)

    def offers(self, name: str) -> bool:
        """Whether the agent is offered a tool of this name beside its own."""
        if name in self.tools:
            return False
        return name.startswith(self.kept) if self.kept else name not in self.others


CLIENTS = (
    Client(
        "Claude Code",
        Shell("Bash", "command", described="description", milliseconds="timeout"),
        Files("Read", "Edit", "Write", "file_path", "old_string", "new_string", "content"),
        kept=("mcp__",),
    ),
    Client(
        "opencode",
        Shell("bash", "command", described="description", milliseconds="timeout"),
        Files("read", "edit", "write", "filePath", "oldString", "newString", "content"),
        others=frozenset({
            "apply_patch", "batch", "codesearch", "glob", "grep", "invalid", "list", "lsp", "multiedit", "patch",
            "plan_enter", "plan_exit", "question", "skill", "task", "todoread", "todowrite", "webfetch", "websearch",
        }),
    ),
    Client(
        "Codex", Shell("exec_command", "cmd", milliseconds="yield_time_ms"),
        kept=("mcp__", "write_stdin"),  # a command that goes on is waited for by `write_stdin`
    ),
    Client(
        "Codex, older", Shell("shell", "command", words=("bash", "-lc"), milliseconds="timeout_ms"), kept=("mcp__",)
    ),
)  # fmt: skip


def client(tools: Mapping[str, object] | Collection[str]) -> Client | None:
    """The client that brings tools of these names; None where no client's are all there."""
    return next((one for one in CLIENTS if one.tools <= set(tools)), None)
