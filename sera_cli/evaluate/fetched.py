"""What a repository in another language than Python depends on, fetched by that language's own program.

Only where the network was allowed: the names of what it depends on then leave this machine.
"""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from sera_cli import store
from sera_cli.config import home
from sera_cli.errors import DataError
from sera_cli.evaluate import building, repositories
from sera_cli.evaluate.building import FOUND
from sera_cli.evaluate.environments import USED, alone
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.local import LocalPlace
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.toolchains import Ground, toolchain
from sera_cli.export import export
from sera_cli.git import Checkout, tracked
from sera_cli.harness.sandbox import PLAIN, ROOT, Sandbox, Shown, Terms, bubblewrap
from sera_cli.harness.sandbox.private import private_folder, remove
from sera_cli.presence import Uses
from sera_cli.types import digest

SECONDS = 1800.0
"""Seconds that fetching may take."""

MARKER = "made"
LOCKS = frozenset({
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", ".npmrc", "go.mod",
    "go.sum", "go.work", "Cargo.toml", "Cargo.lock",
})  # fmt: skip
"""What the files are called that decide what is fetched, wherever they lie."""

KEPT = {
    "go": {"GOPATH": f"{FOUND}/go", "GOTOOLCHAIN": "local"}, "rust": {"CARGO_HOME": f"{FOUND}/cargo"},
    "javascript": {},
}  # fmt: skip
"""Where each language's program puts what it fetches."""

MODULES = f"; if [ -d node_modules ]; then mv node_modules {FOUND}/; fi"
"""Node looks in every folder above a repository too; so the modules are no part of it."""


class FetchedPlace:
    """A Place. What was fetched for one commit serves all that ask for the same. `offline` takes what is there."""

    name = "fetched"

    def __init__(
        self, repository: Path, scratch: Path, *, setup: str = "", terms: Terms = PLAIN, offline: bool = False,
        cache: Path | None = None,
    ) -> None:
        self._repository, self._scratch, self._setup = repository, scratch, setup
        self._terms, self._offline = terms, offline
        self._cache = (cache or home("cache")) / "evaluate" / "fetched"
        self._known: dict[str, LocalPlace] = {}
        self._uses = Uses()

    def prepare(self, instance: Instance) -> str:
        return self._local(instance).prepare(instance)

    def sandbox(self, instance: Instance) -> Sandbox:
        return self._local(instance).sandbox(instance)

    def script(self, instance: Instance) -> str:
        return self._local(instance).script(instance)

    def _local(self, instance: Instance) -> LocalPlace:
        try:
            checkout = repositories.checkout(self._repository, instance.repo, instance.base_commit)
        except DataError as error:
            raise Unprepared(str(error)) from error
        config = instance.install_config or InstallConfig()
        ground = toolchain(config.language)
        locks = sorted((file.path, file.blob) for file in tracked(checkout) if file.path.rpartition("/")[2] in LOCKS)
        wanted = digest([config.language, config.install, ground.digest, locks, instance.repo], 16)
        if wanted not in self._known:
            if config.install:
                with self._uses.begun(self._cache / wanted / USED):
                    fetch(config, checkout, self._cache / wanted, self._terms, offline=self._offline)
                ground = found(config.language, ground, self._cache / wanted / "env")
            self._known[wanted] = LocalPlace(
                self._repository, ground.model_copy(update={"digest": wanted}), self._scratch / wanted,
                setup=self._setup, sandbox="bubblewrap", terms=self._terms,
            )  # fmt: skip
        return self._known[wanted]


def fetch(config: InstallConfig, checkout: Checkout, folder: Path, terms: Terms, *, offline: bool = False) -> None:
    """Fetches what a commit depends on into `folder`, unless it is there. Raises Unprepared, Cancelled."""
    with alone(folder, terms.cancelled):
        if (folder / MARKER).exists():
            return
        if offline:
            raise Unprepared("offline: what it depends on is not there yet, and would be fetched from the network")
        if problem := bubblewrap.probe():
            raise Unprepared(f"what it depends on is fetched in bubblewrap: {problem}")
        terms.tell(f"fetching over the network what {checkout.name} depends on: {config.install}")
        for part in ("env", "checkout"):
            remove(folder / part)
        (folder / "env").mkdir()
        (folder / "log").unlink(missing_ok=True)
        try:
            export(checkout, folder / "checkout")
            _run(config, folder, terms)
        finally:
            remove(folder / "checkout")
        store.atomically(folder / MARKER, b"")


def found(language: str, ground: Ground, environment: Path) -> Ground:
    """The ground on which programs find what was fetched."""
    modules = environment / "node_modules"
    shown = [Shown(environment, FOUND), *([Shown(modules, "/node_modules")] if modules.is_dir() else [])]
    return ground.model_copy(
        update={"shown": (*ground.shown, *shown), "variables": ground.variables | KEPT[language]})


def _run(config: InstallConfig, folder: Path, terms: Terms) -> None:
    ground = toolchain(config.language)
    variables = _sources(config.language) | KEPT[config.language]
    terms = replace(terms, shown=tuple(one for one in ground.shown if not one.inside), path=ground.path,
                    variables=variables)  # fmt: skip
    writable = (Shown(folder / "env", FOUND), Shown(folder / "checkout", ROOT))
    modules = MODULES if config.language == "javascript" else ""
    script = f"cd {ROOT} && {{ {config.install}\n}} || exit 1{modules}"
    with private_folder(folder) as place:
        walls = bubblewrap.workshop(place, writable, terms, network=True)
        if not building.ran(walls, script, folder / "log", SECONDS, terms.cancelled):
            why = f"{building.last(folder / 'log')} (all of it: {folder / 'log'})"
            raise Unprepared(f"what it depends on cannot be fetched: {why}")


def _sources(language: str) -> dict[str, str]:
    """Where packages come from by the user's own settings, as far as they are no secret."""
    passed = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    match language:
        case "go":
            names = ("GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE")
            values = _told("go", "env", *names).split("\n")
            return passed | {name: value for name, value in zip(names, values, strict=False) if value}
        case "javascript":
            registry = _told("npm", "config", "get", "registry")
            return passed | ({"NPM_CONFIG_REGISTRY": registry} if registry.startswith("http") else {})
        case _:
            return passed


def _told(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd="/")
    except OSError:
        return ""
    return done.stdout.strip()
