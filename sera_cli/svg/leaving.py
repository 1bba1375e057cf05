"""Why all of a file's functions are left out: it is somebody else's, a test, made by a program, or past its use."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from sera_cli.git import Checkout, TrackedFile, blobs, indexed
from sera_cli.plumbing import checked, listed
from sera_cli.svg.languages.language import Language

VENDORED = frozenset({
    "vendor", "vendored", "_vendor", "_vendored", "third_party", "thirdparty", "third-party", "3rdparty", "extern",
    "externals", "node_modules", "bower_components", "jspm_packages", "site-packages", "dist-packages", "venv",
    ".venv", "Pods", "Carthage", "Godeps",
})  # fmt: skip
"""Folders that hold the work of others."""

GENERATED = re.compile(
    r"@generated|\bdo not (edit|modify)\b|\bauto-?generated\b|^\W*automatically generated\b|\bmade by GNU Bison\b"
    r"|\b(?-i:Generated|GENERATED|[Cc]ode generated|[Ss]canner generated|[Ff]orm generated) (by|from)\b"
    r"|\bthis (\w+ )?(file|code|source|module|header|table|parser|lexer) (was|is|has been) (\w+ )?generated\b",
    re.I,
)  # fmt: skip
"""What a comment at the top of a file says that a program wrote."""

_LINGUIST = {"linguist-generated": "generated", "linguist-vendored": "vendored"}
_YES = ("set", "true")
_COMMENT = re.compile(r"\s*(//|/?\*|#|--|<!--)")
_MIGRATION = re.compile(r"/migrations?/(versions/)?[^/]*\d{3,}[^/]*$|/db/migrate/", re.I)
_LONG = 200
"""Bytes of a line, on average, beyond which nobody wrote it by hand."""


def reason(path: str, content: bytes, language: Language) -> str:
    """Why a file of a language is no place to start from, or ""."""
    place = f"/{path}"
    if VENDORED.intersection(PurePosixPath(path).parts[:-1]):
        return "vendored"
    if re.search(language.tests, place):
        return "test"
    if _MIGRATION.search(place):
        return "migration"
    top = content[:4000].decode("utf-8", "replace").splitlines()[:10]
    said = any(GENERATED.search(row) for row in top if _COMMENT.match(row))
    if said or re.search(language.generated, place):
        return "generated"
    return "minified" if len(content) > _LONG * (content.count(b"\n") + 1) else ""


def declared(checkout: Checkout, files: Sequence[TrackedFile]) -> dict[str, str]:
    """What `.gitattributes` at the commit says of files, as `linguist-generated` and the like: path to reason."""
    told = [file.blob for file in files if f"/{file.path}".endswith("/.gitattributes") and not file.symlink]
    if not any(b"linguist-" in content for _, content in blobs(checkout, told)):
        return {}
    rows = iter(_attributes(checkout, files).split("\0")[:-1])
    return {path: _LINGUIST[name] for path, name, value in zip(rows, rows, rows, strict=True) if value in _YES}


def _attributes(checkout: Checkout, files: Sequence[TrackedFile]) -> str:
    """What git itself reads there: path, name and value after one another, each ended by a zero byte."""
    asked = ("check-attr", "--cached", "--stdin", "-z", *_LINGUIST)
    paths = "\0".join([*(file.path for file in files if file.utf8), ""])
    with indexed(checkout) as (folder, own), listed([paths]) as given:
        return checked(folder, *asked, extra=own, stdin=given).decode("utf-8", "replace")
