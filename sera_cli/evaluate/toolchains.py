"""What commands find of this machine beside its system: an environment of the user's, or a language's programs."""

import os
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from sys import version_info
from typing import Any

from pydantic import Field

from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.pythons import asked
from sera_cli.harness.sandbox import ROOT, Shown
from sera_cli.types import Value, digest

PATIENCE = 30.0
"""Seconds that a program may take to say where it lies."""

SYSTEM = Path("/usr")
IMPORTED = f"{ROOT}:{ROOT}/src"
"""Where Python finds the repository: in the checkout, whatever an environment has under the same name."""


class Ground(Value):
    """Folders that are shown read-only, those where programs are looked for first, and variables.

    `digest` is of what can be told about them: versions and what is installed.
    """

    shown: tuple[Shown, ...] = ()
    path: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    digest: str = ""

    def terms(self) -> dict[str, Any]:
        """The fields of Terms."""
        return {"shown": self.shown, "path": self.path, "variables": self.variables}


def environment(folder: Path) -> Ground:
    """A Python environment of the user's: venv, virtualenv or conda. The repository is imported from the checkout.

    Raises Unprepared where it has no Python that runs.
    """
    folder = folder.absolute()
    interpreter = asked(folder / "bin" / "python")
    if interpreter is None:
        raise Unprepared(f"{folder} has no bin/python that runs; name the folder of an environment")
    packages = sorted(path.name for path in folder.glob("lib*/python3*/site-packages/*-info"))
    return Ground(
        shown=tuple(map(Shown, _outside(folder, interpreter.home))), path=(f"{folder}/bin",),
        variables={"VIRTUAL_ENV": str(folder), "PYTHONPATH": IMPORTED, "PYTHONNOUSERSITE": "1"},
        digest=digest([interpreter.name, packages], 16),
    )  # fmt: skip


def toolchain(language: str, checkout: Path | None = None) -> Ground:
    """The programs of go, rust or javascript on this machine and the packages they once fetched, told to fetch nothing;
    for Python the one that runs this. `checkout` is the user's, where node_modules may lie.

    Raises Unprepared where they are not there.
    """
    match language:
        case "go":
            told = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOTELEMETRY": "off", "GOCACHE": "/tmp/go-build"}
            fetched = _fetched(Path(_said("go", "env", "GOMODCACHE")), "/opt/go/pkg/mod")
            told["GOPATH"] = "/opt/go" if fetched else "/tmp/go"
            return _ground("go", Path(_said("go", "env", "GOROOT")), told, fetched)
        case "rust":
            home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
            fetched = [one for name in ("registry", "git") for one in _fetched(home / name, f"/opt/cargo/{name}")]
            told = {"CARGO_NET_OFFLINE": "true", "CARGO_HOME": "/opt/cargo" if fetched else "/tmp/cargo"}
            return _ground("cargo", Path(_said("rustc", "--print", "sysroot")), told, fetched)
        case "javascript":
            told = {"NPM_CONFIG_OFFLINE": "true", "NPM_CONFIG_UPDATE_NOTIFIER": "false", "CI": "true"}
            fetched = _fetched(checkout / "node_modules", "/node_modules") if checkout else []
            return _ground("node", _program("node").resolve().parent.parent, told, fetched)
        case "python":
            there = sorted(f"{one.name} {one.version}" for one in distributions())
            return Ground(variables={"PYTHONPATH": IMPORTED}, digest=digest([version_info[:3], there], 16))
        case _:
            raise Unprepared(f"no environment is made for {language}")


def _ground(program: str, home: Path, variables: dict[str, str], fetched: list[Shown]) -> Ground:
    own = _outside(home)
    version = _said(str(home / "bin" / program), "version" if program == "go" else "--version")
    return Ground(
        shown=(*map(Shown, own), *fetched), path=tuple(f"{folder}/bin" for folder in own), variables=variables,
        digest=digest([version, bool(fetched)], 16),
    )  # fmt: skip


def _outside(*folders: Path) -> list[Path]:
    """Those of the folders that neither the system nor one before them shows."""
    kept: list[Path] = []
    for folder in folders:
        if not any(folder.resolve().is_relative_to(known.resolve()) for known in (SYSTEM, *kept)):
            kept.append(folder)
    return kept


def _fetched(folder: Path, inside: str) -> list[Shown]:
    """What a language's own program downloaded in the past, where it looks for it inside."""
    return [Shown(folder.resolve(), inside)] if folder.is_dir() else []


def _said(*command: str) -> str:
    """What a program says of itself, in one line."""
    _program(command[0])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "GOTOOLCHAIN": "local"}, cwd="/",
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        raise Unprepared(f"{command[0]} does not run here: {done.stderr.strip()[-200:] or 'it says nothing'}")
    return done.stdout.strip()


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Unprepared(f"{name} is not on this machine; install it, and put it on PATH")
    return Path(found)
