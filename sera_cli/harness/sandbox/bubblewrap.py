"""The bubblewrap sandbox: commands run in namespaces of their own, on a read-only system, without a network.

Covered: the network, sockets to a hypervisor, the user's files and processes, the environment, credentials in /etc,
keys of the kernel, capabilities, new privileges and namespaces, what commands leave running, time, kept output, disk,
and where the system has control groups for us (see cgroup.py) memory and processes. Not covered: faults of the kernel,
the share of the processor.
"""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import PLAIN, Shown, Terms
from sera_cli.harness.sandbox.copy import PrivateCopy, Shared, trial
from sera_cli.harness.sandbox.overlay import mounting
from sera_cli.harness.sandbox.places import INSIDE, PLACES, Walls, lay_out, links, python_home
from sera_cli.harness.sandbox.syscalls import filtering

USER = "1000"
ACCOUNTS = {
    "passwd": f"user:x:{USER}:{USER}::{INSIDE['home']}:/bin/bash\n",
    "group": f"user:x:{USER}:\n",
    "hosts": "127.0.0.1 localhost testbed\n",
}
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SHARED = 256 << 20
"""Bytes of shared memory."""

KERNEL = tuple(f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr"))
WAYS = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/gai.conf", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
    "/etc/ca-certificates.conf", "/etc/services", "/etc/protocols",
)  # fmt: skip
"""How names and certificates of the network are looked up."""

LOOKUPS = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mime.types", "nsswitch.conf")
"""What programs look up in /etc and is no secret."""


class BubblewrapSandbox(PrivateCopy):
    """Where the system can, what it works on is an overlay over the checkout instead of a copy."""

    isolates = True

    def __init__(
        self, base: Path, scratch: Path | None = None, terms: Terms = PLAIN, with_others: Shared | None = None
    ) -> None:
        super().__init__(base, scratch, partial(_walls, terms=terms), terms=terms, with_others=with_others)


def probe() -> str:
    """Empty where it works, else why not, in one line."""
    return trial(_walls)


def _walls(folder: Path, base: Path, terms: Terms = PLAIN) -> Walls:
    opened, filtered = filtering(folder)
    mounted = mounting(folder, base, " ".join((*PLACES, "etc")), _accounts(), opened)
    if not mounted:
        _laid_out(folder)
    prefix = (
        *(mounted or ("/bin/sh", "-c", f'exec "$@" {opened}', "sh")), *_apart(filtered, ()), *_places(folder),
        *_python(), *_shown(terms), *_covers(terms), "--remount-ro", "/", "--chdir", "/",
    )  # fmt: skip
    git = ("--bind", str(folder / "git"), INSIDE["git"], "--ro-bind", str(base / ".git" / "objects"), INSIDE["objects"])
    return Walls(
        folder=folder, names=INSIDE, prefix=prefix, git=git, end=("--",), mounted=bool(mounted), path=terms.path,
        variables=dict(terms.variables), shown=tuple((str(real), inside) for real, inside in terms.shown if inside),
    )  # fmt: skip


def workshop(folder: Path, writable: Sequence[Shown], terms: Terms = PLAIN, *, network: bool = False) -> Walls:
    """How a command runs in the private folder `folder` to build something: as the commands of a sandbox do, but that
    it may write the `writable` folders, and with `network` reaches what this machine does.

    Raises SandboxError where bubblewrap is not installed.
    """
    opened, filtered = filtering(folder)
    _laid_out(folder)
    binds = chain(*(("--bind", str(real), inside or str(real)) for real, inside in writable))
    ways = chain(*(("--ro-bind-try", way, way) for way in WAYS)) if network else ()
    prefix = (
        "/bin/sh", "-c", f'exec "$@" {opened}', "sh", *_apart(filtered, ("--share-net",) if network else ()),
        *_places(folder), *ways, *_shown(terms), *binds, *_covers(terms), "--remount-ro", "/", "--chdir", "/",
    )  # fmt: skip
    return Walls(
        folder=folder, names=INSIDE, prefix=prefix, end=("--",), path=terms.path, variables=dict(terms.variables)
    )  # fmt: skip


def _apart(filtered: Sequence[str], shared: Sequence[str]) -> list[str]:
    """Namespaces of its own, and of this machine no more than its system."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("bubblewrap is not installed; try `apt-get install bubblewrap`")
    return [
        program, *filtered, "--unshare-all", *shared, *_closing(program), "--die-with-parent", "--new-session",
        "--cap-drop", "ALL", "--uid", USER, "--gid", USER, "--hostname", "testbed",
        *_system(), *_proc(), *_devices(program),
    ]  # fmt: skip


def _laid_out(folder: Path) -> None:
    lay_out(folder)
    (folder / "etc").mkdir(exist_ok=True)
    subprocess.run(["/bin/sh", "-c", _accounts()], cwd=folder, check=True)


def _closing(program: str) -> tuple[str, ...]:
    """Keeps commands from making namespaces, in which they would have capabilities; bubblewrap can since 0.8."""
    return ("--unshare-user", "--disable-userns") if "--disable-userns" in _manual(program) else ()


@cache
def _manual(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout


def _devices(program: str) -> list[str]:
    """What is written to /dev lies in memory, and no group may be there to bind it."""
    shared = ("--perms", "1777", "--size", str(SHARED), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")
    return ["--dev", "/dev", *(shared if "--size" in _manual(program) else ())]


def _system() -> list[str]:
    made = ["--ro-bind", "/usr", "/usr"]
    for path in (Path("/", name) for name in SYSTEM):
        if path.is_symlink():
            made += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            made += ["--ro-bind", str(path), str(path)]
    return [*made, *chain(*(("--ro-bind-try", f"/etc/{name}", f"/etc/{name}") for name in LOOKUPS))]


def _proc() -> list[str]:
    """Where sera is root, commands own what root owns, whatever number they see; settings of the kernel among it."""
    return ["--proc", "/proc", *chain(*(("--ro-bind-try", path, path) for path in KERNEL))]


def _accounts() -> str:
    """Makes the files of ACCOUNTS in etc/."""
    return " ".join(f"printf %s {shlex.quote(text)} >etc/{name};" for name, text in ACCOUNTS.items())


def _places(folder: Path) -> list[str]:
    writable = (("--bind", str(folder / place), INSIDE[place]) for place in ("testbed", "tmp", "home", "state"))
    fixed = (("--ro-bind", str(folder / "etc" / name), f"/etc/{name}") for name in ACCOUNTS)
    empty = (("--dir", INSIDE[place]) for place in ("git", "objects", "bin"))
    linked = (("--symlink", str(target), f"{INSIDE['bin']}/{name}") for name, target in links(INSIDE).items())
    return [*chain(*writable, *fixed, *empty, *linked), "--symlink", INSIDE["tmp"], "/var/tmp"]


def _covers(terms: Terms) -> list[str]:
    """Empty folders over what is the user's and lies in a part of the system that is shown: in /usr/src, say."""
    own = [path.resolve() for path in (terms.hidden, Path.home()) if path]
    shown = [(Path("/usr"), Path("/usr")), *((Path("/", name), Path("/", name)) for name in SYSTEM)]
    if home := python_home():
        shown += [(home, home), (home, Path(INSIDE["python"]))]
    shown += [(real.resolve(), Path(inside or real)) for real, inside in terms.shown]
    found = (at / path.relative_to(real) for real, at in shown for path in own if path.is_relative_to(real))
    return [*chain(*(("--tmpfs", str(path), "--remount-ro", str(path)) for path in found))]


def _shown(terms: Terms) -> list[str]:
    return [*chain(*(("--ro-bind", str(real), inside or str(real)) for real, inside in terms.shown))]


def _python() -> list[str]:
    """Bound twice: where a model sees it, and where its own libraries may look for themselves."""
    home = str(python_home() or "")
    return ["--ro-bind", home, INSIDE["python"], "--ro-bind", home, home] if home else []
