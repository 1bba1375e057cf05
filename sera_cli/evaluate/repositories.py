"""The clones that instances are checked out from, and files of their commits. What is missing is asked from nowhere."""

from pathlib import Path

from sera_cli import git
from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.git import Checkout
from sera_cli.plumbing import answer, line, run


def checkout(folder: Path, repo: str, commit: str) -> Checkout:
    """The repository `owner/name` at a commit, from a folder of clones or mirrors, bare or not.

    They lie there as `owner/name`, `owner__name` or `name`, each with or without `.git`; or the folder is itself the
    repository. Raises DataError where it is not there, or does not have the commit.
    """
    root = located(folder, repo)
    try:
        return git.open_repository(root, commit)
    except ConfigError as error:
        text = f"has no commit {commit[:12]} of {repo}; fetch it: git -C {root} fetch origin {commit}"
        raise DataError(text, root) from error


def located(folder: Path, repo: str) -> Path:
    """Where the repository is. Raises DataError, which says what its folder may be called."""
    owner, _, name = repo.rpartition("/")
    names = dict.fromkeys(filter(None, (f"{owner}/{name}" if owner else "", f"{owner}__{name}" if owner else "", name)))
    for place in (folder / f"{one}{end}" for one in names for end in ("", ".git")):
        if _is_repository(place):
            return place
    if _is_repository(folder):
        return folder
    if not folder.is_dir():
        raise DataError("there is no such folder; name the one that holds the clones", folder)
    raise DataError(f"{repo} is not there; clone it as {folder / (f'{owner}__{name}.git' if owner else name)}", folder)


def text(at: Checkout, path: str) -> str | None:
    """A file at the commit; None where there is no such file. What is not UTF-8 is replaced."""
    found = run(at.root, "cat-file", "blob", f"{at.commit}:{path}")
    return None if found.returncode else found.stdout.decode("utf-8", "replace")


def blobs(at: Checkout, paths: tuple[str, ...]) -> dict[str, str]:
    """The object ids of those of the paths that are at the commit. Raises SeraError where git fails."""
    found = run(at.root, "ls-tree", "-z", "--full-tree", at.commit, *paths)
    if found.returncode:
        raise SeraError(f"git cannot read {at.commit[:12]} of {at.root}; check the clone: git fsck")
    rows = (row.partition("\t") for row in found.stdout.decode("utf-8", "replace").split("\0") if row)
    return {path: facts.split()[2] for facts, _, path in rows}


def paths(at: Checkout) -> frozenset[str]:
    """Every file at the commit."""
    return frozenset(file.path for file in git.tracked(at))


def objects(at: Checkout) -> Path:
    """The folder of git's objects."""
    return Path(line(at.root, "rev-parse", "--path-format=absolute", "--git-path", "objects")).resolve()


def give_past(at: Checkout, folder: Path, inside: str) -> None:
    """Gives an export its commit's real id and the tags that lead to it, for those who find its objects as `inside`.

    For building alone: what a model works in has no past.
    """
    form = "--format=%(objectname) %(refname)"
    tags = answer(at.root, "for-each-ref", f"--merged={at.commit}", form, "refs/tags")
    git_folder = folder / ".git"
    (git_folder / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + tags)
    (git_folder / "objects" / "info" / "alternates").write_text(inside + "\n", encoding="utf-8")
    (git_folder / "refs" / "heads" / "main").write_text(at.commit + "\n", encoding="ascii")
    shallow = objects(at).parent / "shallow"
    if shallow.is_file():
        (git_folder / "shallow").write_bytes(shallow.read_bytes())


def _is_repository(place: Path) -> bool:
    return (place / ".git").exists() or ((place / "HEAD").is_file() and (place / "objects").is_dir())
