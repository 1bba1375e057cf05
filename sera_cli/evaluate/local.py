"""The environment of a repository of one's own that is already on this machine: no network is needed for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sera_cli import ignore
from sera_cli.errors import DataError
from sera_cli.evaluate import building, compiled, repositories
from sera_cli.evaluate.bases import Bases, Standing
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.script import script
from sera_cli.evaluate.toolchains import Ground
from sera_cli.export import export, settle
from sera_cli.git import Checkout
from sera_cli.harness.sandbox import PLAIN, ROOT, Sandbox, Shown, Terms, bubblewrap, choose
from sera_cli.harness.sandbox.private import private_folder
from sera_cli.types import digest

SECONDS = 1800.0
"""Seconds that preparing one commit may take."""


class LocalPlace:
    """A Place. `repository` is the repository, or the folder of its clone; `scratch` holds what sandboxes stand on.

    `setup` is a bash command that is run once in each commit's checkout, without a network; what it leaves there is
    part of the commit for whoever works on it. It is run again before the tests where a patch changes what is compiled.
    """

    name = "local"

    def __init__(
        self, repository: Path, ground: Ground, scratch: Path, *, setup: str = "", sandbox: str = "auto",
        terms: Terms = PLAIN,
    ) -> None:
        self._repository, self._ground, self._setup = repository, ground, setup
        self._terms = replace(terms, **ground.terms())
        self._bases, self._maker = Bases(scratch), choose(sandbox, self._terms)

    def prepare(self, instance: Instance) -> str:
        with self._held(instance):
            rules = ignore.rules(self._checkout(instance))
            return digest([self.name, self._ground.digest, sorted(self._ground.variables), self._setup, rules], 16)

    def sandbox(self, instance: Instance) -> Sandbox:
        standing = Standing(lambda: self._held(instance), self._maker)
        standing.isolates = self._maker.isolates
        return standing

    def script(self, instance: Instance) -> str:
        config = instance.install_config or InstallConfig()
        again = compiled.again(self._setup) if config.language == "python" else []
        return script(instance, config.test_cmd, (*config.eval_commands, *again))

    @contextmanager
    def _held(self, instance: Instance) -> Iterator[Path]:
        checkout = self._checkout(instance)

        def make(part: Path) -> None:
            export(checkout, part, ignore.hidden(checkout))
            if self._setup:
                self._set_up(part)

        with self._bases.held(instance.base_commit, make) as base:
            yield base

    def _checkout(self, instance: Instance) -> Checkout:
        try:
            return repositories.checkout(self._repository, instance.repo, instance.base_commit)
        except DataError as error:
            raise Unprepared(str(error)) from error

    def _set_up(self, part: Path) -> None:
        """Raises Unprepared where the command fails, with the last thing it said."""
        if problem := bubblewrap.probe():
            raise Unprepared(f"the setup command is run in bubblewrap: {problem}")
        log = part.with_name(f"{part.name}.log")
        with private_folder(part.parent) as folder:
            walls = bubblewrap.workshop(folder, (Shown(part, ROOT),), self._terms)
            lines = f"cd {ROOT} && {{ {self._setup}\n}}"
            if not building.ran(walls, lines, log, SECONDS, self._terms.cancelled):
                raise Unprepared(f"the setup command fails: {building.last(log)}")
        settle(part)
