"""What a repository asks for, as lines for pip: out of requirement files, and out of environments of conda."""

import ast
import configparser
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from sera_cli.errors import DataError

Read = Callable[[str], str | None]
"""A file of the repository by its path; None where it is not there."""

OWN = ("-e .", "-e file:.", "--editable .", "--editable=.", ".[")
"""How a requirement file says that the repository itself is to be installed."""

REPLACED = {"types-pkg_resources": "types-setuptools", "types-pkg-resources": "types-setuptools"}
"""What the index no longer has, and what has taken its place."""

NOT_PIPS = {
    "python", "pip", "conda", "mamba", "gcc", "gxx", "make", "cmake", "ninja", "compilers", "c-compiler",
    "cxx-compiler", "nomkl", "mkl", "blas", "openblas", "hdf5", "gdal", "geos", "proj", "eccodes", "pynio", "cdms2",
    "ffmpeg", "imagemagick", "graphviz", "pandoc", "tk", "git", "nodejs", "openssl", "zlib",
}  # fmt: skip
"""Names of conda's that are no Python packages, or that pip cannot install from the index."""

CALLED = {
    "pytorch": "torch", "matplotlib-base": "matplotlib", "dask-core": "dask", "pytables": "tables",
    "opencv": "opencv-python", "iris": "scitools-iris", "msgpack-python": "msgpack", "pyqt": "PyQt5",
    "python-graphviz": "graphviz",
}  # fmt: skip
"""Packages that pip knows by another name than conda does."""

PACKAGE = re.compile(r"(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)\s*(.*)")


def of_file(path: str, read: Read) -> tuple[str, ...]:
    """The requirements of a file and of those it names by `-r`, without the repository itself and without hashes.

    Raises DataError for a file that is not there.
    """
    return tuple(dict.fromkeys(_lines(path, read, frozenset())))


def declared(read: Read) -> tuple[str, ...]:
    """What installing the repository brings in, as its pyproject.toml, setup.cfg and setup.py write it, in order.

    What a setup.py works out is not known; files that cannot be read declare nothing.
    """
    lines = {*_of_pyproject(read("pyproject.toml")), *_of_setup_cfg(read("setup.cfg")), *_of_setup_py(read("setup.py"))}
    return tuple(sorted(filter(None, map(str.strip, lines))))


def words(packages: str) -> tuple[str, ...]:
    """The packages of a command line of conda, with spaces between them, some in quotes."""
    found = re.findall(r"""'([^']+)'|"([^"]+)"|(\S+)""", packages)
    return tuple(filter(None, map(of_conda, ("".join(one) for one in found))))


def of_environment(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an environment.yml wants of conda, in pip's words, and what it wants of pip. Raises DataError."""
    from yaml import YAMLError, safe_load

    try:
        listed: Any = (safe_load(text) or {}).get("dependencies") or ()
    except (YAMLError, AttributeError) as error:
        raise DataError("its environment.yml is no environment of conda") from error
    conda = (of_conda(one) for one in listed if isinstance(one, str))
    pip = (_kept(str(line)) for one in listed if isinstance(one, dict) for line in one.get("pip") or ())
    return tuple(filter(None, conda)), tuple(filter(None, pip))


def of_conda(wish: str) -> str:
    """A package as conda asks for it, in pip's words: `numpy=1.23` is any 1.23; empty for what pip does not have.

    >>> of_conda("conda-forge::numpy=1.23"), of_conda("pytorch >=2"), of_conda("python=3.10")
    ('numpy==1.23.*', 'torch>=2', '')
    """
    found = PACKAGE.fullmatch(wish.strip())
    if not found or found[1].lower() in NOT_PIPS or found[1].startswith(("lib", "_")):
        return ""
    name, bounds = CALLED.get(found[1].lower(), found[1]), found[2].split("#")[0].strip()
    if bounds.startswith("=") and not bounds.startswith("=="):
        version = bounds.removeprefix("=").split("=")[0].removesuffix(".*").removesuffix("*").strip(".")
        return f"{name}=={version}.*" if version else name
    return f"{name}{bounds.replace(' ', ',') if re.match(r'[<>=!~]', bounds) else ''}"


def _lines(path: str, read: Read, above: frozenset[str]) -> Iterator[str]:
    text = read(path)
    if text is None:
        raise DataError(f"{path} is not in the repository at that commit")
    for line in _joined(text):
        named = re.fullmatch(r"(?:-r|--requirement)[ =]?\s*(\S+)", line)
        if named:
            other = _beside(path, named[1])
            yield from _lines(other, read, above | {path}) if other not in above | {path} else ()
        elif kept := _kept(line):
            yield kept


def _joined(text: str) -> Iterable[str]:
    """Its lines, without comments; a backslash at the end of one goes on with the next."""
    lines = text.replace("\r\n", "\n").replace("\\\n", " ").split("\n")
    return filter(None, (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines))


def _kept(line: str) -> str:
    """A line of requirements, or nothing: the repository itself, where packages come from, and bounds on others.

    Where packages come from is for the user's own settings of pip to say.
    """
    if line.startswith(OWN) or line == "." or (line.startswith("-") and not line.startswith(("-e ", "--editable"))):
        return ""
    line = re.sub(r"\s--hash[= ]\S+", "", line).strip()
    name = re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0]
    return REPLACED.get(name, line)


def _beside(path: str, other: str) -> str:
    """A path as it is named in another file."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / other).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return "/".join(parts)


def _of_pyproject(text: str | None) -> list[str]:
    try:
        listed: Any = tomllib.loads(text or "").get("project", {}).get("dependencies", ())
    except (tomllib.TOMLDecodeError, AttributeError):
        return []
    return [line for line in listed if isinstance(line, str)] if isinstance(listed, list) else []


def _of_setup_cfg(text: str | None) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text or "")
    except configparser.Error:
        return []
    return parser.get("options", "install_requires", fallback="").splitlines()


def _of_setup_py(text: str | None) -> list[str]:
    """The lists that are called `install_requires`, whether handed over or given that name."""
    try:
        nodes = list(ast.walk(ast.parse(text or "")))
    except (SyntaxError, ValueError, RecursionError):
        return []
    handed = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "install_requires"]
    named = [node.value for node in nodes if isinstance(node, ast.Assign) and any(map(_called, node.targets))]
    constants = (one for found in (*handed, *named) for one in ast.walk(found) if isinstance(one, ast.Constant))
    return [one.value for one in constants if isinstance(one.value, str)]


def _called(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id.lower() == "install_requires"
