"""What a plan has at hand: the report, the dice, and the three tools. Paths are relative to the repository."""

import shlex
from random import Random
from typing import Any, NamedTuple

from sera_cli.harness.rehearsal.phrases import say
from sera_cli.harness.rehearsal.reading import Report
from sera_cli.harness.rehearsal.turns import Turn, call


class Desk(NamedTuple):
    report: Report
    dice: Random

    def odds(self, share: float) -> bool:
        """Whether what happens in this share of all cases happens now."""
        return self.dice.random() < share

    def think(self, what: str, **names: str) -> str:
        return say("thoughts", what, self.dice, **names)

    def edit(self, thought: str, command: str, path: str, **arguments: Any) -> Turn:
        return call(thought, "str_replace_editor", command=command, path=f"{self.report.root}/{path}", **arguments)


def bash(thought: str, command: str) -> Turn:
    return call(thought, "bash", command=command)


def grep(pattern: str, path: str) -> str:
    return f"grep -nwE {shlex.quote(pattern)} {shlex.quote(path)} | head -8"


def search(pattern: str) -> str:
    """git's grep goes through files in a fixed order, and leaves out what is not tracked."""
    return f"git grep -nwE {shlex.quote(pattern)} -- '*.py' ':!tests' | cut -c-120 | head -8"


def compiles(path: str) -> str:
    """Its `__pycache__` is no part of a patch."""
    return f"python -m py_compile {shlex.quote(path)}"
