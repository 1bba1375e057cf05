"""`.seraignore` at the top of a repository: what no model is to see. Its lines are those of a .gitignore."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from sera_cli import git
from sera_cli.errors import DataError
from sera_cli.git import Checkout
from sera_cli.plumbing import answer, line

NAME = ".seraignore"


def rules(checkout: Checkout) -> str:
    """The lines in force; empty where there are none. They hide the file itself, which names what it hides.

    The file in the working tree counts, committed or not, for whichever commit is in use; of a bare repository, of a
    clone without a checkout, and of a sparse one that leaves it away, that of the commit. Raises DataError when it
    cannot be read, or is not UTF-8.
    """
    text = _in_working_tree(checkout) if (checkout.root / ".git").exists() else _at_commit(checkout)
    rows = [row for row in text.replace("\r\n", "\n").split("\n") if row.strip() and not row.startswith("#")]
    return "\n".join([*rows, f"/{NAME}", ""]) if rows else ""


def hidden(checkout: Checkout) -> frozenset[str]:
    """The paths at the commit that stay out of mining, prompts and sandboxes."""
    lines = rules(checkout)
    return git.matching(checkout, lines) if lines else frozenset()


def among(paths: Collection[str], lines: str) -> frozenset[str]:
    """Those of any paths, of whichever commit, that the `lines` in force hide."""
    with TemporaryDirectory() as folder:
        answer(Path(folder), "init", "--quiet", "--template=")
        place = Path(folder, ".git", "info")
        place.mkdir()
        (place / "exclude").write_text(lines, encoding="utf-8")
        asked = "\0".join([NAME, *paths, ""])  # one is always hidden: git fails where none is
        found = answer(Path(folder), "check-ignore", "--no-index", "--stdin", "-z", given=[asked])
    return frozenset(found.decode("utf-8", "replace").split("\0")) & {*paths}


def _in_working_tree(checkout: Checkout) -> str:
    path = checkout.root / NAME
    try:
        return _text(checkout, path.read_bytes())
    except FileNotFoundError:
        sparse = answer(checkout.root, "ls-files", "-t", "--", NAME).startswith(b"S ")
        nothing = not (checkout.root / line(checkout.root, "rev-parse", "--git-path", "index")).exists()
        return _at_commit(checkout) if sparse or nothing else ""
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); it says what no model may see", path) from error


def _at_commit(checkout: Checkout) -> str:
    found = [file.blob for file in git.tracked(checkout) if file.path == NAME]
    return "".join(_text(checkout, content) for _, content in git.blobs(checkout, found))


def _text(checkout: Checkout, content: bytes) -> str:
    """What is not understood must not pass for nothing."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        path = checkout.root / NAME
        raise DataError("is not UTF-8; save it as that: it says what no model may see", path) from error
