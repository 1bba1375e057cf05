"""The bash that decides an instance: the tests as the benchmark has them, run between swebench's markers.

What a patch did to the files of the test patch is undone first: each is again what the repository's one commit has, or
absent where the test patch is to create it, also when there is a folder or a link in its place or above it. Not undone
is what else a patch brings along. Like in swebench, a conftest.py, a plugin or a changed test runner of its own acts
while the tests run, and can print whatever result it likes: read the patches of an agent that does too well.
"""

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath

from sera_cli import hunks
from sera_cli.evaluate.instance import Instance
from sera_cli.types import digest

START = ">>>>> Start Test Output"
END = ">>>>> End Test Output"
"""swebench reads what stands between the first of each."""

SHOWING = re.compile(r"git (status|show|(-c core\.fileMode=false )?diff( [0-9A-Za-z]+)?)")
INERT = "-c safe.directory='*' -c core.hooksPath=/dev/null -c core.fsmonitor=false"
GIT = f"git --literal-pathspecs {INERT}"
"""A git that starts nothing: a patch may have reached its settings."""


def script(instance: Instance, test_command: str, before: Iterable[str] = ()) -> str:
    """Bash, to be run in the repository's folder by a shell of its own: `before`, the tests restored, the test command.

    `before` are lines that make the environment active. A row that has a script is given that one, after `before` and
    the same restoring; where it names the base commit it gets HEAD, for the repository has one commit, of another id.
    What it only shows is left out: of a single commit that is all files, and of a patch text that may look like a log.
    """
    first = ["#!/bin/bash", 'sera_root="$PWD"', *before, 'cd "$sera_root"', *restoring(instance.test_patch)]
    if instance.eval_script:
        own = instance.eval_script.replace(instance.base_commit, "HEAD").split("\n")
        return "\n".join([*first, *(line for line in own if not SHOWING.fullmatch(line)), ""])
    run = [f"printf '%s\\n' {shlex.quote(START)}", test_command, f"printf '\\n%s\\n' {shlex.quote(END)}"]
    return "\n".join([*first, *applying(instance.test_patch), *run, ""])


def restoring(test_patch: str) -> list[str]:
    """Bash that brings the files of a patch back to the state of HEAD, in the folder of the repository."""
    changes = hunks.read(test_patch).files
    paths = list(dict.fromkeys(path for change in changes for path in (change.old, change.new) if path))
    if not paths:
        return []
    parents = {parent for path in paths for parent in PurePosixPath(path).parents if parent.name}
    above = [shlex.quote(str(parent)) for parent in sorted(parents, key=lambda one: len(one.parts))]
    kept = dict.fromkeys(change.old for change in changes if change.old)
    return [
        f'for sera_at in {" ".join(above)}; do [[ -d $sera_at && ! -L $sera_at ]] || rm -f -- "$sera_at"; done',
        f"rm -rf -- {' '.join(map(shlex.quote, paths))}",
        *([f"{GIT} checkout --quiet HEAD -- {' '.join(map(shlex.quote, kept))}"] if kept else []),
    ]  # fmt: skip


def applying(patch: str) -> list[str]:
    """Bash that applies a patch to the files in the folder of the repository, whole or not at all."""
    if not patch.strip():
        return []
    end = f"EOF_{digest(patch)}"
    return [f"{GIT} apply --verbose - <<'{end}'", patch.removesuffix("\n"), end]
