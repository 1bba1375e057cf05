"""The statement of a task: the issue that a change closed, what its author wrote, or what a teacher writes of it."""

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Literal, NamedTuple

from sera_cli import patch as patches
from sera_cli import templates
from sera_cli.errors import ContextOverflow
from sera_cli.evaluate.replay.history import Change
from sera_cli.evaluate.replay.leaks import Fresh, leaks, untold
from sera_cli.evaluate.replay.splitting import Parts
from sera_cli.harness.model import Model
from sera_cli.redact import redact
from sera_cli.types import Message, Usage
from sera_cli.wording import output, plain, robot

Source = Literal["issue", "message", "teacher"]

SHORTEST = 6
"""Words below which nobody can know what is asked for: a title that is a sentence has more."""

TRIES = 3

_CLOSES = re.compile(r"\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)\b:?\s+(?:[\w.-]+/[\w.-]+)?(?:#|gh-)(\d+)", re.I)
_LINK = re.compile(r"\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)\b:?\s+https?://\S+/issues/(\d+)", re.I)
_PULL = re.compile(r"\(#(\d+)\)|^Merge pull request #(\d+)", re.M)
_NOISE = re.compile(
    r"\s*\(?\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?|refs?|see|ticket)\b:?\s+(?:[\w.-]+/[\w.-]+)?(?:#|gh-)\d+"
    r"(?:,?\s*(?:and\s+)?#\d+)*\)?[.,:;]?(?:\s*--\s*)?|\s*\((?:[\w.-]+/[\w.-]+)?#\d+\)"
    r"|\s*\b(?:in|from|by|of|since|with)?\s*(?:commit|revision)\s+[0-9a-f]{7,40}\b|\b[0-9a-f]{40}\b"
    r"|https?://\S+/(?:commit|pull|merge_requests)/\S+", re.I)

_RULE = re.compile(r"^[-=_*~]{3,}[ \t]*$", re.M)
_ROLE = re.compile(
    r"\s*(?::(?:issue|pr|pull|ghsa|ticket|cve):`[^`]*`[.,]?|\((?:#\d+(?:,\s*)?)+\))|[ \t]+$", re.M | re.I)


class Thread(NamedTuple):
    """An issue, or a pull request, as a forge keeps it."""

    text: str
    pull: bool = False


def found(change: Change, parts: Parts, threads: Mapping[int, Thread]) -> tuple[str, Source] | None:
    """The issue that a change closes, as far as it is among the `threads`; else what its author wrote, with what they
    told users where that is no more than a title.

    None where that says too little, or was written by a program.
    """
    for number in _closed("\n".join(change.messages), threads):
        thread = threads.get(number)
        if thread and not thread.pull and len(thread.text.split()) >= SHORTEST:
            return redact(thread.text), "issue"
    news = told(parts.news)
    for message in change.messages:
        text = clean(message)
        whole = f"{text}\n\n{news}".strip() if text and "\n" not in text else text
        if len(whole.split()) >= SHORTEST:
            return redact(whole), "message"
    return None


def told(news: str) -> str:
    """What a patch adds to files that tell users what is new, without marks and numbers."""
    added = [line[1:] for file in patches.read(news).files for line in file.lines if line.startswith("+")]
    text = _ROLE.sub("", "\n".join(line for line in added if line.strip(" -=~^*#.")))
    return _NOISE.sub("", text).strip()


def clean(message: str) -> str:
    """A message without what refers to elsewhere: trailers, numbers of issues, hashes. Empty for a robot's."""
    if robot(message):
        return ""
    title, body = plain(message)
    text = _RULE.sub("", "\n\n".join(part for part in (title, body) if part))
    return re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", text)).lstrip(" \n.,:-").rstrip()


def finished(statement: str, new: Fresh) -> str:
    """The statement, with what the tests call by name that it does not name itself."""
    missing = [f"`{one}`" for one in untold(statement, new)]
    return templates.render("bench/names.md", statement=statement, names=missing) if missing else statement


def write(
    model: Model, change: Change, parts: Parts, new: Fresh, *, until: float = inf
) -> tuple[str, str, Usage]:
    """The statement that a teacher writes, else why there is none; asked again where it tells of the fix.

    Raises ModelError, Late when the clock passes `until`.
    """
    prompt = templates.render(
        "bench/statement.md", messages="\n\n".join(change.messages), patch=parts.patch, tests=parts.held,
        names=", ".join(f"`{one}`" for one in new.wanted))
    said: list[Message] = [{"role": "user", "content": redact(prompt)}]
    usage, why = Usage(), "the teacher wrote none"
    for _ in range(TRIES):
        try:
            reply = model.reply(said, [], until=until)
        except ContextOverflow:
            return "", "too long for the teacher", usage
        usage += reply.usage
        text = output(reply.message.get("content") or "")
        told = leaks(text, new) if text else ()
        if text and not told:
            return redact(text), "", usage
        why = "the teacher's statement tells of the fix" if told else why
        again = templates.render("bench/again.md", told=", ".join(f"`{one}`" for one in told))
        said += [reply.message, {"role": "user", "content": again}]
    return "", why, usage


def _closed(text: str, threads: Mapping[int, Thread]) -> Iterator[int]:
    """The numbers that a text says it closes; those that its pull request says, where that is known."""
    yield from (int(number) for pattern in (_CLOSES, _LINK) for number in pattern.findall(text))
    for groups in _PULL.findall(text):
        thread = threads.get(int("".join(groups)))
        if thread and thread.pull:
            yield from (int(number) for pattern in (_CLOSES, _LINK) for number in pattern.findall(thread.text))
        elif thread:
            yield int("".join(groups))
