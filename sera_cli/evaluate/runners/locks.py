"""The exact packages that a Python repository was developed with, where a lock file of uv, poetry or pdm has them.

Without them an old commit would be tested with the packages of today.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from sera_cli.evaluate.runners.runner import Tree

FILES = ("uv.lock", "poetry.lock", "pdm.lock")

Package = dict[str, Any]


def locked(tree: Tree, lines: Iterable[str]) -> tuple[str, ...]:
    """The requirements `lines`, and all that they need in turn, each at the version of the lock; a line that the lock
    does not know stays as it is.
    """
    packages: dict[str, list[Package]] = {}
    for package in _packages(tree):
        packages.setdefault(_plain(str(package.get("name", ""))), []).append(package)
    wanted = {_name(line): line for line in lines}
    markers: dict[str, set[str]] = {name: {""} for name in wanted if name in packages}
    waiting = [*markers]
    while waiting:
        for name, marker in _needs(packages[waiting.pop()]):
            if name in packages and marker not in markers.get(name, ()):
                waiting += [] if name in markers else [name]
                markers.setdefault(name, set()).add(marker)
    pins = (_pin(package, markers[name]) for name in sorted(markers) for package in packages[name])
    return (*filter(None, pins), *(line for name, line in wanted.items() if name not in packages))


def _packages(tree: Tree) -> list[Package]:
    for path in FILES:
        try:
            found = tomllib.loads(tree.text(path)).get("package", [])
        except tomllib.TOMLDecodeError:
            continue
        if found:
            return [package for package in found if isinstance(package, dict)]
    return []


def _needs(packages: list[Package]) -> Iterator[tuple[str, str]]:
    """What some packages depend on, with the marker under which they do."""
    for package in packages:
        said = package.get("dependencies", [])
        if isinstance(said, dict):  # poetry
            for name, about in said.items():
                yield _plain(name), str(about.get("markers", "")) if isinstance(about, dict) else ""
            continue
        for one in said:
            if isinstance(one, dict):  # uv
                yield _plain(str(one.get("name", ""))), str(one.get("marker", ""))
            else:  # pdm
                yield _name(str(one)), str(one).partition(";")[2].strip()


def _pin(package: Package, needed: set[str]) -> str:
    """Empty for what is no package of an index: the repository itself, a folder, a repository of someone's."""
    source = package.get("source", {})
    if not package.get("version") or {"editable", "virtual", "directory", "path", "git", "url"} & source.keys():
        return ""
    own = package.get("resolution-markers") or package.get("markers") or package.get("marker") or []
    sides = [_any([own] if isinstance(own, str) else own), "" if "" in needed else _any(sorted(needed))]
    marker = " and ".join(filter(None, sides))
    return f"{package['name']}=={package['version']}" + (f" ; {marker}" if marker else "")


def _any(markers: Iterable[Any]) -> str:
    text = " or ".join(f"({marker})" for marker in markers if isinstance(marker, str))
    return f"({text})" if " or " in text else text


def _name(line: str) -> str:
    return _plain(re.split(r"[\s<>=!~;@\[(]", line, maxsplit=1)[0])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
