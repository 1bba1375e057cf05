"""`--offline`: this process connects to this machine and to the named teacher, and to nobody else.

Python's own audit events are the wall, so it holds for every library written in Python. What is not Python, and every
child, is told by environment variables; a sandbox that isolates has no network in any case.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from sera_cli.errors import ConfigError

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "WANDB_ERROR_REPORTING": "false",
}  # fmt: skip
"""Nobody is told that anything was used, offline or not."""

SEALED = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_XET": "1",
    "PIP_NO_INDEX": "1", "WANDB_MODE": "offline",
}  # fmt: skip

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
CONTACTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


class Wall:
    """The hosts that may be reached, and their addresses as far as they were looked up. One process has one at most."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._hosts = {urlsplit(url).hostname or url for url in urls}
        self._addresses: set[str] = set()
        self._look_up = socket.getaddrinfo

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raises ConfigError for a name or an address of anybody else."""
        if event in LOOKUPS:
            self._check(_text(arguments[0]))
        elif event in CONTACTS and isinstance(arguments[1], tuple):  # a path is a socket of this machine
            self._check(_text(arguments[1][0]))

    def look_up(self, *arguments: Any, **named: Any) -> Any:
        """As socket.getaddrinfo; the addresses of a host that may be reached may be reached too."""
        found = self._look_up(*arguments, **named)
        self._addresses.update(str(one[4][0]) for one in found)
        return found

    def _check(self, host: str) -> None:
        if not (_is_here(host) or host in self._hosts or host in self._addresses):
            raise ConfigError(
                f"offline: no connection to {host}; put what it would bring in place beforehand, or leave out --offline"
            )


def hush(environ: MutableMapping[str, str] = os.environ) -> None:
    """Switches off what libraries, and the programs started from here, tell their makers."""
    environ.update(QUIET)
    environ.setdefault("WANDB_MODE", "offline")  # a library that is told of a training keeps it here, unless asked


def keep(sealed: bool, urls: Iterable[str] = (), *, building: bool = False) -> None:
    """Nobody is told of the use; where `sealed`, nobody but `urls` can be reached until the process ends.

    Raises ConfigError where an environment is to be built from the network all the same.
    """
    if not sealed:
        return hush()
    if building:
        raise ConfigError("--offline and env.network exclude one another; leave out one of the two")
    return enforce(urls)


def enforce(urls: Iterable[str], environ: MutableMapping[str, str] = os.environ) -> None:
    """From now on, and until the process ends, only this machine and the hosts of `urls` can be reached."""
    environ.update(QUIET | SEALED)
    wall = Wall(urls)
    socket.getaddrinfo = wall.look_up
    sys.addaudithook(wall.audit)


def _is_here(host: str) -> bool:
    """Whether a name or an address is this machine's own; no name at all is."""
    if host in ("", "localhost", "0.0.0.0", "::"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
