"""What the containers of a run share, the engine and the watch over its disk; and what one of them starts from."""

from math import inf
from pathlib import Path
from typing import Any

from sera_cli.harness.sandbox import Terms, daemon
from sera_cli.harness.sandbox.disk import FLOOR, STEP, Watch, free
from sera_cli.harness.sandbox.places import INSIDE
from sera_cli.types import Value

LIMITS = (("core", 0), ("nofile", 4096))
"""Of each process: bytes of a core dump; open files, of which engines allow a million, and some programs close each."""


NAME = "testbed"
"""What a container is called inside, where programs look up their own host."""


class Stand(Value):
    """What a container starts from: an image by its id, the variables of all commands, the folder of sera's own git.

    `user` runs the commands with the capabilities `rights`, and `keeper` what the container lives by: somebody else, so
    that a command which kills all it can costs only the shell. `memory` are the places that lie in memory.
    """

    image: str
    variables: dict[str, str]
    git: str
    user: str
    keeper: str = "0"
    rights: tuple[str, ...] = ()
    memory: tuple[str, ...] = ("tmp", "home", "state", "git")


class House:
    """Raises SandboxGone when no engine answers."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.watch = terms, Watch(terms.bounds.disk)
        client = daemon.connect()
        with daemon.answering(client, "ask about the engine"):
            self._root = Path(str(client.info().get("DockerRootDir") or "/nowhere"))
            self.asks = daemon.columns(client)
        client.close()

    def free(self) -> float:
        """Bytes free where an engine on this machine keeps its files; of another's nobody knows."""
        return free(self._root) if self._root.is_dir() else inf

    def shrunk(self, before: float) -> bool:
        """Whether there is less free than before, so that a sandbox may have written something; always if unknown."""
        now = self.free()
        return now == inf or now < FLOOR or before - now >= min(STEP, self.terms.bounds.disk // 8)

    def confined(self, client: Any, stand: Stand) -> Any:
        """What the engine holds a container to."""
        from docker.types import LogConfig, Ulimit

        bounds = self.terms.bounds
        room = f"exec,nosuid,nodev,mode=1777,size={bounds.memory // 4}"  # podman knows no owner of a tmpfs
        return client.create_host_config(
            network_mode="none", cap_drop=["ALL"], cap_add=[*stand.rights], security_opt=["no-new-privileges"],
            init=True, extra_hosts={NAME: "127.0.0.1"}, mem_limit=bounds.memory, memswap_limit=bounds.memory,
            pids_limit=bounds.processes, tmpfs={INSIDE[place]: room for place in stand.memory},
            ulimits=[Ulimit(name=name, soft=most, hard=most) for name, most in (*LIMITS, ("fsize", bounds.disk))],
            log_config=LogConfig(type="none"),
        )  # fmt: skip
