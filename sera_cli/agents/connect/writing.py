"""A tool's settings written, a backup kept beside each file, and all of it taken back.

A note says which files were written, and what was: not what stood there, which may be a secret and is in the backup.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from sera_cli.agents.connect import flat, jsonc
from sera_cli.agents.connect.wiring import File, Wiring, leaves
from sera_cli.errors import ConfigError, DataError
from sera_cli.types import Value

BACKUP = ".before-sera"


class Written(Value):
    """A file that was written: its digest since, where its backup is (empty: there was no file), and our settings."""

    path: str
    backup: str
    digest: str
    settings: File


class Note(Value):
    files: tuple[Written, ...]


def write(found: Wiring, note: Path, environ: Mapping[str, str]) -> list[Path]:
    """Puts the settings into the tool's files, in place of any that were put there before.

    Raises DataError, before anything is written, for a file that cannot be read as what it is.
    """
    if note.exists():
        undo(note)
    ready = [(file, path := _real(file.path(environ)), _edited(file, path)) for file in found.file]
    for _, path, _ in ready:
        if (old := path.with_name(path.name + BACKUP)).exists():
            raise DataError("is there already, and nothing says what for; move it away first", old)
    note.parent.mkdir(parents=True, exist_ok=True)
    files = []
    for file, path, text in ready:
        backup = _kept(path)
        files.append(Written(path=str(path), backup=backup, digest=_digest(text), settings=file))
        _replace(note, Note(files=tuple(files)).model_dump_json(indent=2).encode())
        _replace(path, text)
    return [Path(one.path) for one in files]


def undo(note: Path) -> list[str]:
    """Takes back what `write` put there, and says of each file what became of it.

    A file that nobody changed since is again what it was, byte for byte; in another one only what is still ours goes.
    """
    try:
        files = Note.model_validate_json(note.read_bytes()).files
    except FileNotFoundError as error:
        raise ConfigError("nothing was written for it by --write, so there is nothing to take back") from error
    except (OSError, ValidationError) as error:
        raise DataError("cannot be read; take the settings back from the backups beside them", note) from error
    told = [_taken_back(one, Path(one.path)) for one in files]
    note.unlink()
    return told


def _taken_back(one: Written, path: Path) -> str:
    backup = Path(one.backup) if one.backup else None
    if backup and not backup.exists():
        return f"{path} was left: its backup {backup} is gone"
    if not path.exists():
        return f"{path} is gone already"
    if _digest(path.read_bytes()) == one.digest:
        if backup:
            backup.replace(path)
            return f"{path} is as it was"
        path.unlink()
        return f"{path} was made by sera, and is gone"
    _replace(path, _without(one.settings, path, backup.read_bytes() if backup else b""))
    if backup:
        backup.unlink()
    return f"{path} was changed since; what sera put there is gone, and the rest is left"


def _edited(file: File, path: Path) -> bytes:
    text, style = _text(path), _style(file.style)
    try:
        for place, value in leaves(file):
            _may(style.get(text, place), value, file, place)
            text = style.put(text, place, value)
    except (ValueError, RecursionError) as error:
        raise DataError(f"cannot be changed safely: {error}; put the settings there by hand", path) from error
    return text.encode()


def _may(there: Any, value: Any, file: File, place: tuple[str, ...]) -> None:
    """Raises ValueError where a list of the user's would be lost for one of ours."""
    if file.style == "yaml" and value.startswith("[") and there is not None:
        raise ValueError(f"it has {place[0]} already")


def _without(file: File, path: Path, before: bytes) -> bytes:
    """The file with each setting that is still ours as it was before."""
    text, old, style = _text(path), before.decode(), _style(file.style)
    try:
        for place, value in leaves(file):
            if style.get(text, place) != value:
                continue
            was = style.get(old, place)
            text = style.drop(text, place) if was is None else style.put(text, place, was)
            for end in range(len(place) - 1, 0, -1):  # what was made only to hold it
                if style.get(text, place[:end]) == {} and style.get(old, place[:end]) is None:
                    text = style.drop(text, place[:end])
    except (ValueError, RecursionError) as error:
        raise DataError(f"was changed since, and cannot be read: {error}; put it right and try again", path) from error
    return text.encode()


def _style(name: str) -> Any:
    """How a file of that style is read and changed: `get`, `put` and `drop`, by a path."""
    match name:
        case "json":
            return jsonc
        case "toml":  # a file of our own, as a whole
            return SimpleNamespace(
                get=lambda text, _: text or None, put=lambda _, __, value: value, drop=lambda *_: ""
            )
    return SimpleNamespace(
        get=lambda text, path: flat.get(text, path, name),
        put=lambda text, path, value: flat.put(text, path, value, name),
        drop=lambda text, path: flat.drop(text, path, name),
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path) from error


def _real(path: Path) -> Path:
    """The file that a link of somebody's dotfiles points to: a link stays one."""
    return Path(os.path.realpath(path))


def _kept(path: Path) -> str:
    """A copy of the file beside it, for its owner alone; empty where there is no file."""
    if not path.exists():
        return ""
    backup = path.with_name(path.name + BACKUP)
    shutil.copy2(path, backup)
    backup.chmod(0o600)
    return str(backup)


def _replace(path: Path, data: bytes) -> None:
    """Writes a file in one step, for its owner alone where there was none."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
        part.chmod(mode)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot be written: {error.strerror or error}", path) from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
