"""What sera keeps on purpose and can do without: environments of evaluations, what became of validations, and
conversations. `sera clean` tells what each takes, and removes what it is asked for, unless somebody works with it.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sera_cli.console import say
from sera_cli.errors import Cancelled, ConfigError

LOCKS = ("lock", "used")
"""Files that say who builds what is kept beside them, and who works with it."""


class Stock(NamedTuple):
    """One kind of it: what there is in a project or in the user's cache, in bytes by path; how to remove what nobody
    uses of that; and what going without it costs.
    """

    name: str
    found: Callable[[Path], dict[Path, int]]
    remove: Callable[[Path], None]
    costs: str


def asked(names: Collection[str]) -> tuple[Stock, ...]:
    """The kinds of these names. Raises ConfigError for one that there is not."""
    known = {one.name: one for one in STOCKS}
    for name in names:
        if name not in known:
            raise ConfigError(f"--also {name}: sera keeps {', '.join(known)}")
    return tuple(one for one in STOCKS if one.name in names)


def named(found: dict[Path, int]) -> list[str]:
    from sera_cli.cli.runs import size

    return [f"{path} ({size(count)})" for path, count in found.items()]


def swept(stock: Stock, project: Path) -> list[str]:
    """What went; what is in use stays."""
    before = stock.found(project)
    stock.remove(project)
    after = stock.found(project)
    return named({path: count for path, count in before.items() if path not in after})


def tell(stock: Stock, found: dict[Path, int]) -> None:
    from sera_cli.cli.runs import size

    if found:
        say(f"kept: {stock.name}, {size(sum(found.values()))}; {stock.costs}. To remove them: sera clean --also "
            f"{stock.name}")


def _cache() -> Path:
    from sera_cli.config import home

    return home("cache") / "evaluate"


def _environments(_: Path) -> dict[Path, int]:
    from sera_cli.cli.runs import disk

    folders = sorted(folder for kind in ("venvs", "fetched") for folder in (_cache() / kind).glob("*"))
    return {folder: disk(folder) for folder in folders if _parts(folder)}


def _parts(folder: Path) -> list[Path]:
    """What is in it beside the locks, which stay: who waits for one must not make what another one makes."""
    return [part for part in folder.iterdir() if part.name not in LOCKS] if folder.is_dir() else []


def _remove_environments(project: Path) -> None:
    """Those that nobody builds and nobody uses."""
    from sera_cli.evaluate.environments import USED, alone
    from sera_cli.harness.sandbox import private
    from sera_cli.presence import deserted

    for folder in _environments(project):
        with suppress(Cancelled), alone(folder, lambda: True), deserted(folder / USED) as nobody:
            parts = _parts(folder) if nobody else []
            for part in sorted(parts, key=Path.is_dir):  # first the file that says that all is there
                private.remove(part)


def _validations(_: Path) -> dict[Path, int]:
    files = sorted((_cache() / "validated").glob("*.json"))
    return {_cache() / "validated": sum(file.stat().st_size for file in files)} if files else {}


def _remove_validations(_: Path) -> None:
    """An evaluation has its own copy of those that it asked for; one that is being made is written after this."""
    for file in (_cache() / "validated").glob("*.json"):
        file.unlink(missing_ok=True)


def _chats(project: Path) -> dict[Path, int]:
    """None where a link stands on the way: a repository may bring one, and what it leads to need not be sera's."""
    from sera_cli.cli.runs import disk
    from sera_cli.config import project as root_of

    root = root_of(project).resolve()
    folder = root / ".sera" / "chat"
    if folder.resolve() != folder:
        return {}
    return {
        part: disk(part) if part.is_dir() and not part.is_symlink() else part.lstat().st_size
        for part in sorted(_parts(folder))
    }  # fmt: skip


def _remove_chats(project: Path) -> None:
    from sera_cli.agents.talk.session import LOCK
    from sera_cli.harness.sandbox.private import remove
    from sera_cli.presence import deserted

    found = _chats(project)
    for folder in {part.parent for part in found}:
        with deserted(folder / LOCK) as nobody:
            for part in found if nobody else ():
                remove(part)


STOCKS = (
    Stock("environments", _environments, _remove_environments, "an evaluation that wants them builds them again"),
    Stock("validations", _validations, _remove_validations, "an evaluation that wants them tries its tasks again"),
    Stock("chats", _chats, _remove_chats, "sera chat --resume goes on from them"),
)
