"""Takes secrets out of whatever leaves a sandbox, and puts them back into what a model writes there.

A secret becomes a token, `[redacted:kind:xxxxxx]`, whose last part depends on its value through a key that never leaves
this machine: the same secret is the same token in every patch and prompt, and a token tells nothing. Not recognized: a
short secret that nothing names, and one that a command encodes or takes apart before it prints it.
"""

import hmac
import os
import re
from base64 import b32encode
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from threading import Lock

from sera_cli.redact.bare import random
from sera_cli.redact.chance import is_unlike_names
from sera_cli.redact.formats import Span, formatted
from sera_cli.redact.known import known, machine_key
from sera_cli.redact.named import named

TOKEN = re.compile(r"\[redacted:([a-z0-9-]+):([a-z2-7]{6})\]")
WRITTEN = re.compile(r"(?P<escaped>\\)?\[redacted:(?P<kind>[a-z0-9-]+):(?P<mark>[a-z2-7]{6})(?(escaped)\\)\]")
"""A token as it is, or with both brackets escaped, as a model writes it in a regular expression."""

REMEMBERED = 100_000
"""Secrets that can be put back; of more, the first ones are forgotten."""

PASSES = 8
"""A secret may show only once another is gone. One more pass is enough but for texts made to take many."""


class Redactor:
    """Takes out and puts back; it remembers what it took out. Threads may share one."""

    def __init__(self, key: Callable[[], bytes] = machine_key, environment: Mapping[str, str] = os.environ) -> None:
        self._key, self._environment = key, environment
        self._taken: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._learnt: tuple[str, ...] = ()
        self._kinds: dict[str, str] = {}
        self._turn = Lock()

    def learn(self, text: str) -> None:
        """Notes the secrets that only their names, or the lines around them, give away, to know them by themselves.

        One that a program could call something is left: it would be taken for the secret everywhere.
        """
        found = {text[span.start : span.end]: span.kind for span in chain(named(text), formatted(text))}
        new = [value for value in found if is_unlike_names(value) and not self._knows(value)]
        with self._turn:
            self._kinds = found | self._kinds
            self._learnt = tuple(sorted({*self._learnt, *new}, key=lambda value: (-len(value), value)))

    def redact(self, text: str) -> str:
        """The text with a token for every secret; tokens in it stay as they are."""
        return self.redact_all([text])[0]

    def redact_all(self, texts: Iterable[str]) -> list[str]:
        """The same of each of many short texts: the environment is looked at once."""
        values = known(self._environment)
        return [self._clean(text, values) if text else "" for text in texts]

    def restore(self, text: str) -> str:
        """The text with the secrets that stand behind those tokens in it that this process made."""
        if "[redacted:" not in text:
            return text
        return WRITTEN.sub(lambda found: self._taken.get((found["kind"], found["mark"]), found[0]), text)

    def counts(self) -> dict[str, int]:
        """How many different secrets were taken out, by kind."""
        return dict(sorted(Counter(kind for kind, _ in list(self._taken)).items()))

    def _clean(self, text: str, values: Sequence[str]) -> str:
        for _ in range(PASSES):
            if (clean := self._once(text, values)) == text:
                break
            text = clean
        return text

    def _once(self, text: str, values: Sequence[str]) -> str:
        """One pass over a text; `values` are the secrets of the environment."""
        spans = sorted(_apart(text, self._found(text, values)))
        if not spans:
            return text
        pieces, at = [], 0
        for start, end, kind in spans:
            pieces += [text[at:start], self._token(kind, text[start:end])]
            at = end
        return "".join([*pieces, text[at:]])

    def _found(self, text: str, values: Sequence[str]) -> Iterator[Span]:
        """Secrets in the order of how sure their kind is."""
        yield from _every(values, text, "environment")
        yield from formatted(text)
        yield from _every(self._learnt, text, "secret")
        yield from named(text)
        yield from random(text)

    def _knows(self, value: str) -> bool:
        """Whether a secret is found by itself, and whole."""
        return [span[:2] for span in _apart(value, self._found(value, known(self._environment)))] == [(0, len(value))]

    def _token(self, kind: str, value: str) -> str:
        kind = self._kinds.get(value, kind)
        made = hmac.digest(self._key(), value.encode("utf-8", "surrogatepass"), "sha256")
        mark = b32encode(made)[:6].decode().lower()
        with self._turn:
            self._taken[kind, mark] = value
            if len(self._taken) > REMEMBERED:
                self._taken.popitem(last=False)
        return f"[redacted:{kind}:{mark}]"


def redact(text: str) -> str:
    """What leaves a sandbox, without its secrets; see Redactor."""
    return ours().redact(text)


def redact_all(texts: Iterable[str]) -> list[str]:
    """The same of each of many short texts; see Redactor."""
    return ours().redact_all(texts)


def restore(text: str) -> str:
    """What goes into a sandbox, with the secrets that this process took out of what came from one."""
    return ours().restore(text)


def learn(texts: Iterable[str]) -> None:
    """Reads texts, such as the files of a repository, before the first rollout: what is taken out then depends on them
    alone, and not on which rollout came upon a secret first.
    """
    for text in texts:
        ours().learn(text)


@cache
def ours() -> Redactor:
    """The one of this process: what one rollout was shown can be put back in another, where a patch has carried it."""
    return Redactor()


def tokens(text: str) -> set[str]:
    """The different tokens in a text."""
    return {found[0] for found in TOKEN.finditer(text)} if "[redacted:" in text else set()


def _every(values: Iterable[str], text: str, kind: str) -> Iterator[Span]:
    for value in values:
        if value in text:
            yield from (Span(*found.span(), kind) for found in re.finditer(re.escape(value), text))


def _apart(text: str, spans: Iterator[Span]) -> list[Span]:
    """Those spans that neither touch a token nor one another; of two, the first found."""
    taken = [found.span() for found in TOKEN.finditer(text)] if "[redacted:" in text else []
    kept: list[Span] = []
    for span in spans:
        at = bisect_left(taken, (span.start, span.end))
        if (at == 0 or taken[at - 1][1] <= span.start) and (at == len(taken) or span.end <= taken[at][0]):
            taken.insert(at, (span.start, span.end))
            kept.append(span)
    return kept
