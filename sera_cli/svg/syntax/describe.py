"""Describes one function: its span, its head on one line, what is said about it, and why it is left out."""

import re
from typing import TYPE_CHECKING

from sera_cli.svg.found import Found, clean
from sera_cli.svg.languages.language import Language
from sera_cli.svg.syntax import conditions
from sera_cli.svg.syntax.caught import ROW, Caught, Scope, above, field
from sera_cli.svg.syntax.naming import Named

if TYPE_CHECKING:
    from tree_sitter import Node

_BLOCK = re.compile(r"^arrow_expression_clause$|block|body|statements|^declaration_list$|^compound_statement$")
_COMPUTES = re.compile(
    r"binary|unary|not_op|ternary|conditional|subscript|index|element_(access|ref)|slice|function(?!_call)|lambda"
    r"|closure|arrow|template_sub|interpol|array|object(?!_creation)|composite|map|match|switch|when|^if|for|while|loop"
    r"|try|yield|update|postfix|prefix|increment|augmented|compound_a|^operator_|range|infix|additive|multiplicative"
    r"|comparison|equality"
)
_CALLS = re.compile(
    r"^call(?!_suffix)|call_expression|invocation|new_expression|object_creation|struct_expression|_call$"
)
_RAISES = re.compile(r"throw|raise|panic")
_MARKUP = re.compile(r"^([\s/*!#<]|[=-]{3,})+|[\s/*>=-]+$")
_REFERENCE = re.compile(r"""<(?:see|seealso|paramref|typeparamref)\s+\w+=["'](?:\w:)?([^"']*)["']\s*/>""")
_ELEMENT = re.compile(r"</?(summary|remarks|para|value|returns|example|inheritdoc|include|c|code|p|br|b|i|em)\b[^<>]*>")
_SUMMARY = re.compile(r"[@\\](brief|summary|short|desc|description)\b\s*")
_TAG = re.compile(r"[@\\]\w|\{@inherit|- (parameter|returns|throws)\b|:(param|returns?)\b|\w+ name=", re.I)
"""What begins the formal part of documentation: of parameters and the like."""
_MACHINE = re.compile(
    r"go:|nolint|eslint|@ts-|prettier|istanbul|noinspection|jshint|clang-|NOLINT|rubocop|phpcs|swiftlint|ktlint|biome-"
    r"|lint:|=begin\b|=end\b|MARK:|(end)?region\b|frozen_string_literal|typed:|export \w+$|\W*$"
)
_BETWEEN = re.compile(
    rb"(?s)(?:\s|//[^\n]*|/\*.*?\*/|#(?=\s|(?:if|elif)\b|(?:else|endif|ifn?def|define|undef|pragma|(?:end)?region"
    rb"|nullable|warning|error|line)\b(?!\())[^\n]*)*"
)
"""What may stand between a decoration and the head: comments too, and the lines of a preprocessor. The name of a
private method of JavaScript begins with the same sign.
"""
_OPENS = re.compile(r"(\s*(=>|[{=:;,]|\bend$))+$")


def describe(read: Caught, one: Named, branches: int, reason: str) -> Found:
    scope = one.scope
    start, body = _head(read, scope), field(scope, "body")
    line = scope.node.start_point.row + read.content.count(b"\n", scope.start, start) + 1
    return Found(
        name=clean(one.name),
        line=line,
        end_line=scope.node.end_point.row + 1,
        text=read.content[scope.start : scope.end].replace(b"\r\n", b"\n").decode("utf-8", "replace"),
        signature=_signature(read, start, body.start_byte if body else scope.end, line - 1),
        doc=_doc(read, scope.node.start_point.row, scope.start),
        branches=branches,
        reason=reason or _reason(read.language, one, body),
    )


def _head(read: Caught, scope: Scope) -> int:
    """The byte where its head begins, after all that decorates it."""
    start = _skipped(read, scope.start, scope.end)
    while start in read.decorations:
        start = _skipped(read, read.decorations[start][0], scope.end)
    return start


def _skipped(read: Caught, start: int, end: int) -> int:
    found = _BETWEEN.match(read.content, start, end)
    return found.end() if found else start


def _reason(language: Language, one: Named, body: "Node | None") -> str:
    if one.outer >= 0:
        return "inside another function"
    if body is None:
        return language.bodiless
    if one.tested:
        return "test"
    return "trivial body" if _trivial(body) else ""


def _trivial(body: "Node") -> bool:
    """Whether a body is at most one statement that decides and computes nothing."""
    statements = [body]
    while len(statements) == 1 and _BLOCK.search(statements[0].type):
        statements = [node for node in statements[0].named_children if "comment" not in node.type]
    return not statements or (len(statements) == 1 and _plain(statements[0]))


def _plain(statement: "Node") -> bool:
    waiting, calls = [statement], 0
    while waiting:
        node = waiting.pop()
        if _RAISES.search(node.type):
            return True
        calls += bool(_CALLS.search(node.type))
        if calls > 1 or _COMPUTES.search(node.type) or _code(node):
            return False
        waiting.extend(node.named_children)
    return True


def _code(node: "Node") -> bool:
    """Whether it is code that a macro is given, of which the grammar tells no more than its brackets."""
    return node.type == "token_tree" and node.children[0].type == "{"


def _signature(read: Caught, start: int, end: int, row: int) -> str:
    """The head of the function on one line, without comments and without what opens the body."""
    said = read.content[start:end]
    for line in range(row, row + said.count(b"\n") + 1):
        if (known := read.comments.get(line)) and start < known[1] < end:
            said = said.replace(known[2], b"", 1)
    if read.language.never and b"#" in said:
        said = conditions.first(conditions.live(said, read.language.never))
    head = _OPENS.sub("", " ".join(said.decode("utf-8", "replace").split())[:ROW])
    return clean(re.sub(r"(?<=[(\[]) |,? (?=[)\]])", "", head))


def _doc(read: Caught, row: int, start: int) -> str:
    """The first line that says something of the comment right above a row, decorations between them or not, or before
    the byte in that row where the function starts.
    """
    beside = [one for one in [read.comments.get(row)] if one and one[1] < start]
    first = beside[0][0] if beside else row - _apart(read, row)
    texts = [one[2] for one in (*beside, *above(read, first)) if one[1] not in read.decorations]
    told = [line[:ROW] for text in reversed(texts) for line in text.decode("utf-8", "replace").splitlines()]
    lines = (_SUMMARY.sub("", _MARKUP.sub("", _ELEMENT.sub("", _REFERENCE.sub(r"\1", line)))) for line in told)
    said = next((line for line in lines if not _MACHINE.match(line)), "")
    return "" if _TAG.match(said) else clean(said)


def _apart(read: Caught, row: int) -> bool:
    """Whether one blank line stands between a row and the block of documentation above it, as some write it."""
    known = read.comments.get(row - 2)
    if known is None or row - 1 in read.comments or not known[2].startswith((b"/**", b"///")):
        return False
    after = known[1] + len(known[2])
    return read.content[after : after + 100].lstrip(b" \t\r").startswith((b"\n\n", b"\n\r\n"))
