"""Where the tests of a repository of one's own are run, by what its owner says and allows.

An environment of the owner's is taken as it is. Where the network is allowed, one is built from what the repository
says of itself: the names of what it depends on then leave this machine. Else there is what this machine has.
"""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from sera_cli.evaluate import pythons
from sera_cli.evaluate.fetched import FetchedPlace
from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.local import LocalPlace
from sera_cli.evaluate.places import Place, Unprepared
from sera_cli.evaluate.runners import packaging
from sera_cli.evaluate.runners.runner import Runner, Tree
from sera_cli.evaluate.toolchains import environment, toolchain
from sera_cli.evaluate.venv import VenvPlace
from sera_cli.harness.sandbox import PLAIN, Terms
from sera_cli.types import Value


class Allowed(Value):
    """What the owner says: an environment of theirs, a command that sets up a checkout, whether builds may use the
    network, and whether nothing may be fetched that is not there yet.
    """

    venv: Path | None = None
    setup: str = ""
    network: bool = False
    offline: bool = False

    @property
    def environment(self) -> Literal["venv", "network", "here"]:
        """Where what the tests need comes from."""
        return "venv" if self.venv else "network" if self.network else "here"


NOTHING = Allowed()


def place(
    repository: Path, language: str, allowed: Allowed, scratch: Path, *, sandbox: str = "auto", terms: Terms = PLAIN
) -> Place:
    """The place for all commits of a repository; what its sandboxes stand on is in `scratch`, or in the user's cache.

    Raises Unprepared where what is needed is not on this machine, SandboxError for a sandbox that does not work here.
    """
    if allowed.environment == "network" and language == "python":
        return VenvPlace(repository, terms=terms, offline=allowed.offline)
    if allowed.environment == "network":
        return FetchedPlace(repository, scratch, setup=allowed.setup, terms=terms, offline=allowed.offline)
    ground = environment(allowed.venv) if allowed.venv else toolchain(language, repository)
    return LocalPlace(repository, ground, scratch, setup=allowed.setup, sandbox=sandbox, terms=terms)


def config(runner: Runner, tree: Tree, allowed: Allowed, created: str = "") -> InstallConfig:
    """How a commit that was `created` at some time (ISO 8601) is installed and tested. A setup command stands for all
    that would be installed of Python; without a lock that is what there was in the month of the commit.

    Of the Pythons that the repository runs on it names one that this machine has, if there is one.
    """
    found = runner.config(tree)
    if runner.language != "python":
        return found
    changes: dict[str, object] = {"python": _python(tree) or found.python}
    if created and allowed.environment == "network" and not packaging.has_lock(tree):
        changes["until"] = _month_after(created)
    if allowed.setup and allowed.environment == "network":
        changes |= {"packages": "", "reqs_path": (), "pip_packages": (), "install": allowed.setup}
    return found.model_copy(update=changes)


def _month_after(created: str) -> str:
    """The end of its month: one environment does for all commits of it that ask for the same."""
    year, month = int(created[:4]), int(created[5:7])
    return f"{year + month // 12}-{month % 12 + 1:02}-01T00:00:00Z"


def _python(tree: Tree) -> str:
    for release in packaging.pythons(tree):
        with suppress(Unprepared):
            pythons.python(release)
            return release
    return ""
