"""`sera init`: gives a project its `.sera/` folder with a commented config."""

from pathlib import Path
from typing import Annotated

import typer

from sera_cli.cli.options import Project
from sera_cli.console import say, show
from sera_cli.errors import ConfigError


def init(
    project: Project = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over a config that is there.")] = False,
) -> None:
    """Write .sera/config.toml: every setting, its default, its use."""
    from sera_cli.config import project_file, written
    from sera_cli.store import atomically

    if not project.is_dir():
        raise ConfigError(f"{project}: no such folder")
    file = project_file(project)
    if file.exists() and not force:
        raise ConfigError(f"{file} is there already; --force writes over it")
    file.parent.mkdir(exist_ok=True)
    atomically(file.parent / ".gitignore", b"*\n")
    atomically(file, written().encode())
    show(str(file))
    say("Edit it, then see what is in force: sera config show --origin")
