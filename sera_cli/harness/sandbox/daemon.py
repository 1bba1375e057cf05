"""The docker engine (or podman's, by DOCKER_HOST): asked for, its errors told as ours, and rid of what dead runs left.

Everything that is made carries two labels: the run's, and its owner's, by which a later `sera` knows what was left.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sera_cli.errors import Cancelled, SandboxError, SandboxGone

if TYPE_CHECKING:
    from docker import APIClient

RUN, OWNER = "sera.run", "sera.owner"
SECONDS = 120
"""The longest one request to the engine may take."""


class Left(NamedTuple):
    """Something that a dead run left in the engine."""

    kind: str
    name: str
    id: str


def connect(seconds: int = SECONDS) -> "APIClient":
    """A client of the engine that DOCKER_HOST names, else of the usual one. Raises SandboxGone when none answers.

    For one thread at a time.
    """
    import docker
    from docker.errors import DockerException

    try:
        return docker.from_env(timeout=seconds).api
    except DockerException as error:
        why = f"no docker engine answers at {_host()} ({_short(error)})"
        raise SandboxGone(f"{why}; start it, or say where it is with DOCKER_HOST") from error


@contextmanager
def answering(client: "APIClient", doing: str) -> Iterator[None]:
    """Tells what the engine refuses as a SandboxError, and that it does not answer any more as SandboxGone."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        raise lost(client, f"cannot {doing}: {_short(error)}") from error


def lost(client: "APIClient", text: str) -> SandboxError:
    """The error that says `text`, or that the engine is gone if it is."""
    if alive(client):
        return SandboxError(text)
    return SandboxGone(f"the docker engine at {_host()} no longer answers; start it and run the same command again")


def alive(client: "APIClient") -> bool:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        return bool(client.ping())
    except (DockerException, RequestException, OSError):
        return False


def labels(run: str) -> dict[str, str]:
    return {RUN: run, OWNER: owner(os.getpid())}


def owner(process: int) -> str:
    """Names a process of this machine for good: by host, boot, process namespace, number and start."""
    return " ".join((*_here(), str(process), _started(process)))


def dead(name: str) -> bool:
    """Whether that owner is known to live no more: nobody can say so of another machine's, or another container's."""
    host, boot, space, process, started = [*name.split(" "), "", "", "", "", ""][:5]
    here = _here()
    if host != here[0] or (boot == here[1] and space != here[2]):
        return False
    now = _started(int(process)) if process.isdigit() else ""
    return boot != here[1] or not now or now != started


def columns(client: "APIClient") -> str | None:
    """What to ask `top` for: where podman is asked for the usual, it looks for a `ps` inside the container."""
    parts = client.version().get("Components") or []
    return "pid" if any("podman" in str(part.get("Name", "")).lower() for part in parts) else None


def written(client: "APIClient", box: str) -> int:
    """Bytes that a container has written to its disk."""
    with answering(client, "ask what a container has written"):
        url = client._url("/containers/{0}/json", box)  # the SDK's own call leaves the size out
        return int(client._result(client._get(url, params={"size": 1}), True).get("SizeRw") or 0)


def image(client: "APIClient", name: str) -> str:
    """The id of the image of that name or id; empty where the engine has none."""
    from docker.errors import ImageNotFound

    with answering(client, f"look for the image {name}"):
        try:
            return str(client.inspect_image(name)["Id"])
        except ImageNotFound:
            return ""


def fetch(client: "APIClient", name: str, *, cancelled: Callable[[], bool] = lambda: False) -> str:
    """Has the engine fetch an image from where its name says; its id. Raises SandboxError, Cancelled."""
    with answering(client, f"fetch the image {name}"):
        tag = None if re.search(r"[:@][^/]*$", name) else "latest"
        for event in client.pull(name, tag=tag, stream=True, decode=True):
            if cancelled():
                raise Cancelled("an image was being fetched; what came of it is kept")
            if "error" in event:
                raise SandboxError(f"cannot fetch the image {name}: {_plain(event['error'])}")
        return str(client.inspect_image(name)["Id"])


def leftovers(client: "APIClient | None" = None) -> list[Left]:
    """Containers and images of dead runs, in the order in which they can be removed; none where no engine answers."""
    try:
        client = client or connect(10)
    except SandboxError:
        return []
    with answering(client, "list what is left"):
        boxes = client.containers(all=True, filters={"label": OWNER})
        images = client.images(all=True, filters={"label": OWNER})
    return [
        *(Left("container", str(one["Names"][0]).strip("/"), one["Id"]) for one in boxes if _orphan(one)),
        *(Left("image", str((one["RepoTags"] or [one["Id"]])[0]), one["Id"]) for one in images if _orphan(one)),
    ]


def sweep() -> list[str]:
    """Removes those, and returns their names. What another sweep is removing is left to it."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    found = leftovers()
    client = connect() if found else None
    gone = []
    for left in found if client else ():
        with suppress(DockerException, RequestException):
            discard(client, left)
            gone.append(f"{left.kind} {left.name}")
    return gone


def discard(client: Any, left: Left) -> None:
    if left.kind == "container":
        client.remove_container(left.id, v=True, force=True)
    else:
        client.remove_image(left.id, force=True)


def _orphan(one: dict[str, Any]) -> bool:
    return dead(str((one.get("Labels") or {}).get(OWNER, "")))


def _here() -> tuple[str, str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    return (
        socket.gethostname(), boot.read_text(encoding="ascii").strip() if boot.exists() else "-",
        str(space.readlink()) if space.is_symlink() else "-",
    )


def _started(process: int) -> str:
    """When a process started, in ticks since the boot; empty when there is none, or only what is left of one."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _host() -> str:
    return os.environ.get("DOCKER_HOST") or "its usual socket"


def _short(error: BaseException) -> str:
    """An error in one line: what the engine said, or what the system did, without what clients put around it."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__
    return _plain(getattr(error, "explanation", None) or error) or type(error).__name__


def _plain(said: object) -> str:
    return " ".join(str(said).split())[:300]
