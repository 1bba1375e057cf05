"""A conversation on the screen: who speaks, what is thought, called and changed; long texts are cut short."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sera_cli.console import colours, paint
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.data.view import Part, Spelled, Turn, View

LINES = {"result": 8, "text": 24, "diff": 40, "thinking": 24, "command": 40, "call": 24, "problem": 24}
"""Lines of a part that are shown unless all are asked for."""

WIDE = 400
"""Characters of a line that are shown, likewise."""

STYLES = {"thinking": "dim italic", "command": "bold", "problem": "red", "result": "dim"}
LEARNED = "black on green"
OPENS, CLOSES = "⟦", "⟧"
"""What stands round a trained stretch where there are no colours."""

Styled = Iterator[tuple[str, str]]


def screen(seen: "View", *, mask: bool, full: bool) -> None:
    """The facts, then every turn; with `mask` the text of every message as the student reads it."""
    paint(_facts(seen))
    if mask:
        paint(_total(seen.spelled))
        for spelled in seen.spelled:
            paint(_spelled(spelled, full=full))
        return
    for turn in seen.turns:
        paint(_turn(turn, full=full))
    if seen.patch.strip():
        paint([("bold", "── patch\n"), *_lines(seen.patch.rstrip("\n"), "diff", full=full)])


def _facts(seen: "View") -> Styled:
    yield "bold", seen.id
    for name, text in seen.facts:
        yield "dim", f"\n{name:>12}  "
        yield "", text


def _turn(turn: "Turn", *, full: bool) -> Styled:
    who = f"step {turn.step}" if turn.step else {"tool": "result"}.get(turn.role, turn.role)
    yield "bold", f"── {who}"
    if turn.train is not None:
        yield ("green", " · trained") if turn.train else ("yellow", " · not trained")
    for part in turn.parts:
        yield "", "\n"
        yield from _part(part, full=full)


def _part(part: "Part", *, full: bool) -> Styled:
    if part.kind == "command":
        yield "cyan", "$ "
    elif part.kind == "problem":
        yield "red", f"malformed: {part.label}"
    elif part.label:
        yield "cyan", f"▸ {part.label}" + (" " if part.kind == "call" and "\n" not in part.text else "\n")
    yield from _lines(part.text, part.kind, full=full)


def _lines(text: str, kind: str, *, full: bool) -> Styled:
    lines = text.split("\n")
    most = len(lines) if full or len(lines) <= LINES[kind] + 2 else LINES[kind]  # to fold two lines saves none
    for number, line in enumerate(lines[:most]):
        short = line if full or len(line) <= WIDE else line[:WIDE]
        yield _style(line, kind), ("\n" if number else "") + short
        if len(short) < len(line):
            yield "dim", f" … {len(line) - len(short):,} more characters"
    if most < len(lines):
        yield "dim", f"\n… {counted(len(lines) - most, 'more line')} (--full shows them)"


def _style(line: str, kind: str) -> str:
    if kind == "diff":
        return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
    return STYLES.get(kind, "")


def _total(spelled: "Sequence[Spelled]") -> Styled:
    from sera_cli.data.view import counted as trained

    count = trained(spelled)
    yield "dim", f"{'mask':>12}  "
    yield "", f"{count}, and look " if count else "trained text looks "
    yield (LEARNED, "so") if colours() else ("", f"{OPENS}so{CLOSES}")


def _spelled(spelled: "Spelled", *, full: bool) -> Styled:
    count = "" if spelled.tokens is None else f" · {spelled.tokens:,} tokens"
    yield "bold", f"── {spelled.role}{count}\n"
    for place, span in enumerate(spelled.spans, 1):
        text = span.text.removesuffix("\n") if place == len(spelled.spans) else span.text
        if span.learned:
            yield (LEARNED, text) if colours() else ("", f"{OPENS}{text}{CLOSES}")
        else:
            yield from _lines(text, "result", full=full)
