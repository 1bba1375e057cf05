"""`sera init`: gives a project its `.sera/` folder with a commented config, and, when asked, with its own issues."""

import json
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from sera_cli.cli.options import Project
from sera_cli.console import say, show
from sera_cli.errors import ConfigError, SeraError
from sera_cli.wording import counted

ISSUES = ".sera/issues.jsonl"
MOST = 500
"""Issues that are asked for: as many as are ever drawn from."""

PATIENCE = 300.0
"""Seconds that gh may take."""


def init(
    project: Project = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over a config that is there.")] = False,
    demos: Annotated[
        bool, typer.Option("--demos", help="Fetch the project's issues with gh, to take the style from them.")] = False,
) -> None:
    """Write .sera/config.toml: every setting, its default, its use."""
    from sera_cli.config import project_file, written
    from sera_cli.store import atomically

    file = project_file(project)
    if file.exists() and not force and not demos:
        raise ConfigError(f"{file} is there already; --force writes over it")
    fetched = _fetched(project) if demos else None
    file.parent.mkdir(exist_ok=True)
    atomically(file.parent / ".gitignore", b"*\n")
    if fetched is not None:
        atomically(file.parent.parent / ISSUES, b"".join(map(_line, fetched)))
        show(str(file.parent.parent / ISSUES))
        say(f"{counted(len(fetched), 'issue')}, as GitHub tells them")
    if file.exists() and not force:
        say(f'To take the style from them, set demonstrations = "{ISSUES}" in {file}')
        return
    text = written()
    if fetched is not None:
        text = text.replace('#demonstrations = ""', f'demonstrations = "{ISSUES}"')
    atomically(file, text.encode())
    show(str(file))
    say("Edit it, then see what is in force: sera config show --origin")


def _fetched(project: Path) -> list[dict[str, Any]]:
    """The project's issues by GitHub's command line: the one thing here that uses the network, and only if asked."""
    from sera_cli.config import resolve

    if resolve(project).config.privacy.offline:
        raise ConfigError("--demos asks GitHub, and privacy.offline is set; leave out one of the two")
    command = ["gh", "issue", "list", "--state", "all", "--limit", str(MOST), "--json", "number,title,body"]
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise ConfigError(f"--demos needs gh, GitHub's command line; install it, or write {ISSUES} yourself") from None
    except subprocess.TimeoutExpired:
        raise SeraError(f"gh did not answer in {PATIENCE:.0f} seconds; try `gh issue list` by hand") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it gives no reason"]
        raise SeraError(f"gh cannot list the issues: {said[0]}; try `gh issue list` by hand")
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise SeraError("gh answered with something that is not JSON; is it GitHub's command line?") from error
    return [issue for issue in found if isinstance(issue, dict)]


def _line(issue: dict[str, Any]) -> bytes:
    """An issue in the shape of GitHub's API, without secrets."""
    from sera_cli.redact import redact

    texts = {key: redact(str(issue.get(key) or "")) for key in ("title", "body")}
    return json.dumps({"number": issue.get("number"), **texts}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
