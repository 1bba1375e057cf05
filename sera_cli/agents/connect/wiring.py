"""What a tool is to be told so that it asks an agent: its settings, variables and command line, by templates/connect.

A key stands in none of it: settings name the variable that holds it, and `$SERA_API_KEY` is put in only at a start.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from pydantic import Field

from sera_cli import templates
from sera_cli.types import Value

Client = Literal["claude", "opencode", "codex", "aider", "mini", "zed"]
CLIENTS: tuple[Client, ...] = ("claude", "opencode", "codex", "aider", "mini", "zed")
KEY = "SERA_API_KEY"
MOST = 8192
"""Tokens of a reply, where the context leaves room for four such."""


class Target(Value):
    """The agent that is to be asked, where, and whether the server wants a key. `url` is without `/v1`."""

    agent: str
    url: str
    context: int
    keyed: bool

    @property
    def output(self) -> int:
        return min(MOST, self.context // 4)


class File(Value):
    """A file of the tool's settings, and what is to stand in it.

    A tool that is only started once hears the settings otherwise, as `handed` says: by its environment alone, as the
    `content` of a variable, as `overrides` after a flag each, as a file that a `flag` names; else they are `written`,
    and taken back.
    """

    places: tuple[str, ...]
    names: tuple[str, ...]
    style: Literal["json", "toml", "yaml", "env"]
    settings: dict[str, Any]
    handed: Literal["environment", "content", "overrides", "flag", "written"] = "environment"
    by: str = ""

    def path(self, environ: Mapping[str, str]) -> Path:
        """Where it is: in the first place that the environment knows, by the first name that is there."""
        places = (found for place in self.places if (found := _expanded(place, environ)))
        folder = next(places)
        return next((folder / name for name in self.names if (folder / name).exists()), folder / self.names[-1])


class Wiring(Value):
    """All that one tool is to be told. `command` starts it once its settings are written, `bare` before that.

    With a context of less than `least` tokens it does not get its work done.
    """

    title: str
    install: str
    command: tuple[str, ...]
    bare: tuple[str, ...] = ()
    note: str = ""
    least: int = 0
    unset: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    file: tuple[File, ...]


def wiring(client: Client, target: Target) -> Wiring:
    values = {**target.model_dump(), "output": target.output}
    found = Wiring.model_validate(tomllib.loads(templates.render(f"connect/{client}.jinja", **values)))
    return found if found.bare else found.model_copy(update={"bare": found.command})


def leaves(file: File) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each setting by its path; what a flat file holds is text as it stands there."""
    match file.style:
        case "json":
            yield from _leaves(file.settings, ())
        case "yaml":
            yield from (((key,), json.dumps(value)) for key, value in file.settings.items())
        case "env":
            yield from (((key,), f"'{value}'") for key, value in file.settings.items())
        case "toml":
            yield (), snippet(file)


def snippet(file: File) -> str:
    """The settings as they would stand in the file, had it nothing else in it."""
    import tomli_w

    match file.style:
        case "json":
            return json.dumps(file.settings, indent=2, ensure_ascii=False) + "\n"
        case "toml":
            return tomli_w.dumps(file.settings)
        case "yaml":
            return "".join(f"{path[0]}: {value}\n" for path, value in leaves(file))
        case "env":
            return "".join(f"{path[0]}={value}\n" for path, value in leaves(file))


def overrides(file: File) -> Iterator[str]:
    """Each setting as `a.b=value`, the value in TOML."""
    for path, value in _leaves(file.settings, ()):
        yield f"{'.'.join(path)}={json.dumps(value, ensure_ascii=False)}"


def exports(found: Wiring) -> Iterator[str]:
    """What a shell is told before the tool starts, and its start."""
    if found.unset:
        yield f"unset {' '.join(found.unset)}"
    for name, value in found.environment.items():
        yield f"export {name}=" + (f'"{value}"' if value == f"${KEY}" else quote(value))
    yield " ".join(map(quote, found.bare))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, below in value.items():
        yield from _leaves(below, (*path, key))


def _expanded(place: str, environ: Mapping[str, str]) -> Path | None:
    """A place like `$XDG_CONFIG_HOME/zed`; None where that variable is not set."""
    first, *rest = Path(place).parts
    if first.startswith("$"):
        first = environ.get(first[1:], "")
    elif first == "~":
        first = environ.get("HOME", "") or str(Path.home())
    return Path(first, *rest) if first else None
