"""What a preprocessor would leave of a file, as far as that can be told without knowing what is defined.

What is taken out becomes blanks, byte for byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

_COMMENT = rb"//[^\n]*|/\*(?s:.*?)(?:\*/|\Z)"
_TEXT = rb'"(?:\\.|[^"\\\n])*"?' rb"|'(?:\\.[^'\n]{0,7}|[^'\\\n])'"
_APART = re.compile(
    rb"(?m)^[ \t]*#[ \t]*(?:(?P<word>if|ifn?def|elif|elifn?def|else|endif)\b)?"
    rb"(?P<said>(?:[^\n\\/\"']+|\\\r?\n|" + _COMMENT + rb"|" + _TEXT + rb"|[^\n])*)|" + _COMMENT + rb"|" + _TEXT
)  # fmt: skip
"""Rows of the preprocessor, of which those of conditions have a `word`; comments; texts."""
_UNLIKE_BRACKETS = bytes({*range(256)} - {*b"{}()"})
_DEEPEST = 100
"""Brackets within one another beyond which nobody wrote them."""


class _Row(NamedTuple):
    """A row of a condition, and the code between the one before it and this one."""

    found: re.Match[bytes]
    code: bytes

    @property
    def word(self) -> bytes:
        return self.found["word"]

    @property
    def opens(self) -> bool:
        return self.word.startswith(b"if")


class _Span(NamedTuple):
    """What is taken out, from one byte to another, and what comes there if no blanks."""

    start: int
    end: int
    text: bytes = b""


@dataclass(slots=True)
class _Arm:
    """What stands between two rows of a condition, the first of which is `row`."""

    row: tuple[int, int]
    unpaired: bytes = b""
    """The brackets in it that it does not both open and close."""
    code: bool = False
    ends: bool = False

    @property
    def cut(self) -> bool:
        """Whether it is no whole statement, nor some of them."""
        return bool(self.unpaired) or (self.code and not self.ends)

    def add(self, code: bytes) -> None:
        self.unpaired = _unpaired(self.unpaired + code.translate(None, _UNLIKE_BRACKETS))
        self.code = self.code or bool(code.strip())
        self.ends = self.ends or any(mark in code for mark in (b";", b"{", b"}"))

    def hold(self, inner: "_Arm") -> None:
        self.unpaired = _unpaired(self.unpaired + inner.unpaired)
        self.code, self.ends = self.code or inner.code, self.ends or inner.ends


def _unpaired(brackets: bytes) -> bytes:
    for _ in range(_DEEPEST):
        fewer = brackets.replace(b"()", b"").replace(b"{}", b"")
        if fewer == brackets:
            break
        brackets = fewer
    return brackets[:_DEEPEST]


def live(content: bytes, never: bytes) -> bytes:
    """A file without what stands under a condition that `never` holds, such as `0`, and without that condition.

    What else it has comes first then: `elif` becomes `if`, and `else` becomes `if 1`.
    """
    if not re.search(rb"#[ \t]*if\b[ \t]*(?:" + never + rb")", content):
        return content
    spans: list[_Span] = []
    opened: list[int | None] = []
    for row in _rows(content):
        start, end = row.found.span()
        if row.opens:
            said = re.sub(_COMMENT, b" ", row.found["said"]).strip()
            opened.append(start if row.word == b"if" and re.fullmatch(never, said) else None)
        elif opened and row.word == b"endif":
            if (first := opened.pop()) is not None:
                spans.append(_Span(first, end))
        elif opened and (first := opened[-1]) is not None:
            word = b"if 1" if row.word == b"else" else b"  " + row.word.removeprefix(b"el")
            spans += [_Span(first, start), _Span(*row.found.span("word"), word)]
            opened[-1] = None
    return _blanked(content, spans)


def whole(content: bytes) -> bytes:
    """A file that has of conditions that cut code in two, as where each arm holds another head of a function, only the
    first arm.
    """
    spans: list[_Span] = []
    groups: list[list[_Arm]] = []
    for row in _rows(content):
        if groups:
            groups[-1][-1].add(row.code)
        if row.opens:
            groups.append([_Arm(row.found.span())])
        elif groups and row.word != b"endif":
            groups[-1].append(_Arm(row.found.span()))
        elif groups:
            arms = groups.pop()
            if groups:
                groups[-1][-1].hold(arms[0])
            if any(one.cut for one in arms):
                others = arms[1].row[0] if len(arms) > 1 else row.found.start()
                spans += [_Span(*arms[0].row), _Span(others, row.found.end())]
    return _blanked(content, spans)


def bare(content: bytes) -> bytes:
    """A file without conditions, as if all of it held."""
    return _blanked(content, [_Span(*row.found.span()) for row in _rows(content)])


def first(head: bytes) -> bytes:
    """A piece of code that has of every condition only the first arm; it may begin in that, and end in any."""
    spans: list[_Span] = []
    others: list[int | None] = []
    for row in _rows(head):
        start, end = row.found.span()
        if row.opens:
            others.append(None)
            spans.append(_Span(start, end))
        elif row.word == b"endif":
            other = others.pop() if others else None
            spans.append(_Span(start if other is None else other, end))
        elif not others:
            others.append(start)
        elif others[-1] is None:
            others[-1] = start
    return _blanked(head, [*spans, *(_Span(other, len(head)) for other in others if other is not None)])


def _rows(content: bytes) -> Iterator[_Row]:
    """The rows of conditions, but those that stand in comments."""
    code: list[bytes] = []
    done = 0
    for one in _APART.finditer(content):
        code.append(content[done : one.start()])
        done = one.end()
        if one["word"]:
            yield _Row(one, b"".join(code))
            code.clear()


def _blanked(content: bytes, spans: Iterable[_Span]) -> bytes:
    """Spans may lie in one another."""
    parts: list[bytes] = []
    done = 0
    for start, end, text in sorted(spans):
        if end > done:
            begin = max(start, done)
            parts += [content[done:begin], text or re.sub(rb"[^\r\n]", b" ", content[begin:end])]
            done = end
    return b"".join([*parts, content[done:]])
