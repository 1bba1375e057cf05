"""Exports one commit of a repository without its history: what sandboxes stand on."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile, mkdtemp

from sera_cli.errors import DataError
from sera_cli.git import SUBMODULE, Checkout, decoded, entries
from sera_cli.plumbing import checked, line, listed, run

EXPORTED = 946684800
"""The one date of an export, in seconds since 1970: of its commit and its files, so that `ls -l` never varies."""

_OURS = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "sera", "GIT_AUTHOR_EMAIL": "sera@localhost", "GIT_AUTHOR_DATE": f"{EXPORTED} +0000",
    "GIT_COMMITTER_NAME": "sera", "GIT_COMMITTER_EMAIL": "sera@localhost", "GIT_COMMITTER_DATE": f"{EXPORTED} +0000",
}
# A copy of an export has other inodes and change times; without these two settings git would read every file again.
_CONFIG = "[core]\n\tcheckStat = minimal\n\ttrustctime = false\n[gc]\n\tauto = 0\n"
_ATTRIBUTES = "* -text -ident -filter -working-tree-encoding\n"


def export(checkout: Checkout, folder: Path, hidden: Collection[str] = ()) -> None:
    """Makes `folder` a repository of one commit: these files, and no history, remote, reflog, tag or hook.

    Neither its files nor its objects tell of the `hidden` paths. Files are as stored, byte for byte: no filter or
    line-end conversion runs. Submodules are empty folders. The commit's id depends on the files alone. The folder
    appears whole or not at all; an export that is there is kept.
    """
    if (folder / ".git").exists():
        return _expect_same(checkout, folder, hidden)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        part = Path(mkdtemp(prefix=f".{folder.name}.{os.getpid()}.", suffix=".part", dir=folder.parent))
        try:
            _initialise(checkout, part)
            _copy_objects(checkout, part, hidden)
            _check_out(part, _tree(checkout, part, hidden))
            _publish(checkout, part, folder, hidden)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except (OSError, DataError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"cannot hold a copy of the repository: {reason}", folder) from error
    return None


def settle(folder: Path) -> None:
    """Takes what was changed in an export since, and git does not ignore, into its one commit, as if exported so."""
    checked(folder, "add", "--all", extra=_OURS)
    _commit(folder, line(folder, "write-tree"))
    _date(folder)
    checked(folder, "prune", "--expire=now", extra=_OURS)


def _expect_same(checkout: Checkout, folder: Path, hidden: Collection[str]) -> None:
    here = [row for row in _rows(checkout) if _path(row) not in hidden]
    there = run(folder, "--git-dir=.git", "ls-tree", "-r", "-z", "--full-tree", "HEAD")
    if there.returncode or [*filter(None, there.stdout.split(b"\0"))] != here:
        raise DataError("holds something else than a copy of this commit; remove it", folder)


def _sweep(folder: Path) -> None:
    """Removes what exports that were killed left beside `folder`."""
    for part in folder.parent.iterdir():
        owner = part.name.removeprefix(f".{folder.name}.").partition(".")[0]
        if part.name.startswith(f".{folder.name}.") and part.suffix == ".part" and owner.isdigit():
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                shutil.rmtree(part, ignore_errors=True)
            except PermissionError:
                continue


def _initialise(checkout: Checkout, part: Path) -> None:
    part.chmod(0o755)
    kind = line(checkout.root, "rev-parse", "--show-object-format")
    checked(part, "init", "--quiet", "--template=", f"--object-format={kind}", extra=_OURS)
    with (part / ".git" / "config").open("a", encoding="utf-8") as config:
        config.write(_CONFIG)
    (part / ".git" / "info").mkdir(exist_ok=True)
    (part / ".git" / "info" / "attributes").write_text(_ATTRIBUTES, encoding="utf-8")


def _copy_objects(checkout: Checkout, part: Path, hidden: Collection[str]) -> None:
    """Packs the trees and blobs of the commit, and nothing that only history needs, into the new repository.

    A tree with something hidden in it names that, and stays behind.
    """
    apart = {*hidden, *(str(parent) for path in hidden for parent in PurePosixPath(path).parents)}
    wanted = set() if hidden else {line(checkout.root, "rev-parse", f"{checkout.commit}^{{tree}}")}
    for mode, object_id, name in entries(checkout.root, checkout.commit, "-t"):
        if mode != SUBMODULE and decoded(name)[0] not in apart:
            wanted.add(object_id)
    pack = ("pack-objects", "--quiet", "--stdout", "--delta-base-offset", "--window=0", "--threads=1")
    with listed(sorted(wanted)) as ids, TemporaryFile(dir=part) as packed:
        checked(checkout.root, *pack, stdin=ids, stdout=packed)
        packed.seek(0)
        checked(part, "index-pack", "--stdin", "--threads=1", stdin=packed, extra=_OURS)


def _tree(checkout: Checkout, part: Path, hidden: Collection[str]) -> str:
    """The commit's tree; where something is hidden, one without it, made in the new repository."""
    if not hidden:
        return line(checkout.root, "rev-parse", f"{checkout.commit}^{{tree}}")
    with TemporaryFile() as rows:
        rows.write(b"".join(row + b"\0" for row in _rows(checkout) if _path(row) not in hidden))
        rows.seek(0)
        checked(part, "update-index", "-z", "--index-info", stdin=rows, extra=_OURS)
    return line(part, "write-tree")


def _rows(checkout: Checkout) -> list[bytes]:
    """What `git ls-tree` lists of the commit: `mode type id`, a tab, the path."""
    listing = checked(checkout.root, "ls-tree", "-r", "-z", "--full-tree", checkout.commit)
    return [*filter(None, listing.split(b"\0"))]


def _path(row: bytes) -> str:
    return decoded(row.partition(b"\t")[2])[0]


def _check_out(part: Path, tree: str) -> None:
    """Commits the tree and writes its files."""
    checked(part, "symbolic-ref", "HEAD", "refs/heads/main", extra=_OURS)
    checked(part, "read-tree", _commit(part, tree), extra=_OURS)
    checked(part, "checkout-index", "--all", "--quiet", extra=_OURS)
    _date(part)


def _commit(part: Path, tree: str) -> str:
    """Makes the tree the one commit."""
    commit = checked(part, "commit-tree", "-m", "Export", tree, extra=_OURS).decode().strip()
    checked(part, "-c", "core.logAllRefUpdates=false", "update-ref", "HEAD", commit, extra=_OURS)
    return commit


def _date(part: Path) -> None:
    """Dates its files EXPORTED; git's index knows them as unchanged."""
    for folder, folders, files in os.walk(part):
        folders[:] = [name for name in folders if name != ".git"]
        for path in (Path(folder), *(Path(folder, name) for name in (*folders, *files))):
            os.utime(path, (EXPORTED, EXPORTED), follow_symlinks=False)
    checked(part, "update-index", "--refresh", extra=_OURS)


def _publish(checkout: Checkout, part: Path, folder: Path, hidden: Collection[str]) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not (folder / ".git").exists():
            raise
        _expect_same(checkout, folder, hidden)
