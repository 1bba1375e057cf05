"""A change taken apart: the code that an agent is to write, the tests that decide, and what is neither."""

import re
from collections.abc import Callable, Collection
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from sera_cli.evaluate.replay import inside
from sera_cli.evaluate.replay.inside import Inside, Version
from sera_cli.evaluate.runners.runner import Runner
from sera_cli.git import SUBMODULE, Checkout, blobs, decoded
from sera_cli.plumbing import checked
from sera_cli.types import Value

Role = Literal["code", "test", "data", "aside"]
"""What a file of a change is: code and data are the fix, a test is held back, what is aside belongs to neither."""

LARGEST = 1000
"""Lines of code that a change may add and remove: nobody can say in one statement what more of them do."""

_CODE = frozenset({
    ".c", ".cc", ".cjs", ".clj", ".cpp", ".cs", ".cxx", ".dart", ".erl", ".ex", ".exs", ".fs", ".go", ".h", ".hpp",
    ".hs", ".java", ".jl", ".js", ".jsx", ".kt", ".kts", ".lua", ".m", ".mjs", ".ml", ".mm", ".php", ".pl", ".pm",
    ".pxd", ".py", ".pyi", ".pyx", ".r", ".rb", ".rs", ".scala", ".sh", ".svelte", ".swift", ".ts", ".tsx", ".vue",
    ".zig",
})  # fmt: skip
_TEST_FOLDERS = frozenset({
    "tests", "__tests__", "__mocks__", "__snapshots__", "testdata", "test_data", "test-data", "cassettes"})
"""Whatever lies in one of these is a test, or what a test needs."""
_LIKELY = frozenset({"test", "testing", "spec", "specs", "e2e", "fixtures", "snapshots"})
"""Some of these hold tests, and some the part of a program that is called testing."""
_LOCKS = frozenset({
    "uv.lock", "poetry.lock", "pdm.lock", "pipfile.lock", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock",
    "pnpm-lock.yaml", "bun.lockb", "cargo.lock", "go.sum", "gemfile.lock", "composer.lock", "flake.lock",
})  # fmt: skip
_DOCUMENTS = re.compile(
    r"(^|/)(change|news|history|release|readme|contribut|author|license|licence|copying|security|code_of_conduct)"
    r"[^/]*$|(^|/)(docs?|changelog|changes|newsfragments|news|whatsnew|releasenotes)/|^[^/]*\.(md|rst|adoc)$", re.I)
_NEWS = re.compile(r"(^|/)(change|news|history|release|whatsnew)", re.I)
_CI = re.compile(
    r"^\.(github|gitlab|circleci|azure-pipelines|buildkite)/|^\.(gitlab-ci|travis|pre-commit-config)\.ya?ml$")
_PATCH = (
    "diff-tree", "-p", "-r", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/",
    "--dst-prefix=b/",
)  # fmt: skip


class File(NamedTuple):
    """A file that a change touches. `lines` counts added and removed ones; `gone` is one that the change removes,
    `blobs` are git's names of what it was and what it becomes.
    """

    path: str
    lines: int = 0
    binary: bool = False
    submodule: bool = False
    gone: bool = False
    blobs: tuple[str, str] = ("", "")


class Parts(Value):
    """The two patches of a change, the test files to run, and which of its files the patches leave out. Of those, what
    tells users what is new is the patch `news`.

    Tests that stand in files of code are `inside`; to the tree with the fix they are the patch `inside_patch`.
    """

    patch: str
    test_patch: str
    tests: tuple[str, ...]
    news: str = ""
    left_out: tuple[str, ...] = ()
    inside: tuple[Inside, ...] = ()
    inside_patch: str = ""

    @property
    def held(self) -> str:
        """All that is held back."""
        return self.test_patch + self.inside_patch


def split(checkout: Checkout, base: str, commit: str, runner: Runner) -> Parts | str:
    """The parts of the change from `base` to `commit`, or why it is no task, in words that count.

    `runner` knows the files that it can run. Renames are a file that goes and one that comes: so each patch stands
    alone, and any program can apply it.
    """
    every, is_test = touched(checkout, base, commit), runner.is_test
    beside = _with_tests(checkout, base, {str(PurePosixPath(file.path).parent) for file in every}, is_test)
    files: dict[Role, list[File]] = {"code": [], "test": [], "data": [], "aside": []}
    for file in every:
        files[role(file.path, is_test, beside)].append(file)
    apart = _apart(checkout, files["code"]) if runner.inside else []
    if apart is None:
        return "changes tests among its code"
    held = [one for one in apart if one.old is not None]
    tests = [*(file.path for file in files["test"] if is_test(file.path) and not file.gone),
             *(one.path for one in held if one.tests)]  # fmt: skip
    if reason := _unfit(files, apart, tests):
        return reason
    whole = [file for file in files["code"] if file.path not in {one.path for one in apart}]
    patches = [_patch(checkout, base, commit, some) for some in (whole + files["data"], files["test"])]
    if None in patches:
        return "not in UTF-8"
    fix, test_patch = (patch or "" for patch in patches)
    news = [file for file in files["aside"] if _NEWS.search(file.path) and not file.binary]
    return Parts(
        patch=fix + inside.patch(checkout.root, [(one.path, one.old, one.bare) for one in apart]),
        test_patch=test_patch, news=_patch(checkout, base, commit, news) or "", tests=tuple(tests),
        left_out=tuple(file.path for file in files["aside"]),
        inside=tuple(Inside(path=one.path, text=one.tests) for one in held),
        inside_patch=inside.patch(checkout.root, [(one.path, one.bare, one.new) for one in held]),
    )  # fmt: skip


def _apart(checkout: Checkout, files: list[File]) -> list[Version] | None:
    """The files of code whose own tests change, apart from those; None where they cannot be told apart."""
    found: list[Version] = []
    for file in files:
        if not file.path.endswith(".rs") or file.gone or file.binary:
            continue
        try:
            old, new = (_text(checkout, blob) for blob in file.blobs)
        except UnicodeDecodeError:
            continue
        one = inside.version(file.path, old, new or "")
        if one is None:
            return None
        found += [one] if one.bare != one.new else []
    return found


def _text(checkout: Checkout, blob: str) -> str | None:
    """None for the null name of a file that is not there."""
    return next(blobs(checkout, [blob]))[1].decode("utf-8") if blob.strip("0") else None


def role(path: str, is_test: Callable[[str], bool], beside: Collection[str] = ()) -> Role:
    """What a file is. `beside` are the folders in which tests lie: of one that is called so, all belongs to them."""
    pure = PurePosixPath(path)
    folders, code = pure.parts[:-1], pure.suffix.lower() in _CODE
    if is_test(path) or pure.name == "conftest.py" or _TEST_FOLDERS.intersection(folders):
        return "test"
    likely = _LIKELY.intersection(folders)
    if likely and (folders[0] in likely or not code or str(pure.parent) in beside):
        return "test"
    if _CI.search(path) or pure.name.lower() in _LOCKS or folders[:1] in (("doc",), ("docs",)):
        return "aside"
    if not code and _DOCUMENTS.search(path):
        return "aside"
    return "code" if code else "data"


def touched(checkout: Checkout, base: str, commit: str) -> list[File]:
    """The files that differ between two commits."""
    raw = _listed(checkout, base, commit, "--raw")
    counts = [row.split(b"\t", 2) for row in _listed(checkout, base, commit, "--numstat")]
    sizes = {name: (added, removed) for added, removed, name in counts}
    return [_file(facts.decode().split(), name, *sizes.get(name, (b"0", b"0")))
            for facts, name in zip(raw[::2], raw[1::2], strict=True)]


def _file(facts: list[str], name: bytes, added: bytes, removed: bytes) -> File:
    """`facts` are git's: both modes, both blobs, and a letter for what became of it."""
    path, readable = decoded(name)
    binary = added == b"-" or not readable
    return File(
        path, 0 if binary else int(added) + int(removed), binary,
        submodule=SUBMODULE in (facts[0].lstrip(":"), facts[1]), gone=facts[4] == "D", blobs=(facts[2], facts[3]),
    )  # fmt: skip


def _unfit(files: dict[Role, list[File]], apart: list[Version], tests: list[str]) -> str:
    every = [file for part, some in files.items() for file in some if part != "aside"]
    same = {one.path for one in apart if one.bare == one.old}
    if all(file.path in same for file in files["code"]):
        return "changes no code"
    if not tests:
        return "changes no tests"
    if any(file.submodule for file in every):
        return "changes a submodule"
    if any(file.binary for file in every):
        return "changes a binary file"
    if sum(file.lines for file in files["code"]) > LARGEST:
        return f"changes more than {LARGEST:,} lines of code"
    return ""


def _with_tests(checkout: Checkout, base: str, folders: Collection[str], is_test: Callable[[str], bool]) -> set[str]:
    """Those of the folders that hold tests at `base`."""
    asked = [f"{folder}/" for folder in sorted(folders) if folder != "."]
    listing = checked(checkout.root, "--literal-pathspecs", "ls-tree", "-z", "--name-only", "--full-tree", base, *asked)
    paths = (decoded(name)[0] for name in filter(None, listing.split(b"\0")))
    return {str(PurePosixPath(path).parent) for path in paths if is_test(path)}


def _listed(checkout: Checkout, base: str, commit: str, kind: str) -> list[bytes]:
    listing = checked(checkout.root, "diff-tree", "-r", "-z", "--no-renames", kind, base, commit)
    return [*filter(None, listing.split(b"\0"))]


def _patch(checkout: Checkout, base: str, commit: str, files: list[File]) -> str | None:
    """The diff of these files; None where it is not UTF-8."""
    if not files:
        return ""
    content = checked(
        checkout.root, "--literal-pathspecs", *_PATCH, base, commit, "--", *(file.path for file in files))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
