"""A run is a folder: the settings of its stages, a file per stage, the adapter. This module names and guards them."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from socket import gethostname
from time import sleep
from typing import IO, Any

from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.store import SCHEMA, atomically
from sera_cli.types import Value, digest

Settings = dict[str, Any]


class Run(Value):
    """The paths of one run. A stage's file holds Records of one kind."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def functions(self) -> Path:
        return self.folder / "1-functions.jsonl"

    @property
    def explored(self) -> Path:
        return self.folder / "2-explored.jsonl"

    @property
    def issues(self) -> Path:
        return self.folder / "3-issues.jsonl"

    @property
    def reproduced(self) -> Path:
        return self.folder / "4-reproduced.jsonl"

    @property
    def verdicts(self) -> Path:
        return self.folder / "5-verdicts.jsonl"

    @property
    def samples(self) -> Path:
        return self.folder / "6-samples.jsonl"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def adapter(self) -> Path:
        return self.folder / "adapter"

    @property
    def metrics(self) -> Path:
        return self.training / "metrics.jsonl"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"


def home(root: Path) -> Path:
    """`.sera` of a project, which keeps itself out of version control."""
    folder = root / ".sera"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror}); sera keeps its runs there", folder) from error
    return folder


def named(root: Path, name: str) -> Run:
    """The run of that name in a project. Raises ConfigError for a name that is no plain folder name."""
    if not re.fullmatch(r"[\w][\w.+-]*", name):
        raise ConfigError(f"--run {name!r}: use letters, digits, '.', '_', '+' and '-'")
    return Run(folder=root / ".sera" / "runs" / name)


@contextmanager
def held(run: Run) -> Iterator[Run]:
    """Creates the folder, inside a `.sera` that keeps itself out of version control, and holds it for this process.

    Raises SeraError, which says who, when another process holds it.
    """
    try:
        home(run.folder.parent.parent.parent)
        run.folder.mkdir(parents=True, exist_ok=True)
        file = (run.folder / "lock").open("a+")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", run.folder) from error
    with file:
        if not _locked(file, fcntl.LOCK_EX):
            raise SeraError(
                f"another sera works in {run.folder} ({_holder(file)}); wait for it, or name another run with --run"
            )
        file.truncate(0)
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {gethostname()} since {now}")
        file.flush()
        yield run


def holder(run: Run) -> str:
    """Who works in a run, in words; empty when nobody does."""
    try:
        with (run.folder / "lock").open("r") as file:
            return "" if _locked(file, fcntl.LOCK_SH) else _holder(file)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", run.folder / "lock") from error


def _locked(file: IO[str], kind: int) -> bool:
    """Whether the lock could be had; asked for again after a moment, for whoever only looks holds it for as long."""
    for pause in (0.05, 0.1, 0.0):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            sleep(pause)
    return False


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read(300).strip() or "a process that has not said who it is"


def settled(run: Run) -> dict[str, Settings]:
    """The settings of the stages that have begun, by stage."""
    if not run.settings.exists():
        return {}
    try:
        body = json.loads(run.settings.read_bytes())
        schema, stages = body["sera"], {stage: dict(values) for stage, values in body["stages"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("cannot be read; restore it, or start another run with --run", run.settings) from error
    if schema != SCHEMA:
        text = f"schema {schema}; this sera reads schema {SCHEMA}: use the version that wrote it"
        raise DataError(text, run.settings)
    return stages


def settle(run: Run, stage: str, settings: Settings, *, remake: bool = False) -> bool:
    """Records what a stage depends on; true when it was recorded before and has not changed.

    Raises ConfigError naming the keys that differ, unless the stage is one to `remake`.
    """
    stages = settled(run)
    before = stages.get(stage)
    if before == settings:
        return True
    if before is not None and not remake:
        keys = ", ".join(
            f"{key} (was {_brief(before.get(key))}, now {_brief(settings.get(key))})"
            for key in sorted({*before, *settings})
            if before.get(key) != settings.get(key)
        )
        raise ConfigError(
            f"run {run.name} was begun with other settings: {keys}; undo that, or name another run with --run"
        )
    body = {"sera": SCHEMA, "stages": stages | {stage: settings}}
    atomically(run.settings, json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    return False


def default_name(repository: str, commit: str, settings: Settings) -> str:
    """`<repository>-<commit>-<digest>`: the same command finds its run again, a different one starts another."""
    plain = re.sub(r"[^\w.+-]+", "-", repository).strip("-.") or "repository"
    return f"{plain}-{commit[:8]}-{digest(settings, 6)}"


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
