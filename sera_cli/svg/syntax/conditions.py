"""What a preprocessor would leave of a file, as far as that can be told without knowing what is defined.

What is taken out becomes blanks, byte for byte.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_ROW = re.compile(
    rb"(?m)^[ \t]*#[ \t]*(?P<word>if|ifdef|ifndef|elif|else|endif)\b[ \t]*(?P<said>[^\n/]*)(?:\\\r?\n|[^\n])*"
)
_ASIDE = re.compile(
    rb"/(?:/[^\n]*|\*(?s:.*?)(?:\*/|\Z))|#(?:\\\r?\n|[^\n])*"
    rb'|"(?:\\.|[^"\\\n])*"?' rb"|'(?:\\[^'\n]{1,8}|[^'\\\n])'"
)  # fmt: skip
"""Comments, other rows of the preprocessor, and texts."""
_UNLIKE_BRACKETS = bytes({*range(256)} - {*b"{}()"})
_DEEPEST = 100
"""Brackets within one another beyond which nobody wrote them."""


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

    def add(self, text: bytes) -> None:
        said = _ASIDE.sub(b"", text)
        self.unpaired = _unpaired(self.unpaired + said.translate(None, _UNLIKE_BRACKETS))
        self.code = self.code or bool(said.strip())
        self.ends = self.ends or any(mark in said for mark in (b";", b"{", b"}"))

    def hold(self, inner: "_Arm") -> None:
        self.unpaired = _unpaired(self.unpaired + inner.unpaired)
        self.code, self.ends = self.code or inner.code, self.ends or inner.ends


def _unpaired(brackets: bytes) -> bytes:
    for _ in range(_DEEPEST):
        fewer = brackets.replace(b"()", b"").replace(b"{}", b"")
        if fewer == brackets:
            break
        brackets = fewer
    return brackets


def live(content: bytes, never: bytes) -> bytes:
    """A file without what stands under a condition that `never` holds, such as `0`, and without that condition.

    What else it has comes first then: `elif` becomes `if`, and `else` becomes `if 1`.
    """
    if not re.search(rb"#[ \t]*if[ \t]+(?:" + never + rb")", content):
        return content
    spans: list[_Span] = []
    opened: list[int | None] = []
    for row in _ROW.finditer(content):
        word, start, end = row["word"], *row.span()
        if word.startswith(b"if"):
            opened.append(start if re.fullmatch(never, row["said"].strip()) else None)
        elif opened and word == b"endif":
            if (first := opened.pop()) is not None:
                spans.append(_Span(first, end))
        elif opened and (first := opened[-1]) is not None:
            spans += [_Span(first, start), _Span(*row.span("word"), b"if 1" if word == b"else" else b"  if")]
            opened[-1] = None
    return _blanked(content, spans)


def whole(content: bytes) -> bytes:
    """A file that has of conditions that cut code in two, as where each arm holds another head of a function, only the
    first arm.
    """
    spans: list[_Span] = []
    groups: list[list[_Arm]] = []
    done = 0
    for row in _ROW.finditer(content):
        if groups:
            groups[-1][-1].add(content[done : row.start()])
        done = row.end()
        if row["word"].startswith(b"if"):
            groups.append([_Arm(row.span())])
        elif groups and row["word"] != b"endif":
            groups[-1].append(_Arm(row.span()))
        elif groups:
            arms = groups.pop()
            if groups:
                groups[-1][-1].hold(arms[0])
            if any(one.cut for one in arms):
                others = arms[1].row if len(arms) > 1 else row.span()
                spans += [_Span(*arms[0].row), _Span(others[0], row.end())]
    return _blanked(content, spans)


def bare(content: bytes) -> bytes:
    """A file without conditions, as if all of it held."""
    return _blanked(content, [_Span(*row.span()) for row in _ROW.finditer(content)])


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
