"""Where instances are tried: the environment of an evaluation by its name, with what the settings say of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.console import say
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.cli.exam import Exam
    from sera_cli.evaluate.places import Place
    from sera_cli.harness.sandbox import Terms

NAMES = ("venv", "docker")


def chosen(name: str, repos: Path | None) -> str:
    """`venv` or `docker`; auto takes venv where there are clones to build from, else docker where it answers.

    Raises ConfigError for another name, and where there is nothing to take.
    """
    if name != "auto" and name not in NAMES:
        raise ConfigError(f"no environment is called {name}; say auto, venv or docker")
    if name == "venv" and repos is None:
        raise ConfigError("--environment venv builds from clones; say where they are with --repos DIR")
    if name != "auto":
        return name
    if repos is not None:
        return "venv"
    if not _docker():
        raise ConfigError(
            "there is nothing to try instances in: no docker engine answers for the published images; start one, or "
            "say where clones of the repositories are with --repos DIR"
        )
    return "docker"


def _docker() -> bool:
    from sera_cli.errors import SandboxError
    from sera_cli.harness.sandbox import daemon

    try:
        daemon.connect().close()
    except SandboxError:
        return False
    return True


@contextmanager
def place(exam: "Exam", cancelled: Callable[[], bool]) -> Iterator["Place"]:
    """The place that the exam's environments are in; what its sandboxes share is gone at the end."""
    wanted, offline, terms = exam.wanted, exam.job.config.privacy.offline, _terms(exam, cancelled)
    if exam.settings["environment"] == "venv":
        from sera_cli.evaluate.venv import VenvPlace

        assert exam.repositories
        yield VenvPlace(exam.repositories, terms=terms, newer=wanted.any_python, offline=offline)
        return
    from sera_cli.evaluate.images import ImagePlace, Published

    published = Published(namespace=wanted.namespace) if wanted.namespace else Published()
    with ImagePlace(terms, published, pull=not offline) as made:
        yield made


def _terms(exam: "Exam", cancelled: Callable[[], bool]) -> "Terms":
    """What the settings say of sandboxes; no command may see the clones, whose histories hold the fixes."""
    from sera_cli.harness.sandbox import Bounds, Terms

    most, run = exam.job.config.rollout, exam.job.run
    bounds = Bounds(memory=int(most.memory_gb * 2**30), disk=int(most.disk_gb * 2**30), processes=most.processes)
    return Terms(bounds, run.name, cancelled, hidden=exam.repositories, log=run.folder / "environment.log", tell=say)
