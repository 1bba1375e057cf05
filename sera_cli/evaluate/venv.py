"""The venv place: environments without images, made from specifications on this machine and used in bubblewrap."""

import os
import shutil
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from sera_cli import ignore
from sera_cli.config import home
from sera_cli.errors import DataError
from sera_cli.evaluate import building, compiled, environments, pythons, repositories
from sera_cli.evaluate.bases import Bases, Standing
from sera_cli.evaluate.environments import Made
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.script import script
from sera_cli.evaluate.specification import Specification, specification
from sera_cli.export import export, settle
from sera_cli.git import Checkout
from sera_cli.harness.sandbox import PLAIN, Sandbox, Terms, bubblewrap
from sera_cli.harness.sandbox.bubblewrap import BubblewrapSandbox
from sera_cli.harness.sandbox.copy import shared
from sera_cli.presence import Uses
from sera_cli.types import digest


class VenvPlace:
    """A Place. `repos` holds the clones; environments and checkouts lie in the user's cache, or in `cache`. The
    environments that were asked for stay there as long as this does.

    With `newer`, where a Python of the version that is asked for is not on this machine, the next one is taken:
    validation tells whether that does. `offline` uses what was built before.
    """

    name = "venv"

    def __init__(
        self, repos: Path, *, terms: Terms = PLAIN, newer: bool = False, offline: bool = False,
        cache: Path | None = None,
    ) -> None:
        self._repos, self._terms, self._newer, self._offline = repos, terms, newer, offline
        self._cache = (cache or home("cache")) / "evaluate"
        self._bases, self._shared = Bases(self._cache / "bases"), shared(terms)
        self._known: dict[str, Made | Unprepared] = {}
        self._uses = Uses()

    def prepare(self, instance: Instance) -> str:
        specified, made = self._environment(instance)
        try:
            with self._held(instance, specified, made):
                rules = ignore.rules(self._checkout(instance))
                return digest([made.digest, rules], 16) if rules else made.digest
        except DataError as error:
            raise Unprepared(f"{instance.instance_id}: {error}") from error

    def sandbox(self, instance: Instance) -> Sandbox:
        specified, made = self._environment(instance)
        terms = environments.use(self._terms, self._folder(specified), made)
        held = partial(self._held, instance, specified, made)
        return Standing(held, lambda base: BubblewrapSandbox(base, None, terms, self._shared))

    def script(self, instance: Instance) -> str:
        specified, command = self._specified(instance), compiled.building(self._checkout(instance))
        return script(instance, specified.test_command, (*specified.before, *compiled.again(command)))

    def _specified(self, instance: Instance) -> Specification:
        try:
            checkout = self._checkout(instance)
            if builder := compiled.unbuilt(instance.patch, checkout):
                raise Unprepared(f"compiled sources change, and {builder} cannot build them here; use images")
            return specification(instance, checkout)
        except DataError as error:
            raise Unprepared(f"{instance.instance_id}: {error}") from error

    def _environment(self, instance: Instance) -> tuple[Specification, Made]:
        """What is wanted, and what is there for it; a build that failed is not tried again by this place."""
        specified = self._specified(instance)
        known = self._known.get(specified.digest)
        if isinstance(known, Unprepared):
            raise known
        if known is None:
            try:
                known = self._made(instance, specified)
            except Unprepared as error:
                self._known[specified.digest] = error
                raise
            self._known[specified.digest] = known
        return specified, known

    def _made(self, instance: Instance, specified: Specification) -> Made:
        if specified.language != "python":
            raise Unprepared(f"no environment is made for {specified.language}; use --environment docker")
        if problem := bubblewrap.probe():
            raise Unprepared(f"environments are used in bubblewrap: {problem}; use --environment docker")
        found = pythons.python(specified.python, newer=self._newer)
        folder, checkout = self._folder(specified), self._checkout(instance)
        try:
            with self._uses.begun(folder / environments.USED):
                return environments.environment(specified, found, checkout, folder, self._terms, offline=self._offline)
        except DataError as error:
            raise Unprepared(f"{instance.instance_id}: {error}") from error

    def _checkout(self, instance: Instance) -> Checkout:
        return repositories.checkout(self._repos, instance.repo, instance.base_commit)

    def _folder(self, specified: Specification) -> Path:
        return self._cache / "venvs" / specified.digest

    def _held(self, instance: Instance, specified: Specification, made: Made) -> AbstractContextManager[Path]:
        """The repository at the instance's commit with the traces of its installation, as one commit."""
        name = f"{instance.base_commit[:16]}-{specified.digest}"
        return self._bases.held(name, partial(self._lay_out, instance, specified, made))

    def _lay_out(self, instance: Instance, specified: Specification, made: Made, part: Path) -> None:
        folder = self._folder(specified)
        checkout = self._checkout(instance)
        export(checkout, part, ignore.hidden(checkout))
        if specified.pre_install:
            terms = environments.use(self._terms, folder, made)
            building.prepare(part, specified.pre_install, terms, part.with_name("log"))
        copy_beside(folder / "left", part)
        settle(part)


def copy_beside(left: Path, checkout: Path) -> None:
    """Puts the files of a folder into a checkout, but for those that it has; a link of it is not followed."""
    for path in sorted(left.rglob("*")):
        at = checkout / path.relative_to(left)
        if path.is_symlink() or not path.is_dir():
            with suppress(FileExistsError, NotADirectoryError):
                at.parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(at) and at.parent.resolve().is_relative_to(checkout.resolve()):
                    shutil.copy2(path, at, follow_symlinks=False)
