"""The environment of a repository of one's own that is already on this machine: no network, nothing built."""

from dataclasses import replace
from pathlib import Path

from sera_cli.evaluate import repositories, script
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.toolchains import Ground
from sera_cli.export import export
from sera_cli.harness.sandbox import PLAIN, Sandbox, Terms, choose
from sera_cli.types import digest


class LocalPlace:
    """A Place. The repository, alone or in a folder of clones, is `repository`; its exports are kept in `scratch`."""

    name = "local"

    def __init__(
        self, repository: Path, ground: Ground, scratch: Path, *, sandbox: str = "auto", terms: Terms = PLAIN
    ) -> None:
        self._repository, self._ground, self._scratch = repository, ground, scratch
        self._maker = choose(sandbox, replace(terms, **ground.terms()))

    def prepare(self, instance: Instance) -> str:
        self._exported(instance)
        return digest([self.name, self._ground.digest, sorted(self._ground.variables)], 16)

    def sandbox(self, instance: Instance) -> Sandbox:
        return self._maker(self._exported(instance))

    def script(self, instance: Instance) -> str:
        config = instance.install_config or InstallConfig()
        return script.script(instance, config.test_cmd, config.eval_commands)

    def _exported(self, instance: Instance) -> Path:
        folder = self._scratch / "exports" / instance.base_commit
        export(repositories.checkout(self._repository, instance.repo, instance.base_commit), folder)
        return folder
