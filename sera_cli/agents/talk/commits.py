"""Takes what a conversation changed over into the user's checkout, and commits it there: those files and no others."""

from pathlib import Path
from tempfile import TemporaryFile

from sera_cli import patch as patches
from sera_cli.errors import DataError
from sera_cli.plumbing import checked, line, reason, run

LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
TITLE = 72
"""Characters of a commit's subject."""


def take_over(root: Path, patch: str) -> None:
    """Changes the files of a checkout as the patch says; all of them or, raising DataError, none."""
    with TemporaryFile() as file:
        file.write(patch.encode("utf-8", "surrogateescape"))
        file.seek(0)
        done = run(root, "apply", "--whitespace=nowarn", stdin=file)
    if done.returncode:
        raise DataError(f"the changes do not fit the files as they are: {reason(done.stderr)}; nothing was done", root)


def commit(root: Path, patch: str, message: str) -> str:
    """Commits the files that the patch names as they are now, whatever else is staged. Hooks do not run.

    Returns the id of the commit. Raises DataError with git's reason.
    """
    named = {path for file in patches.read(patch).files for path in (file.old, file.new) if path}
    paths = sorted(path for path in named if not _ignored(root, path))
    if not paths:
        raise DataError("there is nothing to commit", root)
    checked(root, "add", "--all", "--", *paths, extra=LITERAL)
    checked(root, "commit", "--quiet", "--only", f"--message={message}", "--", *paths, extra=LITERAL)
    return line(root, "rev-parse", "HEAD")


def subject(said: str) -> str:
    """The first line of what was said, short enough for a subject."""
    first = " ".join(said.strip().partition("\n")[0].split())
    return first if len(first) <= TITLE else first[: TITLE - 1].rpartition(" ")[0] + "…"


def _ignored(root: Path, path: str) -> bool:
    return run(root, "check-ignore", "--quiet", "--", path).returncode == 0
