"""A reply while it is being written: thinking, text and calls leave as soon as nothing that follows can change them.

`wire.parse` of the whole text says what the reply is; what was heard of it before is the same, piece by piece.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

from sera_cli.harness import wire
from sera_cli.harness.wire import hermes, raw, xml
from sera_cli.harness.wire.family import DEFAULT, Name, Wire
from sera_cli.harness.wire.quoting import MARKERS, unquote
from sera_cli.harness.wire.strict import Malformed, value_of
from sera_cli.types import Reply


class Heard(NamedTuple):
    """A piece of a reply: of its `thinking`, of what is `said`, the `name` of call number `call`, or of that call's
    `arguments`: JSON, whose last brace comes only when the call is closed as it should be.
    """

    kind: Literal["thinking", "said", "name", "arguments"]
    text: str
    call: int = 0


class Form(NamedTuple):
    """How a family writes a call: what begins the calls of a turn, what stands before arguments, and what after."""

    opener: str
    head: re.Pattern[str]
    tail: re.Pattern[str]


STRING = r'"(?:[^"\\]|\\.)*"'
HERMES = Form(
    hermes.OPEN,
    re.compile(rf'\s*{hermes.OPEN}\s*\{{\s*"name"\s*:\s*({STRING})\s*,\s*"arguments"\s*:\s*(?=\{{)'),
    re.compile(rf"\s*\}}\s*{hermes.CLOSE}"),
)
FORMS: dict[Name, Form] = {
    "qwen2.5": HERMES,
    "qwen3": HERMES,
    "qwen3-coder": Form(xml.OPEN, re.compile(rf"\s*{xml.OPEN}\s*{xml.FUNCTION.pattern}"), re.compile(xml.CLOSE)),
    "llama3": Form(
        raw.TAG,
        re.compile(rf'(?:{re.escape(raw.TAG)}|\s*;)?\s*\{{\s*"name"\s*:\s*({STRING})\s*,\s*"parameters"\s*:\s*(?=\{{)'),
        re.compile(r"\s*\}"),
    ),
    "mistral": Form(
        raw.CALLS,
        re.compile(rf"\s*{re.escape(raw.CALLS)}\s*({raw.NAME.pattern})\s*{re.escape(raw.ARGS)}\s*(?=\{{)"),
        re.compile(""),
    ),
}
QUOTED, PLAIN = re.compile(r'["\\]'), re.compile(r'["{}]')
"""What matters inside a string of JSON, and outside."""


class Live:
    """One reply. `hear` takes text as it comes; `end` gives what was held back, and then `reply` is there."""

    def __init__(self, *, turn: int = 0, tools: Iterable[dict[str, Any]] = (), spoken: Wire = DEFAULT) -> None:
        self.reply: Reply | None = None
        self._turn, self._tools, self._spoken = turn, list(tools), spoken
        self._form = FORMS[spoken.family]
        self._text = ""
        self._at = 0  # what stands before it has been given, or is none of it
        self._phase: Literal["start", "thinking", "said", "calls"] = "start"
        self._edge = self._thought = False  # blanks that come next are left out; thinking stood before
        self._calls = 0
        self._object: Object | None = None  # the arguments of the call that is being written

    def hear(self, text: str) -> list[Heard]:
        """What is certain by now. `text` is what the student wrote since, control tokens of its calls included."""
        self._text += text
        return list(self._advance())

    def end(self) -> list[Heard]:
        """The rest; after it, `reply` is what `wire.parse` makes of the whole.

        What is malformed is given as text, but for a call that was begun: that one stays without its end.
        """
        self.reply = wire.parse(self._text, turn=self._turn, tools=self._tools, spoken=self._spoken)
        if self._phase == "calls" and (self.reply.calls or self._calls or self._object):
            return [*self._owed(self.reply)]
        rest = self._text[self._at :]
        rest = rest.lstrip() if self._edge else rest
        rest = rest.rstrip() if self._thought else rest
        if self._phase == "thinking":
            return [Heard("thinking", unquote(rest, MARKERS[self._spoken.family]))] if rest else []
        return [Heard("said", rest)] if rest else []

    def _advance(self) -> Iterator[Heard]:
        if self._phase == "start":
            self._start()
        if self._phase == "thinking":
            yield from self._running("thinking", "</think>", MARKERS[self._spoken.family])
        if self._phase == "said":
            yield from self._running("said", self._form.opener, (self._form.opener,))
        while self._phase == "calls" and (found := list(self._calling())):
            yield from found

    def _start(self) -> None:
        head = self._text.lstrip()
        if head.startswith("<think>"):
            self._at, self._phase = len(self._text) - len(head) + len("<think>"), "thinking"
            self._edge = self._thought = True
        elif not "<think>".startswith(head):
            # an object that begins a turn of Llama is a call, or an answer: its end will tell
            self._phase = "calls" if self._spoken.family == "llama3" and head.startswith("{") else "said"

    def _running(self, kind: Literal["thinking", "said"], end: str, markers: tuple[str, ...]) -> Iterator[Heard]:
        """Text up to its end; what may become part of a marker is held back, and blanks, which may be its edge."""
        until = self._text.find(end, self._at)
        ended = until >= 0
        if not ended:
            held = _uncertain(markers).search(self._text, self._at)
            until = held.start() if held else len(self._text)
        piece = self._text[self._at : until].rstrip() if ended else self._text[self._at : until]
        piece = piece.lstrip() if self._edge else piece
        self._at = until
        if piece:
            self._edge = False
            yield Heard(kind, unquote(piece, markers) if kind == "thinking" else piece)
        if ended and kind == "thinking":
            self._at, self._phase, self._edge = until + len(end), "said", True
        elif ended:
            self._phase = "calls"

    def _calling(self) -> Iterator[Heard]:
        """The next pieces of calls; none where more text is needed, or what there is is no call."""
        if self._object is None:
            yield from self._named()
        elif self._spoken.family == "qwen3-coder":
            yield from self._tagged(self._object)
        else:
            yield from self._written(self._object)

    def _named(self) -> Iterator[Heard]:
        found = self._form.head.match(self._text, self._at)
        if found is None:
            return
        try:
            name = str(value_of(found[1])) if found[1].startswith('"') else found[1]
        except Malformed:
            return
        self._object = Object(self._at, found.end())
        self._at = found.end()
        yield Heard("name", name, self._calls)

    def _written(self, made: "Object") -> Iterator[Heard]:
        """Arguments as they grow, and their last brace once the call is closed."""
        end = made.end(self._text)
        until = end - 1 if end else len(self._text)
        piece, self._at = self._text[self._at : until], max(self._at, until)
        if piece:
            yield Heard("arguments", piece, self._calls)
        closed = self._form.tail.match(self._text, end) if end else None
        if closed and _whole(self._text[made.start : end]):
            yield self._closed(self._text[self._at : end], closed.end())

    def _tagged(self, made: "Object") -> Iterator[Heard]:
        """Arguments between tags, whole when the call is."""
        while (end := self._text.find(xml.CLOSE, max(made.seen, self._at))) >= 0:
            made.seen = end + len(xml.CLOSE)
            try:
                (call,) = xml.read(self._text[made.call : made.seen], 0, self._tools)[1]
            except (Malformed, ValueError):
                continue  # it stands in an argument
            yield self._closed(call.arguments, made.seen)
            return

    def _closed(self, rest: str, end: int) -> Heard:
        last = Heard("arguments", rest, self._calls)
        self._at, self._object, self._calls = end, None, self._calls + 1
        return last

    def _owed(self, reply: Reply) -> Iterator[Heard]:
        """What is right and was not given while it was written: an object that was no call, keys in another order."""
        if not (self._calls or self._object) and self._text[self._at : self._at + 1] == "{":
            yield Heard("said", reply.message["content"])
        for number, call in enumerate(reply.calls[self._calls :], self._calls):
            if self._object is None:
                yield Heard("name", call.name, number)
            yield Heard("arguments", call.arguments, number)
            self._object = None


class Object:
    """An object of JSON that begins at `start` of a text that grows, in a call that begins at `call`.

    No character is looked at twice: `seen` is how far it was read.
    """

    def __init__(self, call: int, start: int) -> None:
        self.call, self.start, self.seen = call, start, start
        self._depth, self._quoted, self._end = 0, False, 0

    def end(self, text: str) -> int:
        """Where it ends; 0 as long as it does not."""
        while not self._end and (found := (QUOTED if self._quoted else PLAIN).search(text, self.seen)):
            if found[0] == "\\" and found.end() == len(text):
                self.seen = found.start()  # half of an escape
                return 0
            self.seen = found.end() + (found[0] == "\\")
            self._quoted ^= found[0] == '"'
            self._depth += {"{": 1, "}": -1}.get(found[0], 0)
            self._end = found.end() if found[0] == "}" and not self._depth else 0
        if not self._end:
            self.seen = len(text)
        return self._end


def _whole(text: str) -> bool:
    try:
        value_of(text)
    except Malformed:
        return False
    return True


@cache
def _uncertain(markers: tuple[str, ...]) -> re.Pattern[str]:
    """The end of a text that what follows may make a marker, quoted or not; and the blanks before it."""
    ways = (rf"{re.escape(marker[:-1])}\\*" for marker in markers)
    begun = (re.escape(marker[:length]) for marker in markers for length in range(len(marker) - 2, 0, -1))
    return re.compile(rf"\s*(?:{'|'.join((*ways, *begun))})?\Z")
