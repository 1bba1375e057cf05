"""What a language's query catches in a file: functions, the types around them, calls, comments and the like."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from time import thread_time
from typing import TYPE_CHECKING, NamedTuple

from sera_cli.svg.languages.language import ANYTHING, OWN, SCOPE, Language

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, QueryCursor, Tree

INSTALL = "pip install 'sera[langs]'"

DEEP = 1000
"""Levels of a syntax tree below which nothing is caught: a query takes time by the square of the depth."""

SLOWEST = 10
"""Seconds of CPU to parse one file in: what people write takes a part of one, but some broken syntax takes hours."""

PIECE = 4096
"""Bytes that a parser is given at a time."""

NAME = re.compile(r"[\w$@]+")
LONGEST = 80
"""Bytes of a name."""

ROW = 1000
"""Bytes of a row, or letters, that are looked at; what people write has less, and a program's may have a million."""

BARE = re.compile(r"^[\"'`]|[\"'`]$")
"""The quotes around a string."""

MAJOR = re.compile(r"[/.]v\d+$")
"""The version at the end of an import's path, which is no part of the name it brings."""


class Scope(NamedTuple):
    """A function or a type around functions, with where it begins and ends in bytes."""

    node: "Node"
    caught: "Mapping[str, list[Node]]"
    function: bool
    start: int
    end: int


class Caught(NamedTuple):
    """What the query caught in a file; `content` is as it was, before anything in it was blanked out."""

    content: bytes
    language: Language
    scopes: list[Scope]
    calls: list[tuple[int, str, str]]
    branches: list[int]
    comments: dict[int, tuple[int, int, bytes]]
    """By the last row: the first row, the first byte and the text. Only those that begin their line."""
    decorations: dict[int, tuple[int, int]]
    """By the first byte: the last byte, and the first row."""
    imports: dict[str, str]
    rows: set[int]
    """In which functions and types begin."""


@cache
def installed(language: Language) -> bool:
    """Whether the grammar of a language is there."""
    return bool(find_spec("tree_sitter") and find_spec(language.grammar))


@cache
def tools(language: Language) -> "tuple[Parser, QueryCursor]":
    from tree_sitter import Language as Grammar
    from tree_sitter import Parser, Query, QueryCursor

    grammar = Grammar(getattr(import_module(language.grammar), language.entry)())
    cursor = QueryCursor(Query(grammar, language.query))
    cursor.set_max_start_depth(DEEP)
    return Parser(grammar), cursor


def tree(content: bytes, parser: "Parser") -> "Tree | None":
    """A file's syntax tree, whose nodes have no text yet: `whole` gives it. None where that takes too long.

    Only a parser that is given pieces can be told to end, and tree-sitter 0.26 keeps each piece for ever: they are
    emptied.
    """
    ends = thread_time() + SLOWEST
    pieces: dict[int, memoryview] = {}

    def piece(start: int, _: object) -> memoryview | bytes:
        if start >= len(content):
            return b""
        if start not in pieces:
            pieces[start] = memoryview(content)[start : start + PIECE]
        return pieces[start]

    try:
        return parser.parse(piece, progress_callback=lambda *_: thread_time() > ends)
    except ValueError:
        parser.reset()  # it would go on with this file
        return None
    finally:
        for one in pieces.values():
            one.release()


def whole(content: bytes, parser: "Parser", known: "Tree") -> "Node":
    """The root of the same tree, with its text. What is not broken is taken over, which takes next to nothing; what is
    broken is parsed again.
    """
    return parser.parse(content, known).root_node


def catch(content: bytes, language: Language, cursor: "QueryCursor", root: "Node") -> Caught:
    read = Caught(content, language, [], [], [], {}, {}, {}, set())
    scopes: dict[int, Scope] = {}
    for _, caught in cursor.matches(root):
        match caught:
            case {"function": [node]} | {"container": [node]}:
                known = scopes.get(node.id)
                if known is None or len(caught) > len(known.caught):
                    scopes[node.id] = Scope(node, caught, "function" in caught, node.start_byte, node.end_byte)
            case {"call": [node], "callee": [callee]}:
                read.calls.append((node.start_byte, _receiver(read, caught), text(read, callee)))
            case {"branch": [node]} if not _asked(read, node):
                read.branches.append(node.start_byte)
            case {"comment": [node]}:
                _comment(read, node)
            case {"decoration": [node]}:
                read.decorations[node.start_byte] = (node.end_byte, node.start_point.row)
                _comment(read, node)
            case {"package": [node]}:
                read.imports[OWN] = text(read, node)
            case {"import": _, "source": [node]}:
                source = BARE.sub("", text(read, node))
                local, original = caught.get("local"), caught.get("original")
                name = text(read, local[0]) if local else MAJOR.sub("", source).rpartition("/")[2]
                read.imports[name] = f"{source}{SCOPE}{text(read, original[0])}" if original else source
    read.scopes.extend(sorted(scopes.values(), key=lambda one: (one.start, -one.end)))
    read.rows.update(one.node.start_point.row for one in read.scopes)
    return read


def _asked(read: Caught, node: "Node") -> bool:
    """Whether it stands in a condition of a preprocessor, which alone goes on in another row after a backslash."""
    if not read.language.never or node.type != "binary_expression":
        return False
    row = before(read, node.start_byte)
    first = node.start_byte - len(row)
    return row.lstrip().startswith(b"#") or read.content[max(0, first - 3) : first].endswith((b"\\\n", b"\\\r\n"))


def _receiver(read: Caught, caught: "Mapping[str, list[Node]]") -> str:
    """What a call is of: a name, a scope, ANYTHING, or "" where it stands alone."""
    match caught:
        case {"scope": [scope]}:
            said = text(read, scope)
            return said if said in read.language.selves else said + SCOPE
        case {"receiver": [node]}:
            said = text(read, node) if node.end_byte - node.start_byte <= LONGEST else ""
            if said in read.language.selves:
                return said
            return re.sub(read.language.noise, "", f"{said}.").removesuffix(".") if NAME.fullmatch(said) else ANYTHING
    return ""


def _comment(read: Caught, node: "Node") -> None:
    first, last = node.start_point, node.end_point
    if not before(read, node.start_byte).strip():
        row = last.row - (last.column == 0 and last.row > first.row)  # some grammars end a comment on the next line
        known = read.comments.get(row)
        if known is None or known[1] > node.start_byte:
            read.comments[row] = (first.row, node.start_byte, read.content[node.start_byte : node.end_byte])


def before(read: Caught, start: int) -> bytes:
    """What stands before a byte in its row."""
    first = max(0, start - ROW)
    return read.content[max(first, read.content.rfind(b"\n", first, start) + 1) : start]


def above(read: Caught, row: int) -> Iterator[tuple[int, int, bytes]]:
    """The comments and decorations right above a row, upwards, but those of what begins beside them."""
    while row - 1 not in read.rows and (known := read.comments.get(row - 1)):
        yield known
        row = known[0]


def field(scope: Scope, name: str) -> "Node | None":
    caught = scope.caught.get(name)
    return caught[0] if caught else scope.node.child_by_field_name(name)


def text(read: Caught, node: "Node") -> str:
    return read.content[node.start_byte : node.end_byte].decode("utf-8", "replace")
