"""Who may ask: whoever has the key, and without one only programs of this machine, never another site's page."""

import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from sera_cli.agents.serving.asked import Refused

LARGEST = 32 * 1024**2
"""Bytes of a body: far more than any context holds."""


class Guard:
    """`key`, where there is one, must come with every request; without one the server stands on loopback alone."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def admit(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raises Refused. A key in the address would stand in logs, so it opens nothing.

        Loopback alone does not keep browsers out: a page of another site may post here, and a name of that site may be
        made to mean this machine (DNS rebinding). Both tell by `Origin` and `Host`.
        """
        origin = headers.get("origin", "")
        if origin and not _loopback(_host(origin)):
            raise Refused("forbidden", f"pages of {origin} may not ask this server")
        if not self._key and not _loopback(_host(f"//{headers.get('host', '')}")):
            raise Refused("forbidden", "without a key this server answers to localhost and 127.0.0.1 alone")
        if any(name in query for name in ("key", "api_key", "token")):
            raise Refused("key", "a key in the address would stand in logs; send it as a header")
        if self._key and not hmac.compare_digest(_given(headers).encode("utf-8", "surrogatepass"), self._key):
            raise Refused("key", "send the server's key, as `Authorization: Bearer …` or `x-api-key: …`")


def _given(headers: Mapping[str, str]) -> str:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")


def _host(address: str) -> str:
    """The name in an address; empty where that is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
