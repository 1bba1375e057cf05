"""Sources that are compiled before Python imports them: when a patch changes them they are built again, offline."""

import shlex
import tomllib
from pathlib import PurePosixPath

from sera_cli import hunks
from sera_cli.evaluate import repositories
from sera_cli.evaluate.script import INERT
from sera_cli.git import Checkout

SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".pxd", ".pxi", ".pyx", ".f", ".f90")
BUILD = "python setup.py build_ext --inplace"
"""What builds in the checkout alone: an environment cannot be written, and its builders have no network."""

ELSEWHERE = ("mesonpy", "maturin", "scikit_build_core", "skbuild")
"""Backends that build in an environment of their own, which is gone when the tests run."""

LOG = "/tmp/built"


def building(at: Checkout) -> str:
    """The command that builds a repository's compiled sources again; empty where there are none, or another builder."""
    paths = repositories.paths(at)
    return BUILD if "setup.py" in paths and any(map(_is_compiled, paths)) else ""


def unbuilt(patch: str, at: Checkout) -> str:
    """What builds the compiled sources that a patch changes, where that cannot be done again; empty where it can, or
    need not.
    """
    if building(at) or not any(_is_compiled(file.path) for file in hunks.read(patch).files):
        return ""
    try:
        backend = tomllib.loads(repositories.text(at, "pyproject.toml") or "")["build-system"]["build-backend"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return ""
    return next((name for name in ELSEWHERE if str(backend).startswith(name)), "")


def again(command: str) -> list[str]:
    """Bash, for `script`, that builds again if what is compiled is not as it was committed."""
    if not command:
        return []
    changed = f"git {INERT} status --porcelain -- {' '.join(shlex.quote(f'*{suffix}') for suffix in SUFFIXES)}"
    failed = f'echo "the changed sources cannot be built: $(tail -n 1 {LOG})"'
    build = f"{{ {command}\n}} >{LOG} 2>&1 </dev/null"
    return ['cd "$sera_root"', f'if [[ -n "$({changed})" ]]; then {build} || {failed}; fi']


def _is_compiled(path: str) -> bool:
    return PurePosixPath(path).suffix in SUFFIXES
