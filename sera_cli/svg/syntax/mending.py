"""Parses a file again without what its grammar stumbles over: macros that stand alone, conditions of a preprocessor.

What is taken out becomes blanks, byte for byte, so that everything else stays where it is.
"""

import re
from typing import TYPE_CHECKING

from sera_cli.svg.languages.language import Language
from sera_cli.svg.syntax.caught import installed, tools, tree

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 200_000
"""Bytes of a file beyond which it is parsed only once: what people do not read as a whole is seldom worth more."""

MOST = 10_000
"""Places of broken syntax beyond which they are not counted."""


def mended(content: bytes, language: Language) -> "tuple[Node | None, Language]":
    """The syntax tree of a file that has the least broken in it, and the language it was read as. No tree where parsing
    takes too long.
    """
    root = _blanked(content, language)
    if language.instead and installed(language.instead) and root and root.has_error and len(content) <= LARGEST:
        other = _blanked(content, language.instead)
        if other and _broken(other) < _broken(root):
            return other, language.instead
    return root, language


def _blanked(content: bytes, language: Language) -> "Node | None":
    """The tree with the blanks that leave the least broken."""
    parser, _ = tools(language)
    root = tree(content, parser)
    for pattern in language.stumbles if len(content) <= LARGEST else ():
        if root is None or not root.has_error:
            break
        blanked = re.sub(pattern, _blanks, content)
        other = tree(blanked, parser) if blanked != content else None
        if other is not None and _broken(other) < _broken(root):
            root, content = other, blanked
    return root


def _blanks(match: re.Match[bytes]) -> bytes:
    return re.sub(rb"[^\r\n]", b" ", match.group())


def _broken(root: "Node") -> tuple[bool, int]:
    """How much of a tree is broken: whether all of it is, and in how many places."""
    count, waiting = 0, [root]
    while waiting and count < MOST:
        node = waiting.pop()
        count += node.is_error or node.is_missing
        waiting.extend(child for child in node.children if child.has_error or child.is_missing)
    return root.is_error, count
