"""What a repository may not decide for its user: where code and keys go, where commands run, what may be fetched."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.config import Config
    from sera_cli.git import Checkout

FLAGS = {
    "teacher.model": "--teacher", "teacher.url": "--teacher-url", "teacher.flags": "SERA_TEACHER_FLAGS",
    "rollout.sandbox": "--sandbox", "env.network": "SERA_ENV_NETWORK",
    "train.report_to": "--report-to", "privacy.offline": "SERA_PRIVACY_OFFLINE",
    "cost.allow_unpriced": "--allow-unpriced", "eval.venv": "SERA_EVAL_VENV",
}  # fmt: skip


def opening(config: "Config") -> list[str]:
    """The settings that open a way to the network, as they stand."""
    ways = {"privacy.offline": not config.privacy.offline, "env.network": config.env.network}
    return [key for key, open_ in ways.items() if open_]


def must_be_the_users(risky: Iterable[str], origins: Mapping[str, str], checkout: "Checkout", repo: Path) -> None:
    """Raises ConfigError when a config file that the repository itself brings sets one of these keys.

    Whoever wrote that would be sent the code and the key, or could run commands on this machine.
    """
    named = {key: Path(origins[key]) for key in risky if origins[key].endswith("config.toml")}
    theirs = _brought(checkout, repo) if named else set()
    for key, file in named.items():
        there = (file.resolve(), file.parent.resolve() / file.name)
        if any(place in theirs for path in there for place in (path, *path.parents)):
            raise ConfigError(
                f"{file} sets {key} and is part of the repository; "
                f"say it yourself, with {FLAGS[key]} or in your own config"
            )


def _brought(checkout: "Checkout", repo: Path) -> set[Path]:
    """Every file and submodule that the repository brings, at the commit in use and at the one checked out."""
    from sera_cli import git

    root = checkout.root.resolve()
    both = (checkout, git.open_repository(repo))
    return {root / path for one in both for path in (*one.submodules, *(file.path for file in git.tracked(one)))}
