"""The places of a sandbox, what commands call them, and the clean environment that names them.

A model sees the same paths in every sandbox, and never a path of the machine: trajectories hold what it sees.
"""

import re
import sys
from functools import cache
from pathlib import Path

from pydantic import Field

from sera_cli.harness.sandbox import ROOT
from sera_cli.types import Value

INSIDE = {
    "testbed": ROOT, "tmp": "/tmp", "home": "/home/user", "bin": "/opt/bin", "python": "/opt/python",
    "state": "/run/sera", "git": "/run/git", "objects": "/run/objects",
}
"""Every place by name, and the path a model knows it by."""

PLACES = ("tmp", "home", "state", "git")
"""Folders of a private folder in which something is to be written, beside testbed."""

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
ENVIRONMENT = {
    "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "PAGER": "cat", "GIT_PAGER": "cat", "GIT_EDITOR": "true",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "user", "GIT_AUTHOR_EMAIL": "user@localhost",
    "GIT_COMMITTER_NAME": "user", "GIT_COMMITTER_EMAIL": "user@localhost",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
}


class Walls(Value):
    """How commands run in the private folder `folder`.

    A shell is started by `prefix`, sera's own git by `prefix` and `git`; `end` stands before either. `names` says how
    commands see each place of INSIDE. `mark` is a text that the environment of these commands alone holds; without one
    they run in a pid namespace. `mounted` says that the checkout is there without being copied. `path`, `variables`
    and `shown` are those of Terms, `shown` as pairs of paths.
    """

    folder: Path
    names: dict[str, str]
    prefix: tuple[str, ...] = ()
    git: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    mark: str = ""
    mounted: bool = False
    path: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)
    shown: tuple[tuple[str, str], ...] = ()

    def environment(self) -> dict[str, str]:
        """All that a command knows: nothing of the environment that sera itself was started with."""
        names = self.names
        own = [*self.path, names["bin"], *([names["python"] + "/bin"] if python_home() else [])]
        return ENVIRONMENT | {
            "PATH": ":".join([*own, *SYSTEM_PATH]), "HOME": names["home"], "TMPDIR": names["tmp"],
            "GIT_CEILING_DIRECTORIES": names["testbed"].rpartition("/")[0] or "/",
        } | self.variables

    def inward(self, text: str) -> str:
        """Text with the paths a model knows, as commands need it. A path that only ends like one of them is left."""
        known = {path: self.names[place] for place, path in INSIDE.items() if self.names[place] != path}
        if not known:
            return text
        paths = "|".join(map(re.escape, known))
        pattern = rf"(?<![\w.~$/)}}\]*?`-])(?:{paths})(?![\w-]|\.\w)"
        return re.sub(pattern, lambda found: known[found[0]], text)

    def outward(self, text: str, *, contents: bool = False) -> str:
        """Output of commands, with the paths a model knows.

        The `contents` of files keep the path of this Python: a file of the repository may name the same one, and has to
        be written back, and diffed, as it was read.
        """
        home = None if contents else python_home()
        real = {name: INSIDE[place] for place, name in self.names.items() if place != "python"}
        real |= {str(self.folder) + "/": "/", str(self.folder): "/"} | ({str(home): INSIDE["python"]} if home else {})
        real |= dict(self.shown)
        for path in sorted(real, key=len, reverse=True):
            text = text.replace(path, real[path])
        return text


def python_home() -> Path | None:
    """The installation of the Python that runs sera; None where it is part of the system, or holds a home folder."""
    return _python_home(sys.base_prefix, str(Path.home()))


@cache
def _python_home(prefix: str, user: str) -> Path | None:
    home = Path(prefix).resolve()
    return None if home.is_relative_to("/usr") or Path(user).resolve().is_relative_to(home) else home


def lay_out(folder: Path) -> None:
    """Makes the places of a private folder in which something is to be written."""
    for place in ("testbed", *PLACES):
        (folder / place).mkdir(exist_ok=True)


def links(names: dict[str, str]) -> dict[str, Path]:
    """The links in bin/, by name: `python` and `python3` are the Python that runs sera, as it is called inside."""
    target, home = Path(sys.executable).resolve(), python_home()
    if home and target.is_relative_to(home):
        target = Path(names["python"]) / target.relative_to(home)
    elif not target.is_relative_to("/usr"):
        return {}
    return dict.fromkeys(("python", "python3"), target)
