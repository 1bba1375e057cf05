"""How fast a repository is mined, call graph included, beside code2flow and beside a bare parse of the same files.

    python tests/bench/mine.py REPO … [--peer /path/to/code2flow] [--growth] [--monorepo FILES]

REPO is a git repository of Python. Everything runs in a process of its own after all is imported, on one core and on
all: `seconds` pass on the clock, `CPU` is that of the process, of its workers and of git together, and `MB` is the
most memory that the process held, and the largest of its workers. The limit is what a plain loop of `ast.parse` and one
`ast.walk` takes over the same files on as many cores. Opening a repository (is it clean?), the age of files from git
and the start of workers are told apart. Warm is a second time, with every file in memory on disk; then one file is
changed in a copy of the repository. code2flow (the official miner's way, version as installed) is run on the main
package, and then without the files at which it stops: its failures are shown. `--growth` mines 1, 10 and 50 copies,
`--monorepo` a repository made up of that many files in six languages.
"""

import argparse
import ast
import gc
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from sera_cli.git import Checkout, blobs, open_repository, sizes, tracked  # noqa: E402
from sera_cli.history import ages  # noqa: E402
from sera_cli.svg.cores import cores as usable  # noqa: E402
from sera_cli.svg.memory import Key  # noqa: E402
from sera_cli.svg.mine import mine  # noqa: E402
from sera_cli.svg.pages import LARGEST  # noqa: E402
from sera_cli.svg.workers import answers  # noqa: E402
from tests.bench.monorepo import made  # noqa: E402

GROWTH = (1, 10, 50)
PATIENCE = 1800
"""Seconds that the peer may take for one part."""

CORES = usable()


class Spent(NamedTuple):
    """What was found and what it took. Memory in MB: of the process, and of the largest that it started."""

    files: int
    functions: int
    wall: float
    cpu: float
    memory: float = 0
    worker: float = 0


Work = Callable[[Checkout], tuple[int, int]]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("repo", nargs="*", type=Path)
    asked.add_argument("--peer", default="")
    asked.add_argument("--growth", action="store_true")
    asked.add_argument("--monorepo", type=int, default=0, metavar="FILES")
    said = asked.parse_args()
    print(f"{CORES} cores; load before: {os.getloadavg()[0]:.1f}\n")
    print("| what | files | functions | seconds | CPU | files a second | MB | MB, worker |\n|" + " --- |" * 8)
    warmed()
    for repo in said.repo:
        limits(repo)
        for processes in (0, -1):
            remembered(repo, processes)
        for what, work in (("opening it", opened), ("age of its files, from git", aged)):
            print(f"| {repo.name}: {what} | | | {(spent := alone(work, repo)).wall:.2f} | {spent.cpu:.2f} | | | |")
        if said.peer:
            against(said.peer, repo)
    if said.growth:
        grown(said.repo[0])
    if said.monorepo:
        with TemporaryDirectory() as folder:
            remembered(made(Path(folder, f"monorepo of {said.monorepo:,}"), said.monorepo), -1, fifth=True)


def warmed() -> None:
    """Imports all that mining needs: what is measured begins as a fork of this process."""
    with TemporaryDirectory() as folder:
        Path(folder, "a.py").write_text("def f(a):\n    return a + 1\n")
        Path(folder, "b.js").write_text("function f(a) {\n  return a + 1;\n}\n")
        committed(Path(folder))
        mine(open_repository(Path(folder)), seed=0, memory=Path(folder, "pages.sqlite"))
        print(f"| {CORES} workers: start and end | | | {alone(started, Path(folder)).wall:.2f} | | | | |", flush=True)


def started(here: Checkout) -> tuple[int, int]:
    file = tracked(here)[0]
    return len(dict(answers(here, iter([[Key(file.path, file.blob, "")]]), CORES))), 0


def row(what: str, spent: Spent) -> Spent:
    files, functions, wall, cpu, memory, worker = spent
    rate = f"{files / wall:,.0f}" if files else ""
    held = f"{memory:,.0f} | {worker:,.0f}" if memory else " | "
    print(f"| {what} | {files:,} | {functions:,} | {wall:.2f} | {cpu:.2f} | {rate} | {held} |", flush=True)
    return spent


def ratio(what: str, wall: float, cpu: float) -> None:
    print(f"| **{what}** | | | {wall:.3f} | {cpu:.3f} | | | |", flush=True)


def alone(work: Work, repo: Path) -> Spent:
    """What `work` finds in a process of its own, and what that and what it starts take."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return Spent(*pool.submit(_timed, work, repo).result())


def _timed(work: Work, repo: Path) -> tuple[float, ...]:
    warnings.simplefilter("ignore")
    here = open_repository(repo)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    done, held = threading.Event(), [0.0]
    watch = threading.Thread(target=_watch, args=(done, held))
    watch.start()
    began, before = time.monotonic(), sum(map(_cpu, kinds))
    try:
        files, functions = work(here)
        wall, cpu = time.monotonic() - began, sum(map(_cpu, kinds)) - before
    finally:
        done.set()
        watch.join()
    return files, functions, wall, cpu, _most("self"), max(held)


def _watch(done: threading.Event, held: list[float]) -> None:
    """Notes the most that processes started by this one have held. What the kernel sums up of children that ended
    counts what they were before they became another program: as much as this one.
    """
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while not done.wait(0.1):
        for child in children.read_text().split():
            with suppress(OSError, StopIteration):
                held.append(_most(child))


def _most(process: str) -> float:
    """The most memory that a process has held, in MB."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1000


def _cpu(kind: int) -> float:
    used = resource.getrusage(kind)
    return used.ru_utime + used.ru_stime


def limits(repo: Path) -> None:
    """A bare parse and `sera mine` without a memory, on one core and on all."""
    for processes, cores in ((0, 1), (-1, CORES)):
        limit = row(f"{repo.name}: `ast.parse` and one walk, {cores} core(s)", alone(partial(bare, cores=cores), repo))
        least = row(f"{repo.name}: the same without the collector", alone(partial(uncollected, cores=cores), repo))
        ours = row(f"{repo.name}: `sera mine`, {cores} core(s)", alone(partial(whole, processes=processes), repo))
        ratio("times the bare parse", ours.wall / limit.wall, ours.cpu / limit.cpu)
        ratio("times that without the collector, as we mine", ours.wall / least.wall, ours.cpu / least.cpu)


def bare(here: Checkout, cores: int) -> tuple[int, int]:
    files = [file.blob for file in tracked(here) if file.path.endswith((".py", ".pyi"))]
    held = sizes(here, files)
    files.sort(key=held.__getitem__)
    parts = [files[core::cores] for core in range(cores)]
    read, write = multiprocessing.Pipe(duplex=False)
    others = [multiprocessing.Process(target=_count, args=(here, part, write)) for part in parts[1:]]
    for other in others:
        other.start()
    functions = _parsed(here, parts[0]) + sum(read.recv() for _ in others)
    for other in others:
        other.join()
    return len(files), functions


def _count(here: Checkout, part: list[str], told: "multiprocessing.connection.Connection") -> None:
    told.send(_parsed(here, part))


def _parsed(here: Checkout, ids: Iterable[str]) -> int:
    functions = 0
    for _, content in blobs(here, ids):
        try:
            nodes = ast.walk(ast.parse(content))
        except (SyntaxError, ValueError):
            continue
        functions += sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)
    return functions


def uncollected(here: Checkout, cores: int) -> tuple[int, int]:
    gc.disable()
    return bare(here, cores)


def whole(
    here: Checkout, *, memory: Path | None = None, processes: int = -1, languages: tuple[str, ...] = ("python",)
) -> tuple[int, int]:
    found = mine(here, seed=0, languages=languages, memory=memory, processes=processes)
    return found.files, sum(1 for _ in found.functions) + sum(found.skipped.values())


def remembered(repo: Path, processes: int, *, fifth: bool = False) -> None:
    """The first time with a memory, which is written; the second; and one after a change of one file: the largest, or
    the fifth, where files are alike.
    """
    on = "on one core" if processes == 0 else f"on {CORES} cores"
    languages = () if fifth else ("python",)
    with TemporaryDirectory() as folder:
        copy, memory = Path(folder, repo.name), Path(folder, "pages.sqlite")
        subprocess.run(["git", "clone", "-q", repo, copy], check=True)
        work = partial(whole, memory=memory, processes=processes, languages=languages)
        cold = row(f"{repo.name}: cold, {on}", alone(work, copy))
        row(f"{repo.name}: warm", alone(work, copy))
        files = (file for file in copy.rglob("*.py") if file.stat().st_size < LARGEST)
        changed = sorted(files)[4] if fifth else max(files, key=_bytes)
        changed.write_text(f"{changed.read_text()}\n\ndef one_more(x):\n    return x + 1\n")
        committed(copy)
        warm = row(f"{repo.name}: warm, after a change of one file of {_bytes(changed):,} bytes", alone(work, copy))
        ratio("the part of cold that warm takes", warm.wall / cold.wall, warm.cpu / cold.cpu)
        print(f"| {repo.name}: its memory on disk | | | | | | {_bytes(memory) / 1e6:,.0f} | |", flush=True)


def opened(here: Checkout) -> tuple[int, int]:
    return len(open_repository(here.root).submodules), 0


def aged(here: Checkout) -> tuple[int, int]:
    return len(ages(here)), 0


def against(peer: str, repo: Path) -> None:
    """code2flow on the repository's main package, then on the largest part of it on which it works: the package without
    the files at which it stops when it is given them alone, or the largest such folder of it. There beside ours, on a
    repository of that part alone, and beside the limit.
    """
    package = max((path.parent for path in repo.glob("*/__init__.py")), key=_size)
    parts = [package, *sorted((path.parent for path in package.glob("*/__init__.py")), key=_size, reverse=True)]
    for part in parts:
        name = part.relative_to(repo)
        with TemporaryDirectory() as folder:
            copy = Path(folder, part.name)
            shutil.copytree(part, copy)
            failed("all of " if part == package else "", name, part, *_peer(peer, part))
            broken = _stopping(peer, copy)
            for file, why in broken.items():
                print(f"| code2flow stops at {name / file.relative_to(copy)}: {why} | 1 | | | | | | |", flush=True)
                file.unlink()
            seconds, why = _peer(peer, copy)
            if failed("the rest of ", name, copy, seconds, why):
                continue
            committed(Path(folder))
            files = len([*copy.rglob("*.py")])
            row(f"code2flow on the other files of {name}", Spent(files, 0, seconds, seconds))
            for processes, cores in ((0, 1), (-1, CORES)):
                work = partial(whole, processes=processes)
                ours = row(f"`sera mine` on them, {cores} core(s)", alone(work, Path(folder)))
                least = alone(partial(uncollected, cores=cores), Path(folder))
                ratio("times faster than code2flow", seconds / ours.wall, seconds / ours.cpu)
                ratio("times that a bare parse is faster than it", seconds / least.wall, seconds / least.cpu)
            return


def failed(what: str, name: Path, folder: Path, seconds: float, why: str) -> bool:
    """Tells what code2flow failed of, if it did."""
    if why:
        files = len([*folder.rglob("*.py")])
        print(f"| code2flow on {what}{name}: {why} | {files:,} | | | {seconds:.2f} | | | |", flush=True)
    return bool(why)


def _stopping(peer: str, folder: Path) -> dict[Path, str]:
    """The files at which it stops when it is given them alone, and the last line of why."""
    files = sorted(folder.rglob("*.py"))
    with ThreadPoolExecutor(CORES) as pool:
        found = zip(files, pool.map(lambda file: _peer(peer, file)[1], files), strict=True)
        return {file: why for file, why in found if why}


def _bytes(file: Path) -> int:
    return file.stat().st_size


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.py"))


def _peer(peer: str, source: Path) -> tuple[float, str]:
    """Its seconds of CPU, where nothing else is run meanwhile, and the last line of its failure, if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with TemporaryDirectory() as place:
        options = ["--language", "py", "--skip-parse-errors", "--quiet", "--output", f"{place}/g.json"]
        try:
            done = subprocess.run([peer, str(source), *options], capture_output=True, text=True, timeout=PATIENCE)
            why = "" if done.returncode == 0 else (done.stderr.strip() or "failed").splitlines()[-1][:80]
        except subprocess.TimeoutExpired:
            why = f"not done in {PATIENCE} s"
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, why


def grown(repo: Path) -> None:
    """The same files once, ten and fifty times in one repository."""
    for times in GROWTH:
        with TemporaryDirectory() as folder:
            for number in range(times):
                place = Path(folder, f"copy{number}")
                place.mkdir()
                listed = subprocess.run(["git", "-C", repo, "archive", "HEAD"], capture_output=True, check=True).stdout
                subprocess.run(["tar", "-x", "-C", place], input=listed, check=True)
            committed(Path(folder))
            row(f"{repo.name}, {times} times", alone(whole, Path(folder)))


def committed(folder: Path) -> None:
    """Makes a folder a repository with one commit more."""
    who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A", "-f"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", folder, *command], check=True)


if __name__ == "__main__":
    main()
