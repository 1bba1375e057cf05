"""How the rehearsal teacher writes an issue report, from a rollout it is shown and in the manner of a demonstration."""

import re
from random import Random
from typing import NamedTuple

from sera_cli.harness.rehearsal.listings import ENDINGS
from sera_cli.harness.rehearsal.phrases import about, recognise, say
from sera_cli.harness.rehearsal.reading import Work, changes, touched

CLEAR = 0.4
"""Of all reports, the share that tells the symptom."""
NAMED = 0.75
"""Of the rest, the share that at least names the function."""
PATHED = 0.4
"""Of the reports that name a function, the share that also names its file."""
MUTE = 0.02
"""Of all patches, the share about which nothing is written, however often it is asked for."""
LONG = 150
"""Characters of a demonstration up to which a report is a single line."""


class Subject(NamedTuple):
    function: str
    path: str
    kind: str
    names: dict[str, str]


def issue(work: Work, dice: Random) -> str:
    """A report in <output> tags. Some tell the symptom, some only name the function, some not even that."""
    if Random(work.patch).random() < MUTE:
        return say("issue", "mute", dice)
    subject = _subject(work)
    if subject.kind and dice.random() < CLEAR:
        names = {"name": "value", "type": "right type", **subject.names, "function": subject.function}
        title, symptom, repro = (about(subject.kind, part, dice, **names) for part in ("title", "symptom", "repro"))
    elif dice.random() < NAMED:
        title, symptom = (say("issue", part, dice, function=subject.function) for part in ("vague_title", "vague"))
        repro = f"{subject.function}(...)"
    else:
        told = " ".join(re.findall(r"[a-zA-Z][a-z]+", subject.function.rpartition(".")[2])).lower() or "this"
        title, symptom = (say("issue", part, dice, words=told) for part in ("lost_title", "lost"))
        repro = ""
    if subject.function in title + symptom and dice.random() < PATHED:
        symptom += f" (It is in {subject.path}.)"
    if repro and not subject.path.endswith(ENDINGS):
        repro = f">>> {repro}"
    return f"<output>\n{_styled(work.demonstration, title, symptom, repro, dice)}\n</output>"


def _styled(demonstration: str, title: str, symptom: str, repro: str, dice: Random) -> str:
    """The same sections, blocks of code and courtesies as the demonstration has."""
    shown = repro if re.search(r"```|^ {4}|>>>", demonstration, re.MULTILINE) else ""
    tongue = "python" if shown.startswith(">>>") else ""
    code = f"```{tongue}\n{shown}\n```" if "```" in demonstration else f"    {shown}"
    headings = re.findall(r"^(?:#+ .+|\*\*.+\*\*)$", demonstration, re.MULTILINE)
    if headings:
        parts = [f"{head}\n{_section(head, symptom, code if shown else '', dice)}" for head in headings]
        return "\n\n".join([title, *parts] if not demonstration.startswith(headings[0]) else parts)
    if len(demonstration) < LONG:
        return f"{title}\n\n{symptom}" if "\n\n" in demonstration else f"{title}. {symptom}"
    body = [symptom, code] if shown else [symptom]
    if re.search(r"\b(Hi|Hello)\b", demonstration):
        body.insert(0, say("issue", "hello", dice))
    if len(demonstration) > 2 * LONG:
        body.append(say("issue", dice.choice(["expected", "version"]), dice))
    if demonstration.rstrip().endswith("!") or "Let me know" in demonstration:
        body.append(say("issue", "bye", dice))
    return "\n\n".join([title, *body])


def _section(heading: str, symptom: str, code: str, dice: Random) -> str:
    match re.findall(r"[a-z]+", heading.lower()):
        case [*_, "reproduce"]:
            return code or symptom
        case ["expected", *_]:
            return say("issue", "expected", dice)
        case ["version" | "versions" | "environment" | "additional", *_]:
            return say("issue", "version", dice)
    return symptom


def _subject(work: Work) -> Subject:
    """What was changed, and in which function, as far as patch and steps tell."""
    kind, names = recognise(*changes(work.patch))
    paths = touched(work.patch)
    function = _enclosing(work.patch) or _searched(work) or work.function
    if function == work.function.rpartition(".")[2]:
        function = work.function
    return Subject(function, paths[0] if paths else work.path, kind, names)


def _enclosing(patch: str) -> str:
    """The nearest `def` at or above the first changed line, where the patch shows it."""
    found = ""
    for row in patch.split("\n"):
        if define := re.match(r"(?:[ +-]|@@.*@@)\s*(?:async )?def (?:self\.)?(\w+[?!]?)", row):
            found = define[1]
        if row[:1] in ("+", "-") and not row.startswith(("+++", "---")):
            return found
    return found


def _searched(work: Work) -> str:
    """The function that was last searched for and found."""
    found = ""
    for step in work.steps:
        for name in re.findall(r"grep\b.*?\bdef (\w+)", step.get("action", "")):
            found = name if f"def {name}" in step.get("observation", "") else found
    return found
