"""Interpreters of this machine by their version. Each is really run before it is believed: what PATH has may be a shim
for a version that nobody chose.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sera_cli.evaluate.places import Unprepared
from sera_cli.types import Value

ASKED = (
    "import sys, json; from importlib.util import find_spec as has; "
    "print(json.dumps([list(sys.version_info[:3]), sys.base_prefix, bool(has('venv') and has('ensurepip'))]))"
)
PATIENCE = 20.0
NEWEST = 14
"""Seconds that an interpreter may take to say what it is; the newest minor version of Python 3 that is looked for."""

ENVIRONMENTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")
"""What a user's folder of conda may be called."""


class Interpreter(Value):
    """`home` is where its programs and its library lie, `venv` says whether it can make environments."""

    version: tuple[int, int, int]
    home: Path
    venv: bool

    @property
    def name(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def program(self) -> Path:
        return self.home / "bin" / f"python3.{self.version[1]}"


def python(version: str, *, newer: bool = False) -> Interpreter:
    """An interpreter of a minor version such as 3.9; where there is none and `newer` is said, of the next one.

    An empty version is that of the Python that runs this. Raises Unprepared where this machine has none.
    """
    wanted = _minor(version)
    minors = range(wanted, NEWEST + 1) if newer else (wanted,)
    for minor in minors:
        found = [one for path in _candidates(minor) if (one := asked(path)) and one.version[:2] == (3, minor)]
        for one in found:
            if one.venv:
                return one
        if found and not newer:
            raise Unprepared(f"{found[0].program} makes no environments; install python3.{minor}-venv")
    raise Unprepared(f"there is no Python 3.{wanted} on this machine; install it, with pyenv or uv for instance")


@cache
def asked(program: Path) -> Interpreter | None:
    """What an interpreter says of itself; None for what is none, or does not run."""
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            [program, "-I", "-c", ASKED], capture_output=True, timeout=PATIENCE, env=environment, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        version, home, venv = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    found = Interpreter(version=tuple(version), home=Path(home).resolve(), venv=venv)
    return found if found.program.is_file() else None


def _minor(version: str) -> int:
    """Raises Unprepared for what is no version of Python 3."""
    if not version:
        return sys.version_info[1]
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    if major != "3" or not minor.isdigit():
        raise Unprepared(f"Python {version} is asked for, and environments are made with a version such as 3.9")
    return int(minor)


def _candidates(minor: int) -> Iterator[Path]:
    """Where an interpreter of a minor version may be, the likeliest first; there or not."""
    name, user = f"python3.{minor}", Path.home()
    if sys.version_info[1] == minor:
        yield Path(sys.executable)
    versions = Path(os.environ.get("PYENV_ROOT") or user / ".pyenv") / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or _data(user) / "uv" / "python")
    for folder in (versions, uv):
        yield from sorted(folder.glob(f"*3.{minor}[.-]*/bin/{name}"), reverse=True)
    yield from (Path(folder) / name for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    yield from (Path(folder) / name for folder in ("/usr/bin", "/usr/local/bin"))
    for conda in _condas(user):
        yield from (conda / "bin" / name, *sorted(conda.glob(f"envs/*/bin/{name}")))


def _condas(user: Path) -> Iterator[Path]:
    """The folders of conda that are known; its environments lie below."""
    program = os.environ.get("CONDA_EXE")
    yield from [Path(program).parent.parent] if program else []
    for place in (user, Path("/opt")):
        yield from (place / name for name in (*ENVIRONMENTS, "conda"))


def _data(user: Path) -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or user / ".local" / "share")
