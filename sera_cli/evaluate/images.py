"""Environments from the images that benchmarks publish: one an instance, with its repository and all that it needs.

What a rollout works in, and a grade is found in, is cut from such an image: the same files, with one commit of the
repository and no history. What sera fetched itself makes room for the next image when the disk runs short; an image
that was there before is never removed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sera_cli.errors import SandboxError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.script import script
from sera_cli.evaluate.specification import command
from sera_cli.harness.sandbox import ROOT, Terms, daemon
from sera_cli.harness.sandbox.container import House, Stand
from sera_cli.harness.sandbox.cut import Held, cut
from sera_cli.harness.sandbox.docker import DockerSandbox
from sera_cli.types import Value, digest

if TYPE_CHECKING:
    from docker import APIClient

ROOM = 12 << 30
"""Bytes that have to be free where the engine keeps images before one is fetched; most take 2 to 6 GB unpacked."""

SECONDS = 900
"""The longest that the engine may be silent at work on an image of many gigabytes."""

ACTIVATION = ("source /opt/miniconda3/bin/activate", "conda activate testbed")
"""What swebench's own scripts begin with."""


class Published(Value):
    """How images are called, and what is in them; as swebench has it. `namespace` is REGISTRY/NAME, or the name alone.

    A row that names its image is taken at its word. `activate` is bash that makes the environment active.
    """

    namespace: str = "swebench"
    tag: str = "latest"
    arch: str = "x86_64"
    root: str = ROOT
    activate: str = " && ".join(ACTIVATION)

    def image(self, instance: Instance) -> str:
        """The name of an instance's image; images on a hub may have no `__` in their names."""
        if instance.image:
            return instance.image
        name = f"sweb.eval.{self.arch}.{instance.instance_id.lower()}:{self.tag}"
        return f"{self.namespace}/{name.replace('__', '_1776_')}" if self.namespace else name


class ImagePlace:
    """A Place, and a context manager: what was cut from images goes away with it, the images stay.

    `pull` says whether an image that is not on this machine may be fetched. For any number of threads. Raises
    SandboxGone where no engine answers.
    """

    name = "docker"

    def __init__(self, terms: Terms, published: Published | None = None, *, pull: bool = True) -> None:
        self._terms, self._published, self._pull = terms, published or Published(), pull
        self._house = House(terms)
        self._stands: dict[str, tuple[str, Stand]] = {}
        self._fetched: list[str] = []
        self._used: Counter[str] = Counter()
        self._turn, self._fetching, self._making = Lock(), Lock(), defaultdict[str, Lock](Lock)

    def __enter__(self) -> Self:
        daemon.sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(SandboxError):
            client = daemon.connect()
            for _, stand in self._stands.values():
                _discard(client, stand.image)
            client.close()

    def prepare(self, instance: Instance) -> str:
        with self._ready(instance) as (image, _):
            about = self._published.model_dump(include={"root", "activate"})
            return digest(about | {"image": image, "commit": instance.base_commit}, 16)

    def sandbox(self, instance: Instance) -> DockerSandbox:
        @contextmanager
        def lent() -> Iterator[Stand]:
            with self._ready(instance) as (_, stand):
                yield stand

        return DockerSandbox(self._house, lent)

    def script(self, instance: Instance) -> str:
        """Raises Unprepared where nobody says how the tests are run."""
        config = instance.install_config
        if instance.eval_script:
            return script(instance, "", (self._published.activate,))
        if swebench.knows(instance):
            own = "\n".join(_official(instance, self._published.root))
            return script(instance.model_copy(update={"eval_script": own}), "", (self._published.activate,))
        if config and config.test_cmd:
            return script(instance, command(instance, config), (self._published.activate, *config.eval_commands))
        wanted = "give the row an eval_script, or an install_config with a test_cmd"
        raise Unprepared(f"{instance.instance_id}: nobody says how its tests are run; {wanted}")

    @contextmanager
    def _ready(self, instance: Instance) -> Iterator[tuple[str, Stand]]:
        """The id of an instance's image, and what was cut from it, there until it is given back."""
        key = f"{self._published.image(instance)} {instance.base_commit}"
        with self._turn:
            self._used[key] += 1
            making = self._making[key]
        try:
            with making:
                if key not in self._stands:
                    self._stands[key] = self._made(instance)
                found = self._stands[key]
            yield found
        finally:
            with self._turn:
                self._used[key] -= 1

    def _made(self, instance: Instance) -> tuple[str, Stand]:
        name, published = self._published.image(instance), self._published
        held = Held(commit=instance.base_commit, root=published.root, activate=published.activate)
        client = daemon.connect(SECONDS)
        try:
            image = daemon.image(client, name) or self._fetch(client, name)
            return image, cut(client, image, held, self._terms.label)
        except SandboxError as error:
            if error.ends_run:
                raise
            raise Unprepared(f"the image {name} is no environment: {error}") from error
        finally:
            client.close()

    def _fetch(self, client: "APIClient", name: str) -> str:
        if not self._pull:
            raise SandboxError(f"it is not here, and nothing may be fetched; try `docker pull {name}` beforehand")
        with self._fetching:
            self._make_room(client)
            self._terms.tell(f"fetching the image {name}")
            image = daemon.fetch(client, name, cancelled=self._terms.cancelled)
            self._fetched.append(name)
        return image

    def _make_room(self, client: "APIClient") -> None:
        """Removes what was fetched here and is not in use, the oldest first, as long as there is too little room."""
        for name in [*self._fetched]:
            if self._house.free() >= ROOM:
                return
            with self._turn:
                keys = [key for key in self._used if key.partition(" ")[0] == name]
                if not any(self._used[key] for key in keys):
                    cuts = [self._stands.pop(key)[1].image for key in keys if key in self._stands]
                    for made in [*cuts, name]:
                        _discard(client, made)
                    self._fetched.remove(name)
        if self._house.free() < ROOM:
            why = f"less than {ROOM >> 30} GiB are free where the engine keeps images"
            raise SandboxError(f"{why}; make room, as with `docker image prune -a`")


def _discard(client: "APIClient", image: str) -> None:
    with suppress(SandboxError), daemon.answering(client, "remove an image"):
        client.remove_image(image, force=True)


def _official(instance: Instance, root: str) -> list[str]:
    """The lines of swebench's own script, without those that make the environment of its images active.

    The repository has one commit, of another id than the base commit.
    """
    from swebench.harness.constants import MAP_REPO_VERSION_TO_SPECS
    from swebench.harness.test_spec.create_scripts import make_eval_script_list

    row = instance.row | {"repo": instance.repo, "version": instance.version, "test_patch": instance.test_patch}
    told = MAP_REPO_VERSION_TO_SPECS[instance.repo][instance.version]
    made = make_eval_script_list(row, told, "testbed", root, "HEAD", instance.test_patch)
    return ["set -uxo pipefail", *(line for line in made if line not in ACTIVATION)]
