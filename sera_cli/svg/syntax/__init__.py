"""Reads one file of a language that tree-sitter knows: every function in it with the reason, if any, to leave it out.

The grammars are wheels of the extra `langs`. A file that cannot be read is never an error here, but a sentence.
"""

from typing import TYPE_CHECKING

from sera_cli.svg.found import Calls, Found
from sera_cli.svg.languages.language import Language
from sera_cli.svg.syntax.caught import catch, tools
from sera_cli.svg.syntax.describe import describe
from sera_cli.svg.syntax.mending import mended
from sera_cli.svg.syntax.naming import bodies, branches, depth, names

if TYPE_CHECKING:
    from tree_sitter import Node

DEEPEST = 200
"""Functions and types within one another beyond which nobody wrote a file."""

WIDEST = 20_000
"""Bytes of one syntax error beyond which a file is broken for good."""


def read(path: str, content: bytes, language: Language, reason: str) -> tuple[list[Found], Calls] | str:
    """The functions of a file and their calls, or why it cannot be read. `reason` is the file's own, and holds for all.

    What stands in the midst of broken syntax is left out; a file that holds nothing else cannot be read.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        return "not text in UTF-8"
    parsed = mended(content, language)
    if parsed is None:
        return "takes too long to parse"
    if parsed.root.has_error and _shattered(parsed.root):
        return f"syntax error{_where(parsed.root)}"
    root = parsed.whole()
    caught = catch(content, parsed.language, tools(parsed.language)[1], root)
    if depth(caught) > DEEPEST:
        return "nested too deeply"
    named = list(names(caught))
    broken = [one.scope.node.has_error for one in named]
    if root.has_error and all(broken):
        return f"syntax error{_where(root)}"
    found = [
        describe(caught, one, count, reason or ("broken syntax" if bad else ""))
        for one, count, bad in zip(named, branches(caught, named), broken, strict=True)
    ]
    whole = {one.name for one in found if one.reason != "no body"}
    calls = {name: called for name, called in bodies(caught, named).items() if name in whole}
    return found, Calls(path, language.name, calls, caught.imports)


def _shattered(root: "Node") -> bool:
    """Whether a tree is one error, or holds one so large that a query would go through it for minutes."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error and (node.id == root.id or node.end_byte - node.start_byte > WIDEST):
            return True
        waiting.extend(child for child in node.children if child.has_error)
    return False


def _where(root: "Node") -> str:
    """On which line the first error of a tree stands."""
    node = root
    while not node.is_error and not node.is_missing:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None:
            return ""
        node = inner
    return f", line {node.start_point.row + 1}"
