"""Builds the Python environment of a Specification: in bubblewrap, with the network, and nothing of the user's to see.

What can be written there is the environment, a checkout of the repository and temporary files. The environment is found
as /opt/env by whoever uses it, and its interpreter as /opt/interpreter, so it names no place of this machine.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from sera_cli.errors import Cancelled
from sera_cli.evaluate.index import index
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.pythons import Interpreter
from sera_cli.evaluate.specification import Specification
from sera_cli.harness.sandbox import ROOT, Shown, Terms
from sera_cli.harness.sandbox.bubblewrap import workshop
from sera_cli.harness.sandbox.pipes import Pipes
from sera_cli.harness.sandbox.places import Walls
from sera_cli.harness.sandbox.private import private_folder
from sera_cli.redact import redact

FOUND = "/opt/env"
INTERPRETER = "/opt/interpreter"
OBJECTS = "/opt/objects"
"""Where commands find an environment, the Python that it was made with, and while it is built git's objects."""

TOOLS = (
    ("pip>=21,<25; python_version < '3.12'", "pip>=23.2; python_version >= '3.12'"), ("setuptools>=58,<80", "wheel"),
)  # fmt: skip
"""What an environment has first, the pip that finds the rest before that, the newest of these: one that came with a
Python may look for an hour for versions that go together. Later ones no longer install what older repositories are made
of: a setup.py that is run in place, and pkg_resources.
"""

HOUR = 3600.0
MINUTE = 60.0
"""Seconds that a build may take; those of the commands that only prepare a checkout."""

POLL = 0.25
"""Seconds between two looks whether the run is being stopped."""

ABOUT_PIP = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off", "PYTHONDONTWRITEBYTECODE": "",
}  # fmt: skip

DATED = "pip>=26; python_version >= '3.10'"
"""The pip that knows when a package was uploaded, where that is asked for; on an older Python there is none."""

EACH = """each() {
    local lines had
    lines=$(wc -l <"$1")
    ((lines)) || return 0
    echo "== $1"
    python -m pip install "${@:2}" -r "$1" && return 0
    if ((lines == 1)); then echo "== cannot be installed: $(cat "$1")"; return 1; fi
    head -n $((lines / 2)) "$1" >"$1.1"
    tail -n +$((lines / 2 + 1)) "$1" >"$1.2"
    had=1
    each "$1.1" "${@:2}" && had=0
    each "$1.2" "${@:2}" && had=0
    return $had
}
"""
"""Bash that installs the lines of a file, all together or by halves as far as they can be had; it fails where none can.
"""


class Workplace(NamedTuple):
    """The folder that becomes the environment, the checkout it is made for, and where what is said goes.

    `objects` are git's of the clone: a package may find its own version out from the tags that lead to its commit.
    """

    environment: Path
    checkout: Path
    objects: Path
    log: Path


def build(
    wanted: Specification, made_with: Interpreter, where: Workplace, *, cancelled: Callable[[], bool] = lambda: False
) -> tuple[str, ...]:
    """Makes the environment; the packages in it, as `pip freeze` says them.

    Raises Unprepared, with the last thing that was said, and Cancelled. What is asked for and cannot be had is left
    out: whether the tests can do without is found out by running them.
    """
    files = {"wished": wanted.wished, "requirements": wanted.requirements, "packages": wanted.packages}
    files |= {"bounds": wanted.bounds}
    source = index()
    terms = Terms(
        shown=(*shown(made_with), *map(Shown, source.shown), Shown(where.objects, OBJECTS)), path=(f"{FOUND}/bin",),
        variables={**source.variables, **ABOUT_PIP, "PIP_CONSTRAINT": "/tmp/bounds"}, cancelled=cancelled,
    )  # fmt: skip
    with private_folder(where.environment.parent) as folder:
        walls = workshop(folder, (Shown(where.environment, FOUND), Shown(where.checkout, ROOT)), terms, network=True)
        for name, content in files.items():
            (folder / "tmp" / name).write_text("".join(f"{line}\n" for line in content), encoding="utf-8")
        (folder / "home" / ".config" / "pip").mkdir(parents=True)
        (folder / "home" / ".config" / "pip" / "pip.conf").write_text(source.settings, encoding="utf-8")
        if not ran(walls, _script(wanted, made_with), where.log, HOUR, cancelled):
            raise Unprepared(f"its environment cannot be built: {last(where.log)} (all of it: {where.log})")
        return tuple(sorted((folder / "tmp" / "freeze").read_text(encoding="utf-8").split("\n")))


def prepare(checkout: Path, commands: Sequence[str], terms: Terms, log: Path) -> None:
    """Runs what is to be done to every checkout, in the environment that `terms` shows, without a network.

    What cannot be done is left undone: some of it installs what only the build had to have.
    """
    terms = replace(terms, variables={**terms.variables, **ABOUT_PIP, "PIP_NO_INDEX": "1"})
    with private_folder(checkout.parent) as folder:
        walls = workshop(folder, (Shown(checkout, ROOT),), terms)
        ran(walls, "\n".join([f"cd {ROOT}", *commands]), log, MINUTE, terms.cancelled)


def shown(made_with: Interpreter) -> tuple[Shown, ...]:
    """The interpreter, twice: where commands find it, and where its own libraries may look for themselves."""
    home = made_with.home
    return () if home.is_relative_to("/usr") else (Shown(home, INTERPRETER), Shown(home))


def last(log: Path) -> str:
    """What the last step of a build complained of, in a line: its last error, else what may speak of one."""
    said = log.read_text(encoding="utf-8", errors="replace").rpartition("\n== ")[2].split("\n")
    told = [line.strip() for line in said if line.strip() and "[notice]" not in line]
    errors = [line for line in told if re.match(r"\W*(error|fatal)\b", line, re.I)]
    errors = errors or [line for line in told if "error" in line.lower()]
    return redact((errors or told or ["it said nothing"])[-1][:300])


def _script(wanted: Specification, made_with: Interpreter) -> str:
    """Variables that one command sets, the next may use: all run in one shell."""
    program = f"{INTERPRETER}/bin/{made_with.program.name}" if shown(made_with) else str(made_with.program)
    lines = [
        EACH, f"{program} -m venv {FOUND} || exit 1",
        *(f"python -m pip install --upgrade {shlex.join(tools)} || exit 1" for tools in TOOLS), *_dated(wanted.until),
        "each /tmp/wished -c /tmp/packages && each /tmp/requirements && each /tmp/packages || exit 1",
        f"cd {ROOT}", "echo == before", *wanted.pre_install,
        "echo == install", f"cd {ROOT}", *_installed(wanted),
        "python -m pip freeze --all --exclude-editable >/tmp/freeze",
    ]  # fmt: skip
    return "\n".join(lines)


def _dated(until: str) -> list[str]:
    """Lines after which pip takes only what was uploaded before a time, if the index says when that was.

    >>> _dated("")
    []
    """
    if not until:
        return []
    tried = f"python -m pip install --quiet --dry-run --no-deps -I --uploaded-prior-to {until} setuptools"
    return [
        f"python -m pip install --upgrade {shlex.quote(DATED)} && {tried} && export PIP_UPLOADED_PRIOR_TO={until} ||",
        f'{{ echo "== packages of today: when they were uploaded cannot be told, so {until} binds none"',
        f"python -m pip install {shlex.join(TOOLS[0])}; }} || exit 1",
    ]  # fmt: skip


def _installed(wanted: Specification) -> list[str]:
    """Lines that install the repository; with tools of today where those of its time cannot."""
    install = f"{{ {wanted.install or 'true'}\n}}"
    if not wanted.until:
        return [f"{install} || exit 1"]
    again = f"[[ ${{PIP_UPLOADED_PRIOR_TO-}} ]] && unset PIP_UPLOADED_PRIOR_TO && {install}"
    return [f"{install} || {{ {again}; }} || exit 1"]


def ran(walls: Walls, script: str, log: Path, seconds: float, cancelled: Callable[[], bool]) -> bool:
    """Whether it ended well in time; what it says is added to the log. Raises Cancelled, SandboxError."""
    argv = [*walls.prefix, *walls.end, "bash", "-c", f"exec </dev/null\n{script}"]
    end = monotonic() + seconds
    pipes, chunk = Pipes(argv, cwd=walls.folder, env=walls.environment(), namespace=True), None
    try:
        with log.open("ab") as file:
            while chunk != b"" and monotonic() < end and not cancelled():
                chunk = pipes.receive(POLL)
                file.write(chunk or b"")
    finally:
        code = pipes.kill()
    if cancelled():
        raise Cancelled("the build of an environment was stopped; it begins again with the next run")
    return chunk == b"" and code == 0
