"""The environment that containers start from: built once from what a repository says of itself, and kept.

Its image is named by what it was made of, so the next run finds it. A build that fails is told, and a plain image
stands in: soft verification needs no tests.
"""

import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from sera_cli.errors import Cancelled, SandboxError, SandboxGone
from sera_cli.harness.sandbox import ROOT, changes, daemon
from sera_cli.harness.sandbox.image import PLAIN, Recipe, asked, dockerfile, outside, recipe
from sera_cli.harness.sandbox.places import ENVIRONMENT, INSIDE, SYSTEM_PATH
from sera_cli.knobs import Env
from sera_cli.types import Value, digest

if TYPE_CHECKING:
    from docker import APIClient

PROBE = "for name in bash git python python3; do command -v $name || echo; done"
LAST = 12
"""Lines of a failed build that are told; the log has them all."""

HOUR = 3600
"""Seconds without a word after which a build is given up."""

FILE = ".sera.Dockerfile"

Events = Iterator[dict[str, Any]]
Follow = Callable[[Events], None]


class Environment(Value):
    """An image, by its id, in which commands can run; the variables it sets, and where its git is.

    `python` is where its python3 is, if nothing in it is called python. `note` says what of the repository's own wishes
    is not in it.
    """

    image: str
    variables: dict[str, str]
    git: str
    python: str = ""
    note: str = ""

    @property
    def path(self) -> str:
        """Where commands are looked for: our own folder, then the image's."""
        return f"{INSIDE['bin']}:{self.variables.get('PATH') or ':'.join(SYSTEM_PATH)}"

    def environment(self) -> dict[str, str]:
        """All that a command knows: what the image sets, and what every sandbox does."""
        return self.variables | ENVIRONMENT | {
            "PATH": self.path, "HOME": INSIDE["home"], "TMPDIR": INSIDE["tmp"], "GIT_CEILING_DIRECTORIES": "/",
        }  # fmt: skip


def environment(
    client: "APIClient", base: Path, env: Env, log: Path, *, cancelled: Callable[[], bool] = lambda: False,
) -> Environment:
    """Builds the environment of an exported checkout, or finds it built; what the build says is in the file `log`.

    Raises SandboxError, and Cancelled when a build has something to say and the run is being stopped.
    """
    made = recipe(_texts(base), env)
    follow = partial(_followed, log=log, cancelled=cancelled)
    image = _own(client, base, made, env, follow) if made.dockerfile else _there(client, made.image, env)
    if made.steps:
        text = dockerfile(made, image, network=env.network)
        key = digest({"text": text, "files": _texts(base)})
        image = _built(client, (base, text, key), env, follow)
    return _usable(client, image).model_copy(update={"note": made.owed})


def environment_or_plain(
    client: "APIClient", base: Path, env: Env, log: Path, *, cancelled: Callable[[], bool] = lambda: False,
) -> Environment:
    """As `environment`; where its build fails, the image that it was to be built from, or a plain one, and why."""
    try:
        return environment(client, base, env, log, cancelled=cancelled)
    except SandboxGone:
        raise
    except SandboxError as error:
        plain = env.model_copy(update={"image": env.image or PLAIN, "setup": ""})
        try:
            found = _usable(client, _there(client, plain.image, plain))
        except SandboxError:
            raise error from None
        return found.model_copy(update={"note": f"{error}; going on in {plain.image} without it"})


def _texts(base: Path) -> dict[str, str]:
    """The files of a checkout that have a say in its environment. A link is none of them: it may lead anywhere."""
    found = [*base.iterdir(), *(base / ".devcontainer").glob("*")]
    names = {str(path.relative_to(base)): path for path in found if path.is_file()}
    return {
        name: path.read_bytes()[: 1 << 20].decode("utf-8", "replace") for name, path in sorted(names.items())
        if asked(name) and path.resolve() == base.resolve() / name
    }  # fmt: skip


def _there(client: "APIClient", name: str, env: Env) -> str:
    """The id of an image, fetched if it may be."""
    if found := daemon.image(client, name):
        return found
    if not env.network:
        raise SandboxError(
            f"the image {name} is not on this machine: `docker pull {name}`, or set env.image to one that is, or let "
            "sera fetch it with env.network"
        )
    return daemon.fetch(client, name)


def _own(client: "APIClient", base: Path, made: Recipe, env: Env, follow: Follow) -> str:
    """Builds the repository's own Dockerfile. Raises SandboxError when that would fetch what may not be fetched."""
    file, context = base / made.dockerfile, base / made.context
    if not (context.resolve().is_relative_to(base.resolve()) and file.resolve() == base.resolve() / made.dockerfile):
        raise SandboxError(f"{made.source} builds from outside the repository, which is not followed")
    if not file.is_file():
        raise SandboxError(f"{made.source} names {made.dockerfile}, which is not there")
    text = file.read_text(encoding="utf-8", errors="replace")
    for name in () if env.network else outside(text):
        if "://" in name or "@" in name or "$" in name:
            raise SandboxError(f"{made.dockerfile} fetches {name}, and env.network is false")
        _there(client, name, env)
    key = digest({"text": text, "commit": _commit(base), "context": made.context})
    return _built(client, (context, text, key), env, follow)


def _built(client: "APIClient", what: tuple[Path, str, str], env: Env, follow: Follow) -> str:
    """The image of a context folder, a Dockerfile's text and a key; built unless there is one of that key."""
    context, text, key = what
    name = f"sera-env:{key}"
    if found := daemon.image(client, name):
        return found
    with daemon.answering(client, "build the environment"):
        with TemporaryFile() as packed:
            _pack_context(packed, context, text)
            events = client.build(
                fileobj=packed, custom_context=True, dockerfile=FILE, tag=name, rm=True, forcerm=True,
                decode=True, timeout=HOUR, network_mode=None if env.network else "none", labels={"sera.env": key},
            )  # fmt: skip
            follow(events)
        return str(client.inspect_image(name)["Id"])


def _followed(events: Events, *, log: Path, cancelled: Callable[[], bool]) -> None:
    """Writes down what a build says. Raises SandboxError with its last lines when it fails."""
    said: list[str] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        for event in events:
            if cancelled():
                raise Cancelled("the build of the environment was stopped; it begins again with the next run")
            text = event.get("stream") or event.get("error") or ""
            file.write(text if text.endswith("\n") else f"{text}\n" if text else "")
            said += text.splitlines()
            if "error" in event:
                last = " | ".join(line.strip() for line in said[-LAST:] if line.strip())
                raise SandboxError(f"the environment could not be built: {last} (all of it: {log})")


def _usable(client: "APIClient", image: str) -> Environment:
    """Looks into an image for what commands, and sera's own, cannot do without."""
    with daemon.answering(client, "start a container of the environment"):
        config = client.inspect_image(image)["Config"] or {}
        box = client.create_container(
            image, entrypoint=["/bin/sh", "-c"], command=[PROBE], user="0", labels=daemon.labels("probe"),
            host_config=client.create_host_config(network_mode="none", cap_drop=["ALL"]),
        )["Id"]  # fmt: skip
        try:
            client.start(box)
            client.wait(box, timeout=60)
            bash, git, python, python3 = [*client.logs(box).decode().splitlines(), "", "", "", ""][:4]
        finally:
            client.remove_container(box, v=True, force=True)
    lacks = " and no ".join(name for name, path in (("bash", bash), ("git", git)) if not path)
    if lacks:
        raise SandboxError(f"{image[:19]} has no {lacks}; name another as env.image, or install it in env.setup")
    if any(path == ROOT or path.startswith("/run") for path in config.get("Volumes") or {}):
        raise SandboxError(f"{image[:19]} makes {ROOT} or /run a volume; name another as env.image")
    variables = dict(pair.split("=", 1) for pair in config.get("Env") or [] if "=" in pair)
    return Environment(image=image, variables=variables, git=git, python="" if python else python3)


def _pack_context(packed: IO[bytes], context: Path, text: str) -> None:
    def without_git(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if member.name.split("/")[1:2] == [".git"] else member

    with tarfile.open(fileobj=packed, mode="w") as out:
        out.add(context, ".", filter=without_git)
        member = tarfile.TarInfo(FILE)
        member.size = len(text.encode("utf-8", "replace"))
        out.addfile(member, BytesIO(text.encode("utf-8", "replace")))
    packed.seek(0)


def _commit(base: Path) -> str:
    with TemporaryDirectory() as folder:
        changes.prepare(base, Path(folder))
        return (Path(folder) / "HEAD").read_text(encoding="ascii").strip()
