"""How the rehearsal teacher judges a rollout that it is shown: yes or no, in <output> tags."""

import re
from random import Random

from sera_cli.harness.rehearsal.listings import ENDINGS
from sera_cli.harness.rehearsal.phrases import say
from sera_cli.harness.rehearsal.reading import Work, touched

PYTHON = (".py", ".pyi")
MISTAKEN = 0.02
"""Of all verdicts, the share that is the wrong one."""
UNTAGGED = 0.04
"""Of all answers, the share that forgets the tags."""
EDITS = re.compile(r"command\W{1,6}(str_replace|create|insert)\b|^str_replace_editor\W+(str_replace|create|insert)\b")
CHECKS = re.compile(r"\bpython\d? |\bpytest\b")
READS = re.compile(r"\bgit\b.* diff -- ")
"""How a change is checked that is not in Python: no tool for it need be there."""
FAILS = re.compile(r"Traceback|Error\b|\bFAILED\b|\b[1-9]\d* failed\b")


def verdict(work: Work, dice: Random) -> str:
    reason = _objection(work)
    good = (reason == "") != (dice.random() < MISTAKEN)
    said = reason if reason and not good else say("judge", "yes", dice) if good else say("judge", "unrelated", dice)
    answer = "yes" if good else "no"
    if dice.random() < UNTAGGED:
        return f"{said} So my answer is {answer}."
    return f"{said}\n<output>{answer}</output>"


def _objection(work: Work) -> str:
    """Why the work cannot be kept; empty when it can."""
    paths = touched(work.patch)
    if not paths:
        return _because("empty")
    if any(not path.endswith((*PYTHON, *ENDINGS)) for path in paths) or "\nnew file mode" in work.patch:
        return _because("scratch")
    if not _checked(work, all(path.endswith(PYTHON) for path in paths)):
        return _because("unchecked")
    return "" if all(path in work.report for path in paths) or _named(work) else _because("unrelated")


def _checked(work: Work, python: bool) -> bool:
    """Whether something was compiled or run without an error after the last edit, or read where it is not Python."""
    good = False
    for step in work.steps:
        action = step.get("action", "")
        if EDITS.search(action):
            good = False
        elif CHECKS.search(action):
            good = not FAILS.search(step.get("observation", ""))
        elif not python and READS.search(action):
            good = "\n+" in step.get("observation", "")
    return good


def _named(work: Work) -> bool:
    """Whether the patch, with the lines around its changes, speaks of a name that the report has."""
    names = {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", work.report)}
    return any(re.search(rf"\b{name}\b", work.patch) for name in names if name)


def _because(what: str) -> str:
    return say("judge", what, Random(0))
