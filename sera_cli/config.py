"""What is in force: the value of every knob, and where it comes from.

A flag beats the environment (`SERA_SECTION_KEY`), which beats the project's `.sera/config.toml`, which beats
the user's `config.toml`, which beats the default. The origin of each value is kept.
"""

import os
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sera_cli.errors import ConfigError
from sera_cli.knobs import Config as Config
from sera_cli.knobs import flag_of, knobs, section
from sera_cli.types import Value

FILES = ("generate.demonstrations", "eval.venv")
"""Knobs that name a file or a folder: a relative one is read from the folder of the project whose config says it."""

PLACES = ("student.model", "train.recipe")
"""Knobs that name something known or a place on disk; `./…`, `../…` and `~/…` are places."""


class Resolved(Value):
    """A Config, and where the value of each `section.key` is from: flag, variable, file or `default`."""

    config: Config
    origins: dict[str, str]


def resolve(
    folder: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Resolved:
    """The settings of a command on the project around `folder` (None: no project).

    `flags` maps `section.key` to what the command line said, None where it said nothing. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origins = {key: "default" for key, _ in knobs()}
    for key, value, origin in _said(folder, flags or {}, environ):
        values[key] = value
        origins[key] = origin
    return Resolved(config=_config(values, origins), origins=origins)


def project(folder: Path) -> Path:
    """The root of the project around `folder`: the nearest one with `.sera` or `.git` in it, or `folder`."""
    start = folder.absolute()
    for at in (start, *start.parents):
        if (at / ".sera").is_dir() or (at / ".git").exists():
            return at
    return start


def project_file(folder: Path) -> Path:
    return project(folder) / ".sera" / "config.toml"


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    return home("config", environ) / "config.toml"


def home(kind: Literal["config", "data", "cache"], environ: Mapping[str, str] | None = None) -> Path:
    """The user's folder for what we keep: `$SERA_HOME/<kind>` if that is set, else the platform's (XDG)."""
    import platformdirs

    own = (os.environ if environ is None else environ).get("SERA_HOME")
    if own:
        return Path(own).expanduser().absolute() / kind
    match kind:
        case "config":
            return platformdirs.user_config_path("sera")
        case "data":
            return platformdirs.user_data_path("sera")
        case "cache":
            return platformdirs.user_cache_path("sera")


def written() -> str:
    """A config file with every knob in it, commented out: what is not set here follows the user's file."""
    import tomli_w

    lines = [
        "# Settings of this project for sera. Take the # off a line to set it. A flag and a SERA_SECTION_KEY",
        "# variable beat what is said here; `sera config show --origin` tells what is in force.",
        "",
    ]
    for name, of in Config.model_fields.items():
        model = section(of)
        lines += [f"# {model.__doc__}", f"[{name}]"]
        for key, field in model.model_fields.items():
            lines += [f"# {field.description}", "#" + tomli_w.dumps({key: field.default}).strip()]
        lines.append("")
    return "\n".join(lines)


def _said(
    folder: Path | None, flags: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[tuple[str, Any, str]]:
    """Whatever anyone said, weakest first: (`section.key`, value, origin)."""
    user = user_file(environ)
    yield from _from_file(user, user.parent)
    if folder is not None:
        yield from _from_file(project_file(folder), project(folder))
    yield from _from_environment(environ)
    fields = dict(knobs())
    for key, value in flags.items():
        if value is not None:
            yield key, value, flag_of(fields[key]) or "--set"


def _from_file(path: Path, root: Path) -> Iterator[tuple[str, Any, str]]:
    known = dict(knobs())
    sections = list(Config.model_fields)
    for name, table in _toml(path).items():
        if name not in sections:
            raise ConfigError(f"{path}: unknown section {name}{_nearest(name, sections)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is a section; write [{name}] and its keys below it")
        for key, value in table.items():
            full = f"{name}.{key}"
            if full not in known:
                raise ConfigError(f"{path}: unknown key {full}{_nearest(full, list(known))}")
            yield full, _placed(full, value, root), str(path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """Variables of our sections; an empty one counts as not set."""
    fields = {f"SERA_{key.replace('.', '_').upper()}": (key, field) for key, field in knobs()}
    ours = tuple(f"SERA_{name.upper()}_" for name in Config.model_fields)
    for variable in sorted(environ):
        text = environ[variable]
        if not text or not variable.startswith(ours):
            continue
        if variable not in fields:
            raise ConfigError(f"unknown variable {variable}{_nearest(variable, list(fields))}")
        key, field = fields[variable]
        yield key, _parsed(key, field, text, variable), variable


def _parsed(key: str, field: FieldInfo, text: str, origin: str) -> Any:
    """The value that a text stands for, as the knob's type has it."""
    kind: TypeAdapter[Any] = TypeAdapter(field.annotation or str)
    try:
        return kind.validate_strings(text)
    except ValidationError as error:
        raise _refused(key, text, origin, error) from error


def _placed(key: str, value: Any, root: Path) -> Any:
    """A path that a config file names, made absolute; anything else as it is."""
    if not isinstance(value, str) or not value:
        return value
    if key == "mix.general":
        return sources(said_sources(value), root)
    if key in FILES or (key in PLACES and value.startswith(("./", "../", "~"))):
        return str(root / Path(value).expanduser())
    return value


def assigned(said: Iterable[str], root: Path) -> dict[str, Any]:
    """What `KEY=VALUE` texts set, by `section.key`. Paths are read from `root`.

    Raises ConfigError for a text without `=`, a key that is not known, or a value that is not one of its kind.
    """
    fields, found = dict(knobs()), dict[str, Any]()
    for text in said:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: write KEY=VALUE, as in --set train.epochs=2")
        if key not in fields:
            raise ConfigError(f"--set {text}: unknown key {key}{_nearest(key, list(fields))}")
        found[key] = _placed(key, _parsed(key, fields[key], value, f"--set {text}"), root)
    return found


def sources(said: Iterable[str], root: Path) -> str:
    """Several sources of general data on one line: a file by its whole path, a dataset of a hub as it is said."""
    return shlex.join(str(root / Path(one).expanduser()) if is_file(one) else one for one in said)


def said_sources(line: str) -> list[str]:
    """The sources of general data that one line names. Raises ConfigError for quotes that do not close."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"mix.general is {line!r}: {error}; put quotes around a name with a space in it") from error


def is_file(source: str) -> bool:
    """Whether a source of general data is meant as a file, there or not: by its ending, or by how its path begins."""
    return source.endswith((".jsonl", ".json", ".parquet")) or source.startswith(("/", "./", "../", "~"))


def _config(values: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    sections: dict[str, dict[str, Any]] = {}
    for full, value in values.items():
        name, _, key = full.partition(".")
        sections.setdefault(name, {})[key] = value
    try:
        return Config.model_validate(sections, strict=True)
    except ValidationError as error:
        full = ".".join(map(str, error.errors(include_url=False)[0]["loc"][:2]))
        raise _refused(full, values[full], origins[full], error) from error


def _refused(key: str, value: object, origin: str, error: ValidationError) -> ConfigError:
    reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    reason = reason.removeprefix("Input ")
    return ConfigError(f"{origin}: {key} is {value!r}; it {reason}")


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.0)
    return f"; the nearest known is {close[0]}" if close else ""
