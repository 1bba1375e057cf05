"""Finds and renders what a model or a user is shown: the files under templates/.

Repository text is untrusted, so rendering is sandboxed; a variable that a template names and nobody gave is an error.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.types import digest

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def folder() -> Path:
    """templates/ inside the wheel, or beside the package in a checkout."""
    packed = Path(__file__).parent / "_templates"
    return packed if packed.is_dir() else Path(__file__).parent.parent / "templates"


@cache
def text(name: str) -> str:
    return (folder() / name).read_text(encoding="utf-8")


def render(name: str, **values: object) -> str:
    """Renders `templates/<name>` strictly: an undefined variable raises. One trailing newline is dropped."""
    return _compiled(text(name)).render(**values)


def fill(source: str, **values: object) -> str:
    """Renders a template that stands in a table, as strictly."""
    return _compiled(source).render(**values)


@cache
def table(name: str) -> dict[str, Any]:
    return tomllib.loads(text(name))


def fingerprint(pattern: str) -> str:
    """Digest of all templates that match, so that an edited prompt counts as another setting."""
    files = sorted(folder().glob(pattern))
    return digest({str(file.relative_to(folder())): file.read_text(encoding="utf-8") for file in files})


@cache
def _compiled(source: str) -> "Template":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
    return environment.from_string(source)
