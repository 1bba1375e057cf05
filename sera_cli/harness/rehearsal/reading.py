"""What the rehearsal teacher reads out of a prompt: whose job it is, names and paths in a report, lines of a patch."""

import json
import re
from typing import Any, NamedTuple

from sera_cli.harness.rehearsal.listings import ENDINGS
from sera_cli.harness.rehearsal.phrases import words
from sera_cli.types import Message

_OTHER = f"(?:{'|'.join(sorted((ending[1:] for ending in ENDINGS), key=len, reverse=True))})"
PATH = re.compile(
    rf"(?<=` in )[^`\n:]+?\.(?:pyi?|{_OTHER})\b|(?<![\w/.-])[\w./-]+\.pyi?\b|(?<![\w/.-])[\w.-]+/[\w./-]+\.{_OTHER}\b"
)
SYMBOL = re.compile(r"`([A-Za-z_$][\w.$]*(?:<locals>[\w.]*)*[?!]?)(?:\(.*?\))?`|\b([A-Za-z_][\w.]*)\(\)")
_FILE = re.compile(rf"\.(py|{_OTHER})$")
PLAIN = re.compile(r"\b([A-Za-z]\w*_\w+|[A-Za-z][a-z]+[A-Z]\w*)\b")
ROOT = re.compile(r"folder (/\S+) holds")


class Report(NamedTuple):
    """`symbols` are names of functions in the order they are mentioned; `words` is what else might be one."""

    text: str
    root: str
    symbols: tuple[str, ...]
    paths: tuple[str, ...]
    words: tuple[str, ...]


class Work(NamedTuple):
    """A rollout as a judge or a writer is shown it."""

    report: str
    steps: tuple[dict[str, str], ...]
    patch: str
    demonstration: str
    function: str
    path: str


def text(message: Message) -> str:
    """The text of a message, also of one in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def report(prompt: str) -> Report:
    body = between(prompt, "<issue>\n", "\n</issue>") or prompt
    root = ROOT.search(prompt)
    symbols = [one or other for one, other in SYMBOL.findall(body) if not _FILE.search(one)]
    plain = [name for name in PLAIN.findall(body) if name not in symbols]
    rest = [word for word in re.findall(r"\b[a-z]{4,}\b", body) if word not in words()["empty"]]
    top = root[1] if root else "/testbed"
    paths = [path.removeprefix(f"{top}/") for path in PATH.findall(body)]
    return Report(body, top, _unique(symbols), _unique(paths), _unique(plain + rest))


def work(prompt: str) -> Work:
    """Reads a prompt made from check.md or issue.md. Steps that are no JSON list count as none."""
    demonstration = prompt.rpartition("\n<demonstration>\n")[2] if "\n<demonstration>\n" in prompt else ""
    start = re.search(r"set out from is `(.+?)` in (.+?)\. Every step", prompt)
    return Work(
        report=between(prompt, "<report>\n", "\n</report>"),
        steps=_steps(between(prompt, "\n<steps>\n", "\n</steps>")),
        patch=between(prompt, "\n<patch>\n", "\n</patch>"),
        demonstration=demonstration.partition("\n</demonstration>")[0],
        function=start[1] if start else "",
        path=start[2] if start else "",
    )


def changes(patch: str) -> tuple[list[str], list[str]]:
    """The added and the removed lines of a patch, without their signs."""
    rows = [row for row in patch.split("\n") if not row.startswith(("+++", "---"))]
    return [row[1:] for row in rows if row[:1] == "+"], [row[1:] for row in rows if row[:1] == "-"]


def touched(patch: str) -> list[str]:
    return re.findall(r"^diff --git a/.+ b/(.+)$", patch, re.MULTILINE)


def between(prompt: str, begin: str, end: str) -> str:
    return prompt.partition(begin)[2].partition(end)[0]


def _steps(listed: str) -> tuple[dict[str, str], ...]:
    try:
        rows: Any = json.loads(listed)
    except ValueError:
        return ()
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple({key: str(value) for key, value in row.items()} for row in found)


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
