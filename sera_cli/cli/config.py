"""`sera config`: what is in force, and which file, variable or flag says so."""

from pathlib import Path
from typing import Annotated

import typer

from sera_cli.cli.options import Json, Project
from sera_cli.console import document, show, table

app = typer.Typer(help="The settings in force.", no_args_is_help=True)


@app.command(name="show")
def show_config(
    project: Project = Path(),
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Tell where each value comes from.")] = False,
    json: Json = False,
) -> None:
    """Every setting in force on a project."""
    from sera_cli.config import resolve

    found = resolve(project)
    if json:
        values = found.config.model_dump()
        document({"config": values, "origins": found.origins} if origin else values)
        return
    rows = [(f"{section}.{key}", toml(value), found.origins[f"{section}.{key}"])
            for section, values in found.config.model_dump().items() for key, value in values.items()]
    if origin:
        show(table(("key", "value", "origin"), rows))
    else:
        show(table(("key", "value"), [row[:2] for row in rows]))


@app.command()
def path(project: Project = Path(), *, json: Json = False) -> None:
    """The files that settings are read from, strongest first."""
    from sera_cli.config import project_file, user_file

    files = {"project": project_file(project), "user": user_file()}
    if json:
        document({kind: {"path": str(file), "exists": file.exists()} for kind, file in files.items()})
        return
    for file in files.values():
        show(str(file) if file.exists() else f"{file} (not there)")


def toml(value: object) -> str:
    import tomli_w

    return tomli_w.dumps({"": value}).partition(" = ")[2].strip()
