"""The folder sandbox: commands run in a private copy, with a clean environment, as the user who runs sera.

It keeps rollouts apart from one another and from the user's checkout; it is no prison. Covered: time, kept output,
disk, what commands leave running, credentials in the environment, and where the system has control groups for us (see
cgroup.py) memory and processes. Not covered: the network, the user's files, the user's processes: as root, a command
can end all that runs on the machine.
"""

import re
from functools import partial
from pathlib import Path

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import PLAIN, Terms
from sera_cli.harness.sandbox.copy import PrivateCopy, Shared, trial
from sera_cli.harness.sandbox.places import INSIDE, Walls, lay_out, links, python_home


class FolderSandbox(PrivateCopy):
    """Its copy is always among the temporary files: tools look for settings upwards, and must not find the user's."""

    def __init__(
        self, base: Path, _scratch: Path | None = None, terms: Terms = PLAIN, with_others: Shared | None = None
    ) -> None:
        super().__init__(base, None, partial(_walls, terms=terms), terms=terms, with_others=with_others)


def probe() -> str:
    """Empty where it works, else why not, in one line."""
    return trial(_walls)


def _walls(folder: Path, base: Path, terms: Terms = PLAIN) -> Walls:
    """Raises SandboxError for a folder whose path would fall apart in a command, and for what is to be seen elsewhere
    than where it is.
    """
    if moved := [inside for _, inside in terms.shown if inside]:
        raise SandboxError(f"the folder sandbox cannot show a folder as {moved[0]}; --sandbox bubblewrap can")
    if not re.fullmatch(r"[\w/.-]+", str(folder), re.ASCII):
        raise SandboxError(f"the folder sandbox needs a plain path, not {folder.parent}; set TMPDIR to another folder")
    lay_out(folder)
    (folder / "objects").symlink_to(base / ".git" / "objects")
    names = {place: str(folder / place) for place in INSIDE}
    home = python_home()
    names |= {"python": str(home)} if home else {}
    (folder / "bin").mkdir()
    for name, target in links(names).items():
        (folder / "bin" / name).symlink_to(target)
    return Walls(
        folder=folder, names=names, mark=str(folder), path=terms.path, variables=dict(terms.variables)
    )  # fmt: skip
