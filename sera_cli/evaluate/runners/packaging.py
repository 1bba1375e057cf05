"""What a Python repository says of its environment: which Python, what it installs, and what its tests need besides."""

import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser, Error
from typing import Any

from sera_cli.evaluate.compiled import SUFFIXES
from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners.locks import FILES, locked
from sera_cli.evaluate.runners.runner import Tree

RELEASES = tuple(f"3.{minor}" for minor in (12, 11, 10, 9, 13, 8, 14, 7, 6))
"""Pythons where the repository names none, the one most likely to suit first."""

TESTING, DEVELOPING = ("test", "tests", "testing"), ("dev", "develop", "development")
"""What extras, groups and requirement files for tests are called; those of the second only where there are none of
the first.
"""


BESIDE = {"commit", "doc", "docs", "lint", "mypy", "typing"}
"""Words in the name of a requirement file that is for something else."""


def packaged(tree: Tree) -> bool:
    """Whether pip can install the repository itself."""
    return "setup.py" in tree.files or bool({"project", "build-system"} & _toml(tree, "pyproject.toml").keys())


def has_lock(tree: Tree) -> bool:
    """Whether it names the version of each package."""
    return any(path in tree.files for path in FILES)


def config(tree: Tree, test_cmd: str, parser: str, needs: tuple[str, ...] = ()) -> InstallConfig:
    """The install configuration; `needs` are packages that the tests are run by, unless a list already names them."""
    files, lines, extras = _lists(tree), _lines(tree), _extras(tree)
    listed = "\n".join([*lines, *map(tree.text, files)])
    wanted = (*lines, *(name for name in (*needs, *_builders(tree)) if not _names(listed, name)))
    return InstallConfig(
        language="python", python=next(iter(pythons(tree)), ""), packages="requirements.txt" if files else "",
        reqs_path=files, pip_packages=locked(tree, (*_own(tree, extras), *wanted)) if has_lock(tree) else wanted,
        install=f"python -m pip install -e .{extras}" if packaged(tree) else "", test_cmd=test_cmd, log_parser=parser,
    )  # fmt: skip


def pythons(tree: Tree) -> tuple[str, ...]:
    """The releases that the repository runs on by its own word, the one to try first at the front."""
    if pinned := re.match(r"\s*(?:python-|cpython-)?(3\.\d+)", tree.text(".python-version")):
        return (pinned[1],)
    bounds = _bounds(tree)
    named = re.findall(r"Python :: (3\.\d+)", "".join(map(tree.text, ("pyproject.toml", "setup.cfg", "setup.py"))))
    order = [release for release in RELEASES if release in named] or RELEASES
    return tuple(release for release in order if _allows(bounds, release))


def _bounds(tree: Tree) -> str:
    project = _toml(tree, "pyproject.toml")
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", "")
    setup = re.search(r"python_requires\s*=\s*['\"]?([^'\"\n]+)", tree.text("setup.cfg") + tree.text("setup.py"))
    return str(project.get("project", {}).get("requires-python", "") or poetry or (setup[1] if setup else ""))


def _allows(bounds: str, release: str) -> bool:
    """Whether bounds such as `>=3.8,<3.12` hold of some patch version of a release."""
    minor = int(release[2:])
    for sign, number, patched in re.findall(r"([~^<>=!]=?=?)\s*3\.(\d+)(\.\d+)?", bounds):
        bound = int(number)
        holds = {
            ">=": minor >= bound, ">": minor > bound or (bool(patched) and minor == bound), "<=": minor <= bound,
            "<": minor < bound or (minor == bound and patched not in ("", ".0")), "^": minor >= bound,
            "~=": minor == bound if patched else minor >= bound, "!=": minor != bound or bool(patched),
        }  # fmt: skip
        if not holds.get(sign, minor == bound):
            return False
    return True


def _lists(tree: Tree) -> tuple[str, ...]:
    """The requirement files: the general one, and those for tests."""
    found = [path for path in sorted(tree.files) if _is_list(path)]
    words = {path: re.split(r"[^a-z]+", path.lower()) for path in found}
    special = _preferred({path: said for path, said in words.items() if not BESIDE & {*said}})
    general = [path for path in found if path in ("requirements.txt", "requirements/base.txt")]
    return tuple(dict.fromkeys([*general, *special]))


def _is_list(path: str) -> bool:
    known = r"(requirements/[\w.-]+|tests?/requirements|([\w-]+[-_])?requirements[\w.-]*)\.txt"
    return re.fullmatch(known, path) is not None


def _preferred(words: dict[str, list[str]]) -> list[str]:
    """Those of the names in whose words testing is mentioned, else those that mention developing."""
    for wanted in (TESTING, DEVELOPING):
        if found := [name for name, said in words.items() if set(wanted) & set(said)]:
            return found
    return []


def _extras(tree: Tree) -> str:
    """`[test]`, say. Of what only setup.py could tell, the likely names are asked for: pip passes over one that is not.
    """
    known = _known_extras(tree)
    names = _preferred({name: [name.lower()] for name in known}) if known is not None else list(TESTING)
    return f"[{','.join(names)}]" if names else ""


def _known_extras(tree: Tree) -> list[str] | None:
    project = _toml(tree, "pyproject.toml")
    if "project" in project:
        return [*project["project"].get("optional-dependencies", {})]
    if "extras_require" in tree.text("setup.py"):
        return None
    setup = ConfigParser(interpolation=None)
    try:
        setup.read_string(tree.text("setup.cfg"))
    except Error:
        return None
    return [*setup["options.extras_require"]] if setup.has_section("options.extras_require") else []


def _own(tree: Tree, extras: str) -> tuple[str, ...]:
    """What the repository itself depends on, with these extras."""
    project = _toml(tree, "pyproject.toml")
    said, poetry = project.get("project", {}), project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    more = said.get("optional-dependencies", {})
    chosen = (line for name in extras.strip("[]").split(",") for line in more.get(name, ()))
    return (*said.get("dependencies", ()), *chosen, *(name for name in poetry if name != "python"))


def _lines(tree: Tree) -> tuple[str, ...]:
    """Requirements for tests that pip does not find by itself: dependency groups, and those of uv and poetry."""
    project = _toml(tree, "pyproject.toml")
    tools, groups = project.get("tool", {}), project.get("dependency-groups", {})
    poetry = tools.get("poetry", {})
    by_poetry = {name: group.get("dependencies", {}) for name, group in poetry.get("group", {}).items()}
    by_poetry |= {"dev": poetry["dev-dependencies"]} if "dev-dependencies" in poetry else {}
    named = _preferred({name: [name.lower()] for name in {**groups, **by_poetry}})
    found = [line for name in named for line in _group(groups, name)]
    found += [_pip(name, said) for group in named for name, said in by_poetry.get(group, {}).items()]
    return tuple(dict.fromkeys([*found, *tools.get("uv", {}).get("dev-dependencies", [])]))


def _group(groups: dict[str, Any], name: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    for entry in groups.get(name, ()):
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict) and (inner := entry.get("include-group")) and inner not in above:
            yield from _group(groups, inner, (*above, name))


def _pip(name: str, said: object) -> str:
    """A dependency in poetry's words, in pip's: what ^ and ~ bound from above is not bounded."""
    version = str(said.get("version", "*") if isinstance(said, dict) else said)
    if re.fullmatch(r"[\d.]+", version):
        return f"{name}=={version}"
    return name + ("" if version == "*" else re.sub(r"[\^~](?!=)", ">=", version))


def _builders(tree: Tree) -> tuple[str, ...]:
    """What builds compiled sources by setup.py: they may have to be built again where nothing can be fetched."""
    if "setup.py" not in tree.files or not any(path.endswith(SUFFIXES) for path in tree.files):
        return ()
    return tuple(_toml(tree, "pyproject.toml").get("build-system", {}).get("requires", ()))


def _names(listed: str, package: str) -> bool:
    return re.search(rf"(?mi)^\s*{re.escape(package)}\b(?!-)", listed) is not None


def _toml(tree: Tree, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.text(path))
    except tomllib.TOMLDecodeError:
        return {}
