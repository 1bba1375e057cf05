"""Snapshots of a checkout as a person has it: git trees, in a git folder of our own beside the user's.

The user's index, stash, branches and objects stay as they are. What git ignores is in no snapshot, but for files that
`keep` was told of; nor are large files that are new.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sera_cli.errors import DataError
from sera_cli.plumbing import checked, line, reason, run

CONFIG = "[core]\nrepositoryformatversion = 0\nbare = false\nquotePath = false\nautocrlf = false\n[gc]\nauto = 0\n"
ATTRIBUTES = "* -text -ident !diff !filter !eol !merge -working-tree-encoding\n"
LARGE = 32 << 20
"""Bytes of a file that git does not know from which on it is in no snapshot."""

EXCLUDE = "/.sera/\n__pycache__/\n*.py[cod]\n"


class Snapshots:
    """Of the checkout at `root`, kept in `folder`; `name` tells one conversation's index from another's."""

    def __init__(self, root: Path, folder: Path, name: str) -> None:
        """Raises DataError where the folder cannot be written, or the checkout has no commit."""
        self._root = root
        self._own = {
            "GIT_DIR": str(folder), "GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(folder / f"index.{name}"),
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_LITERAL_PATHSPECS": "1",
        }  # fmt: skip
        _prepare(root, folder)
        self._exclude = folder / "info" / "exclude"
        (folder / f"index.{name}.lock").unlink(missing_ok=True)  # of a git that was killed with the conversation
        self._git("read-tree", line(root, "rev-parse", "--verify", "HEAD^{tree}"))

    def take(self) -> str:
        """The tree of all files as they are now; what cannot be read is left out. Raises DataError when git fails."""
        self._leave_out()
        done = run(self._root, "add", "--all", "--ignore-errors", "--", ".", extra=self._own)
        if done.returncode > 1:
            raise DataError(f"no snapshot can be taken: {reason(done.stderr)}", self._root)
        return self._git("write-tree").decode().strip()

    def keep(self, path: str, since: str) -> str:
        """The snapshot `since` with the file in it that is at `path` now, should git ignore it; else `since` itself."""
        inside = run(self._root, "ls-files", "--error-unmatch", "--", path, extra=self._own).returncode == 0
        if inside or not (self._root / path).is_file():
            return since
        self._git("add", "--force", "--", path)
        self._git("read-tree", since, index="kept")
        self._git("add", "--force", "--", path, index="kept")
        return self._git("write-tree", index="kept").decode().strip()

    def restore(self, wanted: str, since: str) -> None:
        """Makes what differs between the two snapshots as it was in `wanted`, and leaves all else alone.

        Raises DataError where a file cannot be written.
        """
        rows = self._changed(since, wanted)
        self._git("read-tree", wanted, index="wanted")
        modes = {path: _mode(self._root / path) for _, path in rows}
        with _listed(path for status, path in rows if status != "D") as there:
            self._git("checkout-index", "--force", "-z", "--stdin", index="wanted", stdin=there)
        for path, mode in modes.items():
            if mode and (now := _mode(self._root / path)):  # git knows only whether a file can be run
                (self._root / path).chmod(mode & 0o666 | now & 0o111 & (mode | mode >> 2))
        for status, path in rows:
            if status == "D":
                self._remove(path)

    def differing(self, one: str, other: str) -> list[str]:
        """The paths whose files are not the same in two snapshots."""
        return [path for _, path in self._changed(one, other)]

    def diff(self, one: str, other: str) -> str:
        """What changed from one snapshot to the other, as a unified diff; of binary files too, as git writes them."""
        shape = ("--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--binary")
        found = self._git("diff-tree", "-r", "-p", *shape, one, other)
        return found.decode("utf-8", "surrogateescape")

    def _leave_out(self) -> None:
        """Large files that are new are data more often than code: they would be copied at the first snapshot."""
        new = self._git("ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
        large = [os.fsdecode(name) for name in new if name and _size(self._root / os.fsdecode(name)) > LARGE]
        patterns = [re.sub(r"([\\*?\[\] ])", r"\\\1", name) for name in large if "\n" not in name]
        with self._exclude.open("ab") as file:
            file.writelines(os.fsencode(f"/{pattern}\n") for pattern in patterns)

    def _changed(self, one: str, other: str) -> list[tuple[str, str]]:
        """Status and path of what is not the same; D: `other` lacks it."""
        row = self._git("diff-tree", "-r", "-z", "--name-status", "--no-renames", one, other).split(b"\0")
        return [(status.decode(), os.fsdecode(path)) for status, path in zip(row[::2], row[1::2], strict=False)]

    def _remove(self, path: str) -> None:
        place = self._root / path
        if not place.parent.resolve().is_relative_to(self._root.resolve()):
            return
        place.unlink(missing_ok=True)
        for folder in place.relative_to(self._root).parents:
            at = self._root / folder
            if at == self._root or any(at.iterdir()):
                return
            at.rmdir()

    def _git(self, *arguments: str, index: str = "", stdin: IO[bytes] | None = None) -> bytes:
        own = self._own | ({"GIT_INDEX_FILE": f"{self._own['GIT_INDEX_FILE']}.{index}"} if index else {})
        return checked(self._root, *arguments, extra=own, stdin=stdin)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _mode(path: Path) -> int:
    """What may be done with a file; 0 where there is none, or a link."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return 0
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else 0


def _listed(paths: Iterable[str]) -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
    file.seek(0)
    return file


def _prepare(root: Path, folder: Path) -> None:
    objects = Path(line(root, "rev-parse", "--git-path", "objects"))
    files = {
        "HEAD": "ref: refs/heads/none\n", "config": CONFIG, "info/attributes": ATTRIBUTES, "info/exclude": EXCLUDE,
        "objects/info/alternates": f"{root / objects}\n",
    }  # fmt: skip
    try:
        for name in ("info", "objects/info", "refs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # files that others may not read are copied into it
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror}); snapshots are kept there", folder) from error
