"""What an evaluation is about: the instances of a benchmark, by the name that it goes by."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.cli.evaluate import Wanted
    from sera_cli.evaluate.instance import Instance

OWN = ("replay", "soft")
"""Benchmarks that a repository has of its own, in `.sera/bench`."""

FILES = (".jsonl", ".json", ".parquet")


def named(wanted: "Wanted") -> str:
    """What the benchmark is called. Raises ConfigError for one that nobody knows, with one that is near."""
    from sera_cli.evaluate.reading import HUB

    known = (*HUB, *OWN)
    bench = wanted.bench
    if not bench and wanted.dataset:
        return wanted.dataset.stem
    if bench in known or bench.endswith(FILES) or (bench.count("/") == 1 and not Path(bench).exists()):
        return Path(bench).stem if bench.endswith(FILES) else bench
    names = ", ".join(known)
    if not bench:
        raise ConfigError(f"say what to evaluate on: --bench {names}, or a .jsonl or .parquet FILE")
    close = get_close_matches(bench, known, n=1)
    nearest = f" the nearest is {close[0]};" if close else ""
    raise ConfigError(f"no benchmark is called {bench};{nearest} known: {names}, or a FILE.jsonl")


def instances(wanted: "Wanted", root: Path, *, offline: bool) -> tuple[tuple["Instance", ...], bool]:
    """The chosen instances, and whether those are all. Raises ConfigError or DataError for what is not there, or is no
    benchmark.
    """
    from sera_cli.evaluate import reading

    every = _soft(wanted, root) if wanted.bench == "soft" else reading.instances(
        _source(wanted, root), offline=offline)
    found = reading.chosen(every, wanted.instances, wanted.limit or 0)
    return found, len(found) == len(every)


def _soft(wanted: "Wanted", root: Path) -> tuple["Instance", ...]:
    from sera_cli.cli.evaluation import soft
    from sera_cli.evaluate.soft import instance, read

    file = wanted.dataset or soft.at(root)
    if not file.exists():
        raise ConfigError(f"{file} is not there; without --dry-run and --dataset the teacher of the settings writes it")
    return tuple(map(instance, read(file).tasks))


def repositories(wanted: "Wanted", root: Path) -> Path | None:
    """Where the clones are: as said, and of a project's own past, the project itself. Raises ConfigError for no folder.
    """
    if wanted.repos and not wanted.repos.is_dir():
        raise ConfigError(f"--repos {wanted.repos}: there is no such folder; name the one that holds the clones")
    if wanted.repos is None and wanted.bench == "replay":
        return root
    return wanted.repos


def _source(wanted: "Wanted", root: Path) -> str | Path:
    if wanted.dataset:
        return wanted.dataset
    if wanted.bench == "replay":
        file = root / ".sera" / "bench" / "replay.jsonl"
        if not file.exists():
            raise ConfigError(f"{root.name} has no replay benchmark yet; make it with: sera bench build {root}")
        return file
    return wanted.bench
