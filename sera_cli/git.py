"""Reads a repository at a commit: what it is, which files it tracks, and what is in them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sera_cli.errors import ConfigError, DataError
from sera_cli.plumbing import LACKING, checked, line, listed, reason, run, start
from sera_cli.types import Value

SUBMODULE = "160000"
"""The mode of an entry that is a commit of another repository."""


class Checkout(Value):
    """A commit of a repository on this machine. `root` is its top level; for a bare one, its git folder.

    `folder` is the folder inside it that was named, where that was not the top level. `dirty` says that the working
    tree differs from the current commit (`.sera/` aside). `submodules` are paths where other repositories belong.
    """

    root: Path
    commit: str
    name: str
    folder: str = ""
    dirty: bool = False
    submodules: tuple[str, ...] = ()


class TrackedFile(NamedTuple):
    """A file at a commit. Where the path is not UTF-8, its odd bytes are written as `\\xNN`."""

    path: str
    blob: str
    mode: str
    utf8: bool = True

    @property
    def symlink(self) -> bool:
        return self.mode == "120000"


def open_repository(path: Path, rev: str = "HEAD") -> Checkout:
    """The repository that `path` lies in, at `rev`.

    Raises DataError when there is none or it has no commit, ConfigError for an unknown revision, SeraError when git
    is not installed.
    """
    root, folder, bare = _locate(path)
    commit = _commit(root, rev)
    modules = (name for mode, _, name in entries(root, commit) if mode == SUBMODULE)
    return Checkout(
        root=root, commit=commit, name=root.name.removesuffix(".git") or root.parent.name or "repository",
        folder=folder, dirty=not bare and _dirty(root), submodules=tuple(decoded(name)[0] for name in modules),
    )


def tracked(checkout: Checkout) -> tuple[TrackedFile, ...]:
    """Every file at the commit, symlinks too, in git's order. Submodules are not files."""
    return tuple(
        TrackedFile(text, blob, mode, utf8)
        for mode, blob, name in entries(checkout.root, checkout.commit) if mode != SUBMODULE
        for text, utf8 in [decoded(name)]
    )


def sizes(checkout: Checkout, ids: Iterable[str]) -> dict[str, int]:
    """How many bytes blobs hold, by id; 0 where the repository lacks one. What takes git the longest to list."""
    ids = [*ids]
    if not ids:
        return {}
    with listed(ids) as wanted:
        told = checked(checkout.root, "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=wanted).decode()
    rows = (row.split() for row in told.splitlines())
    return {blob: int(size) if size.isdigit() else 0 for blob, size in rows}


def blobs(checkout: Checkout, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The contents of blobs in the order asked for, as stored: nothing is converted. One git serves them all.

    Raises DataError when the repository lacks one of them, as a partial clone does.
    """
    with listed(ids) as wanted, start(checkout.root, "cat-file", "--batch", "--buffer", stdin=wanted) as process:
        assert process.stdout is not None
        try:
            while header := process.stdout.readline():
                name, *facts = header.decode().split()
                content = process.stdout.read(int(facts[1]) + 1) if len(facts) == 2 else b""
                if not content.endswith(b"\n"):
                    break
                yield name, content[:-1]
            if header or process.wait():
                raise DataError(LACKING, checkout.root)
        finally:
            process.kill()


def matching(checkout: Checkout, patterns: str) -> frozenset[str]:
    """The paths at the commit that these lines of gitignore name, as git itself reads them."""
    with indexed(checkout) as (folder, own):
        (folder / "patterns").write_text(patterns, encoding="utf-8")
        options = ("-z", "--cached", "--ignored", f"--exclude-from={folder}/patterns")
        listing = checked(folder, "ls-files", *options, extra=own)
    return frozenset(decoded(name)[0] for name in filter(None, listing.split(b"\0")))


@contextmanager
def indexed(checkout: Checkout) -> Iterator[tuple[Path, dict[str, str]]]:
    """An index of the commit, and an empty working tree, which a bare repository lacks: its folder, and what git's
    environment has to say of it. The repository's own may be at another commit.
    """
    place = line(checkout.root, "rev-parse", "--absolute-git-dir")
    with TemporaryDirectory() as folder:
        own = {"GIT_DIR": place, "GIT_WORK_TREE": folder, "GIT_INDEX_FILE": f"{folder}/index"}
        checked(Path(folder), "read-tree", checkout.commit, extra=own)
        yield Path(folder), own


def _locate(path: Path) -> tuple[Path, str, bool]:
    """The top level, the folder inside it that was named, and whether the repository is bare."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "no such folder"
        raise DataError(f"{what}; name the folder of a git repository", path)
    found = run(path, "rev-parse", "--is-bare-repository", "--is-inside-git-dir", "--absolute-git-dir")
    if found.returncode:
        raise DataError(_why_not(found.stderr), path)
    bare, inside, place = found.stdout.split(b"\n", 2)
    if bare == b"true":
        return Path(os.fsdecode(place.removesuffix(b"\n"))), "", True
    if inside == b"true":
        raise DataError("is inside a repository's .git folder; name the folder above that", path)
    prefix = os.fsencode(line(path, "rev-parse", "--show-prefix")).removesuffix(b"/")
    return Path(line(path, "rev-parse", "--show-toplevel")), decoded(prefix)[0], False


def _why_not(complaint: bytes) -> str:
    if b"not a git repository" in complaint:
        return "not a git repository; run `git init` in it and commit its files"
    return f"git cannot read it: {reason(complaint)}"


def _commit(root: Path, rev: str) -> str:
    for name in (rev, "HEAD"):
        found = run(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if name.startswith("-") or found.returncode:
            continue
        if name == rev:
            return found.stdout.decode().strip()
        raise ConfigError(f"unknown revision {rev!r} in {root}; name a commit, a branch or a tag")
    raise DataError("its HEAD has no commit yet; commit its files, or name another revision", root)


def _dirty(root: Path) -> bool:
    """Untracked files count, ignored ones do not. Filters that any config names are switched off."""
    found = run(root, "config", "--null", "--name-only", "--get-regexp", r"^filter\.").stdout.split(b"\0")
    drivers = sorted({os.fsdecode(name).rpartition(".")[0] for name in found if name})
    off = {f"{driver}.{key}": "" for driver in drivers for key in ("clean", "smudge", "process")}
    off |= {f"{driver}.required": "false" for driver in drivers}
    options = ("--porcelain", "--ignore-submodules=all", "--untracked-files=normal", "--no-renames")
    return bool(checked(root, "status", *options, "--", ".", ":(top,exclude).sera", extra=_settings(off)))


def _settings(values: Mapping[str, str]) -> dict[str, str]:
    """Settings as git reads them from its environment, where a name may hold any character."""
    named = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, (key, value) in enumerate(values.items()):
        named |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return named


def entries(root: Path, commit: str, *options: str) -> Iterator[tuple[str, str, bytes]]:
    """Mode, object id and path of all that the commit's tree holds."""
    listing = checked(root, "ls-tree", "-r", "-z", "--full-tree", *options, commit)
    for row in listing.split(b"\0")[:-1]:
        facts, _, name = row.partition(b"\t")
        mode, _, object_id = facts.decode().split(" ")
        yield mode, object_id, name


def decoded(name: bytes) -> tuple[str, bool]:
    try:
        return name.decode("utf-8"), True
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace"), False
