"""Where instances are tried: the environment of an evaluation by its name, with what the settings say of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sera_cli.console import say
from sera_cli.errors import ConfigError, SandboxError

if TYPE_CHECKING:
    from sera_cli.cli.evaluate import Wanted
    from sera_cli.cli.exam import Exam
    from sera_cli.evaluate.places import Place
    from sera_cli.evaluate.toolchains import Ground
    from sera_cli.harness.sandbox import Terms

NAMES = ("venv", "docker", "local")


def chosen(wanted: "Wanted", *, clones: bool) -> str:
    """`venv` is built from clones and an index of packages, `docker` is an image, `local` what this machine has.

    auto takes local for a repository's own past and for an environment of the user's, venv where there are clones,
    else docker where an engine answers. Raises ConfigError for another name, and where there is nothing to take.
    """
    name = wanted.environment
    if wanted.bench == "soft":
        return "none"  # no tests are run
    if name != "auto" and name not in NAMES:
        raise ConfigError(f"no environment is called {name}; say auto, {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if name in ("venv", "local") and not clones:
        raise ConfigError(f"--environment {name} starts from clones; say where they are with --repos DIR")
    if name != "auto":
        return name
    if clones:
        return "local" if wanted.venv or wanted.bench == "replay" else "venv"
    if not _docker():
        raise ConfigError(
            "there is nothing to try instances in: no docker engine answers for the published images; start one, or "
            "say where clones of the repositories are with --repos DIR"
        )
    return "docker"


@contextmanager
def place(exam: "Exam", cancelled: Callable[[], bool]) -> Iterator["Place"]:
    """The place that the exam's environments are in; what its sandboxes share is gone at the end."""
    wanted, offline, terms = exam.wanted, exam.job.config.privacy.offline, _terms(exam, cancelled)
    match exam.settings["environment"]:
        case "venv":
            from sera_cli.evaluate.venv import VenvPlace

            assert exam.repositories
            yield VenvPlace(exam.repositories, terms=terms, newer=wanted.any_python, offline=offline)
        case "local":
            with _local(exam, terms) as made:
                yield made
        case _:
            from sera_cli.evaluate.images import ImagePlace, Published

            said = exam.job.config.eval
            published = Published(
                namespace=wanted.namespace or Published().namespace, tag=said.image_tag, root=said.image_root,
                activate=said.image_activate,
            )  # fmt: skip
            with ImagePlace(terms, published, pull=not offline) as made:
                yield made


@contextmanager
def _local(exam: "Exam", terms: "Terms") -> Iterator["Place"]:
    """What is on this machine already; the sandboxes have to isolate, unless the user said that they need not."""
    from sera_cli.evaluate.local import LocalPlace
    from sera_cli.harness.sandbox import choose
    from sera_cli.harness.sandbox.private import private_folder

    said, setup = exam.job.config.rollout.sandbox, exam.job.config.env.setup
    if said != "folder" and not choose(said).isolates:
        raise ConfigError("tests and commands would run on this machine unconfined; install bubblewrap (`sera doctor`)")
    assert exam.repositories
    with private_folder(label=exam.job.run.name) as scratch:
        yield LocalPlace(exam.repositories, _ground(exam), scratch, setup=setup, sandbox=said, terms=terms)


def _ground(exam: "Exam") -> "Ground":
    """The user's environment, else the programs of the language that the instances are in."""
    from sera_cli.evaluate.toolchains import environment, toolchain

    if exam.wanted.venv:
        return environment(exam.wanted.venv)
    languages = {one.install_config.language if one.install_config else "python" for one in exam.instances}
    if len(languages) > 1:
        raise ConfigError(f"--environment local is for one language, and these are in {', '.join(sorted(languages))}")
    return toolchain(languages.pop(), exam.repositories)


def _terms(exam: "Exam", cancelled: Callable[[], bool]) -> "Terms":
    """What the settings say of sandboxes; no command may see the clones, whose histories hold the fixes."""
    from sera_cli.harness.sandbox import Bounds, Terms

    most, run = exam.job.config.rollout, exam.job.run
    bounds = Bounds(memory=int(most.memory_gb * 2**30), disk=int(most.disk_gb * 2**30), processes=most.processes)
    return Terms(bounds, run.name, cancelled, hidden=exam.repositories, log=run.folder / "environment.log", tell=say)


def _docker() -> bool:
    from sera_cli.harness.sandbox import daemon

    try:
        daemon.connect().close()
    except SandboxError:
        return False
    return True
