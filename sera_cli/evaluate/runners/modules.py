"""What a JavaScript repository says of its packages: which name a program, and how they are installed."""

import json
from collections.abc import Iterator
from posixpath import dirname
from typing import Any

from sera_cli.evaluate.runners.runner import Tree

LOCKS = (
    ("package-lock.json", "npm ci --ignore-scripts"), ("npm-shrinkwrap.json", "npm ci --ignore-scripts"),
    ("pnpm-lock.yaml", "corepack pnpm install --frozen-lockfile --ignore-scripts"),
    ("yarn.lock", "corepack yarn install --ignore-scripts"),
)  # fmt: skip


def install(tree: Tree) -> str:
    """The command that installs what the root's package depends on; empty where it depends on nothing."""
    said = package(tree, "package.json")
    if not any(said.get(key) for key in ("dependencies", "devDependencies", "workspaces")):
        return ""
    return next((command for lock, command in LOCKS if lock in tree.files), "npm install --ignore-scripts")


def packages(tree: Tree, program: str) -> set[str]:
    """The folders whose package.json depends on a program, is set up for it, or tests by it; "" is the root."""
    found = (path for path in tree.files if path.rpartition("/")[2] == "package.json" and "node_modules/" not in path)
    return {dirname(path) for path in found if _names(package(tree, path), program)}


def package(tree: Tree, path: str) -> dict[str, Any]:
    """What a package.json says; empty where it cannot be read."""
    try:
        said = json.loads(tree.text(path) or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def tests(said: dict[str, Any]) -> str:
    """What `npm test` runs."""
    scripts = said.get("scripts")
    return str(scripts.get("test", "")) if isinstance(scripts, dict) else ""


def above(path: str) -> Iterator[str]:
    """The folders a file lies in, the nearest first, the root last."""
    while path:
        path = dirname(path)
        yield path


def _names(said: dict[str, Any], program: str) -> bool:
    needed = [some for key in ("dependencies", "devDependencies") if isinstance(some := said.get(key), dict)]
    return program in said or program in tests(said) or any(program in some for some in needed)
