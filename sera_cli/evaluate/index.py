"""Where packages come from: the user's own settings of pip, for builds that see nothing else of the user's.

Only what says where and how to download goes along. A password in the address of an index is part of that; a netrc is
not, for a build runs code of strangers.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from configparser import Error, RawConfigParser
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sera_cli.types import Value

SETTINGS = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy", "timeout",
    "default-timeout", "retries", "prefer-binary", "only-binary", "no-binary",
)  # fmt: skip
PASSED = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SOURCE_DATE_EPOCH",
)  # fmt: skip
"""Settings of pip, and variables, that reach a build."""

PLACES = ("find-links", "cert", "client-cert", "index-url", "extra-index-url")
"""Settings that may name places of this machine."""


class Index(Value):
    """`settings` is the text of a pip.conf, `variables` go beside it, `shown` are the places that they name."""

    settings: str
    variables: dict[str, str]
    shown: tuple[Path, ...]


def index(environ: Mapping[str, str] | None = None) -> Index:
    """What pip would go by if the user called it. A file that cannot be read says nothing."""
    environ = os.environ if environ is None else environ
    found = dict(_said(environ))
    passed = {name: environ[name] for name in PASSED if environ.get(name)}
    lines = (f"{key} = {' '.join(value.split())}" for key, value in found.items())
    named = [*(value for key in PLACES for value in found.get(key, "").split()), *passed.values()]
    return Index(settings="\n".join(["[global]", *lines, ""]), variables=passed, shown=tuple(_places(named)))


def _said(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings, weakest first, as pip orders them: its files, then its variables."""
    parser = RawConfigParser(strict=False, default_section="")
    for file in _files(environ):
        with suppress(Error, UnicodeDecodeError, OSError):
            parser.read(file, encoding="utf-8")
    for section in ("global", "install"):
        if parser.has_section(section):
            yield from ((key, value) for key, value in parser.items(section) if key in SETTINGS)
    for key in SETTINGS:
        if value := environ.get("PIP_" + key.upper().replace("-", "_")):
            yield key, value


def _files(environ: Mapping[str, str]) -> list[Path]:
    """Those of the system, of the user, and the one that is named; none where that is the null device."""
    named, user = environ.get("PIP_CONFIG_FILE", ""), Path.home()
    if named == os.devnull:
        return []
    own = Path(environ.get("XDG_CONFIG_HOME") or user / ".config")
    folders = (Path("/etc/xdg/pip"), Path("/etc"), user / ".pip", own / "pip")
    return [*(folder / "pip.conf" for folder in folders), *([Path(named)] if named else [])]


def _places(named: Iterable[str]) -> Iterator[Path]:
    """The files and folders of this machine among paths, file: addresses and what is neither.

    What an index in a folder called simple leads to often lies beside that.
    """
    for one in dict.fromkeys(named):
        path = Path(unquote(urlsplit(one).path) if one.startswith("file:") else one).expanduser()
        if path.is_absolute() and path.exists():
            yield path.parent if path.name == "simple" else path
