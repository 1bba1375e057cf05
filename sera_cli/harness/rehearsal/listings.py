"""A function of a language that is edited by the line: what was seen of it, and the ways to change lines of it."""

import re
from collections.abc import Iterator
from itertools import count, takewhile
from typing import NamedTuple

from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.scene import lead

SCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
GO = (".go",)
RUST = (".rs",)
JAVA = (".java",)
KOTLIN = (".kt", ".kts")
CSHARP = (".cs",)
PHP = (".php",)
C = (".c", ".h")
CPP = (".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".inl", ".ipp", ".tpp", ".cu", ".cuh")
SWIFT = (".swift",)
RUBY = (".rb", ".rake")
ENDINGS = SCRIPT + GO + RUST + JAVA + KOTLIN + CSHARP + PHP + C + CPP + SWIFT + RUBY
COMMENT = re.compile(r"\s*(//|/\*|\*|#( |$))")
_BELONGS = re.compile(r"\s*(//|/\*|\*|#( |$)|#?\[.*\]$|@\w|template\b)")
"""Comments, attributes and annotations: what stands above a function and is of it."""
_ENDS = re.compile(r"\s*(\}|end\b|\)(?!.*(\{|=>)\s*$))")
_TYPE_FIRST = JAVA + CSHARP + PHP + C + CPP


class Listing(NamedTuple):
    """A function as far as it was seen: `lines[i]` is line `first + i` of the file.

    The first `head` of the lines are comments and marks above the function; `imports` are what was seen of its file's.
    """

    path: str
    first: int
    lines: tuple[str, ...]
    name: str
    head: int = 0
    imports: str = ""

    @property
    def documented(self) -> bool:
        return any(COMMENT.match(line) for line in self.lines[: self.head])

    @property
    def opened(self) -> int:
        """The first line of the body, 0 where the head and the body cannot be told apart."""
        for index, line in enumerate(self.lines[self.head : self.head + 6], self.head + 1):
            plain = line.lstrip().startswith("def ") and line.count("(") == line.count(")")
            if line.rstrip().endswith("{") or plain:
                return index if index < len(self.lines) else 0
        return 0

    @property
    def complete(self) -> bool:
        """Whether the end of the function was seen too."""
        return bool(_ENDS.match(self.lines[-1])) and lead(self.lines[-1]) == lead(self.lines[self.head])

    @property
    def body(self) -> str:
        """The function without what stands above it."""
        return "\n".join(self.lines[self.head :])


def listing(path: str, seen: dict[int, str], name: str, line: int) -> Listing | None:
    """The function that begins at a line: up to the brace or the `end` that stands as far to the left as it does."""
    if line not in seen:
        return None
    above = [*takewhile(_BELONGS.match, (seen.get(line - back, "") for back in count(1)))]
    lines = [seen[line]]
    while (row := seen.get(line + len(lines))) is not None:
        lines.append(row)
        if _ENDS.match(row) and lead(row) == lead(lines[0]):
            break
    return Listing(path, line - len(above), (*reversed(above), *lines), name, len(above))


def parameters(seen: Listing) -> dict[str, str]:
    """Each parameter by its name, as written. None where the list of them does not end in sight."""
    text = " ".join(line.strip() for line in seen.lines[seen.head : max(seen.opened, seen.head + 1)])
    shape = r"(?!\w)[\"']?\s*(?:<[^()]*>|\[[^()]*\])?\s*(?:[:=]\s*(?:async\s*)?(?:function\b\s*\w*\s*)?)?\("
    begins = re.search(rf"(?<!\w){re.escape(seen.name)}{shape}", text)
    parts = _parts(text[begins.end() :].replace("=>", "  ").replace("->", "  ")) if begins else []
    return {name: part for part in parts if (name := _name(seen.path, part))}


def replaced(seen: Listing, pattern: str, new: str) -> Iterator[Change]:
    """A line for every line that has the pattern outside of strings and comments."""
    for index, line in enumerate(seen.lines[seen.head :], seen.head):
        found = re.search(pattern, line)
        if found and not _quoted(line[: found.start()]):
            yield Change(index, (line,), (re.sub(pattern, new, line, count=1),))


def inserted(seen: Listing, rows: list[str], name: str) -> Iterator[Change]:
    """Statements at the beginning of the body; a row that begins with a tab is one step deeper."""
    at = seen.opened
    here = seen.lines[at]
    indent, outer = lead(here), lead(seen.lines[seen.head])
    if at and here.strip() and len(indent) > len(outer):
        unit = indent[len(outer) :]
        deeper = (indent + (unit + row[1:] if row[0] == "\t" else row) for row in rows)
        yield Change(at, (here,), (*deeper, here), name)


def asked(seen: Listing, name: str) -> bool:
    """Whether the function asks of itself what a parameter is."""
    said = re.escape(name)
    found = re.search(rf"(?<![\w.]){said}\)? *(===?|!==?|\?\?|\?\.|&&|\|\||is\b)|!{said}\b|typeof {said}\b", seen.body)
    return bool(found)


def _quoted(before: str) -> bool:
    """Whether a line is inside a string or a comment after this much of it."""
    inside = any(before.count(mark) % 2 for mark in "\"'`")
    return inside or "//" in before or before.lstrip().startswith(("*", "/*", "# "))


def _parts(text: str) -> list[str]:
    """What stands between the commas up to the bracket that closes; [] where none does."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{<") - (letter in ")]}>")
        if depth < 0:
            return [part.strip() for part in parts if part.strip()]
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return []


def _name(path: str, part: str) -> str:
    """The name in a parameter as its language writes it; "" for a receiver and for a pattern."""
    part = part.partition("=")[0].strip()
    if path.endswith(GO):
        words = part.split()[:1]
    elif path.endswith(_TYPE_FIRST):
        words = re.findall(r"[\w$]+", part)[-1:]
    else:
        words = part.partition(":")[0].split()[-1:]
    name = words[0].strip("*&?$") if words else ""
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) and name not in ("self", "this", "void", "_") else ""
