"""Where a chat works, opened: a sandbox over a commit, or the checkout itself; and what may not decide about it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.console import say
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.agents.talk.places import Place
    from sera_cli.agents.talk.session import Kept
    from sera_cli.config import Config, Resolved
    from sera_cli.git import Checkout
    from sera_cli.harness.sandbox import Maker, Sandbox


def guard(repo: Path, checkout: "Checkout", settings: "Resolved", asked: tuple[str, ...], *, remote: bool) -> None:
    """What the repository brings may neither open the network, nor let the agent out of its sandbox, nor say where code
    and keys go. `asked` are the addresses of the model.
    """
    from sera_cli import offline
    from sera_cli.cli.trust import must_be_the_users, opening

    config = settings.config
    unconfined = ["rollout.sandbox"] if config.rollout.sandbox == "folder" else []
    sent = ["teacher.url", "teacher.flags"] if remote else []
    spending = ["cost.allow_unpriced"] if remote and config.cost.allow_unpriced else []
    must_be_the_users([*unconfined, *sent, *spending, *opening(config)], settings.origins, checkout, repo)
    offline.keep(config.privacy.offline, asked, building=config.env.network)


@contextmanager
def copied(checkout: "Checkout", config: "Config", kept: "Kept | None", *, alone: bool) -> Iterator["Place"]:
    """A sandbox. `alone` says that nobody is asked about what runs in it: it has to isolate then, or be asked for."""
    from sera_cli.agents.talk.places import Copied
    from sera_cli.cli.env import log, terms
    from sera_cli.harness.sandbox import choose

    if checkout.dirty:
        say("note: there are uncommitted changes; the agent sees the repository as committed", prose=True)
    with choose(config.rollout.sandbox, terms(config, checkout, "chat", log())) as kind:
        if alone and not kind.isolates and config.rollout.sandbox != "folder":
            raise ConfigError(
                "commands would run on this machine unconfined, and nobody would be asked: install bubblewrap (see "
                "`sera doctor`), say --sandbox docker, or accept that with --sandbox folder")
        if not kind.isolates:
            say("note: commands are not isolated from this machine here; see `sera doctor`", prose=True)
        commit = kept.begun.partition("\n")[0] if kept and kept.place == "copy" else ""
        with Copied(lambda at: _sandbox(kind, checkout, at), commit or checkout.commit) as place:
            yield place


@contextmanager
def here(checkout: "Checkout", folder: Path, name: str, kept: "Kept | None") -> Iterator["Place"]:
    """The checkout itself. Raises ConfigError where there is none, or nobody to ask."""
    from sera_cli import ignore
    from sera_cli.agents.talk.places import Itself

    if not (checkout.root / ".git").exists():
        raise ConfigError("--here needs a checkout, and this repository is bare")
    if not sys.stdin.isatty():
        raise ConfigError("--here asks about each command and edit, and nobody is at the terminal; leave it out")
    begun, hidden = kept.begun if kept else "", ignore.hidden(checkout)
    with Itself(checkout.root, folder / "snapshots", name, begun, hidden=hidden) as place:
        yield place


@contextmanager
def _sandbox(kind: "Maker", checkout: "Checkout", commit: str) -> Iterator["Sandbox"]:
    from sera_cli import ignore
    from sera_cli.export import export
    from sera_cli.harness.sandbox.private import private_folder

    at = checkout.model_copy(update={"commit": commit})
    with private_folder(label="chat") as scratch:
        export(at, scratch / "base", ignore.hidden(at))
        with kind(scratch / "base", scratch) as sandbox:
            yield sandbox
