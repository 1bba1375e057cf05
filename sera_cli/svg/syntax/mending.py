"""Parses a file again without what its grammar stumbles over: macros that stand alone, conditions of a preprocessor.

What is taken out becomes blanks, byte for byte, so that everything else stays where it is. Names are told from the file
as it was.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sera_cli.svg.languages.language import Language
from sera_cli.svg.syntax import conditions
from sera_cli.svg.syntax.caught import installed, tools, tree, whole

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

LARGEST = 200_000
"""Bytes of a file beyond which it is parsed only once: what people do not read as a whole is seldom worth more."""

FILLERS = {"word": b"x", "end": b";"}
"""What stands in place of a group of that name; else blanks do."""

MOST = 10_000
"""Places of broken syntax beyond which they are not counted."""


class Parsed(NamedTuple):
    """A syntax tree, the content it was made from, blanks and all, and the language it was read as."""

    tree: "Tree"
    content: bytes
    language: Language

    @property
    def root(self) -> "Node":
        """Without text."""
        return self.tree.root_node

    def whole(self) -> "Node":
        """The root, with text."""
        return whole(self.content, tools(self.language)[0], self.tree)


def mended(content: bytes, language: Language) -> Parsed | None:
    """A file with the least broken in it; None where parsing takes too long."""
    parsed = _blanked(content, language)
    if parsed and _poor(parsed) and language.instead and installed(language.instead):
        other = _blanked(content, language.instead)
        if other and _broken(other.root) < _broken(parsed.root):
            return other
    return parsed


def _poor(parsed: Parsed) -> bool:
    """Whether there is something broken in it, and it is not too large to be parsed again."""
    return parsed.root.has_error and len(parsed.content) <= LARGEST


def _blanked(content: bytes, language: Language) -> Parsed | None:
    """The tree with the blanks that leave the least broken."""
    blanks: list[Callable[[bytes], bytes]] = [partial(re.compile(one).sub, _blanks) for one in language.stumbles]
    best = _parsed(conditions.live(content, language.never) if language.never else content, language)
    for blank in (*blanks, *([conditions.whole, conditions.bare] if language.never else [])):
        if not (best and _poor(best)):
            break
        blanked = blank(best.content)
        other = _parsed(blanked, language) if blanked != best.content else None
        if other and _broken(other.root) < _broken(best.root):
            best = other
    return best


def _parsed(content: bytes, language: Language) -> Parsed | None:
    known = tree(content, tools(language)[0])
    return Parsed(known, content, language) if known else None


def _blanks(match: re.Match[bytes]) -> bytes:
    return re.sub(rb"[^\r\n]", FILLERS.get(match.lastgroup or "", b" "), match.group())


def _broken(root: "Node") -> tuple[bool, int]:
    """How much of a tree is broken: whether all of it is, and in how many places."""
    count, waiting = 0, [root]
    while waiting and count < MOST:
        node = waiting.pop()
        count += node.is_error or node.is_missing
        waiting.extend(child for child in node.children if child.has_error or child.is_missing)
    return root.is_error, count
