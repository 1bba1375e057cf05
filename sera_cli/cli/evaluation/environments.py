"""Where instances are tried: the environment of an evaluation by its name, with what the settings say of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sera_cli.console import say
from sera_cli.errors import ConfigError, DataError, SandboxError

if TYPE_CHECKING:
    from pathlib import Path

    from sera_cli.cli.evaluate import Wanted
    from sera_cli.cli.evaluation.exam import Exam
    from sera_cli.config import Config
    from sera_cli.evaluate.own import Allowed
    from sera_cli.evaluate.places import Place
    from sera_cli.harness.sandbox import Terms

MODULE = re.compile(r"(?:src/)?(?P<file>\w+\.py|\w+/__init__\.py)")
"""A module or a package that an installed repository brings."""

NAMES = ("venv", "docker", "local")


def chosen(wanted: "Wanted", *, clones: bool, own: bool) -> str:
    """`venv` is built from clones and an index of packages, `docker` is an image, `local` what this machine has.

    auto takes local for tasks of a repository's `own` past and for an environment of the user's, venv where there
    are clones, else docker where an engine answers. Raises ConfigError for another name, and where there is nothing to
    take.
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
        return "local" if wanted.venv or own else "venv"
    if not _docker():
        raise ConfigError(
            "there is nothing to try instances in: no docker engine answers for the published images; start one, or "
            "say where clones of the repositories are with --repos DIR"
        )
    return "docker"


def chosen_by(wanted: "Wanted", name: str) -> dict[str, Any]:
    """What was said of the environment called `name`, in as far as it makes another one. Raises ConfigError for what
    has no say in it.
    """
    if name == "none":
        return {}
    for said, flag, place in ((wanted.venv, "--venv", "local"), (wanted.any_python, "--any-python", "venv"),
                              (wanted.namespace, "--image-namespace", "docker")):
        if said and name != place:
            raise ConfigError(f"{flag} has no say in environment {name}; leave it out, or say --environment {place}")
    told: dict[str, Any] = {"any_python": True} if wanted.any_python else {}
    return told | ({"venv": str(wanted.venv.resolve())} if wanted.venv else {})


def images(wanted: "Wanted", config: "Config") -> dict[str, str]:
    """How published images are called and what is in them."""
    from sera_cli.evaluate.images import Published

    said = config.eval
    return Published(
        namespace=wanted.namespace or Published().namespace, tag=said.image_tag, root=said.image_root,
        activate=said.image_activate,
    ).model_dump()  # fmt: skip


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

            with ImagePlace(terms, Published(**exam.settings["images"]), pull=not offline) as made:
                yield made


@contextmanager
def _local(exam: "Exam", terms: "Terms") -> Iterator["Place"]:
    """What is on this machine already; the sandboxes have to isolate, unless the user said that they need not."""
    from sera_cli.evaluate import own
    from sera_cli.harness.sandbox import choose
    from sera_cli.harness.sandbox.private import private_folder

    said = exam.job.config.rollout.sandbox
    if said != "folder" and not choose(said).isolates:
        raise ConfigError("tests and commands would run on this machine unconfined; install bubblewrap (`sera doctor`)")
    if exam.who and said == "folder":
        say("note: the folder sandbox keeps nobody from the network, nor from the fixes in your own repository: score "
            "no one by it", prose=True)
    if exam.who and exam.wanted.venv and (copies := _copies(exam, exam.wanted.venv)):
        say(f"note: {exam.wanted.venv} has a copy of {copies[0]}, in which the fixes may be read; install the "
            "repository there with `pip install -e`", prose=True)
    assert exam.repositories
    with private_folder(label=exam.job.run.name) as scratch:
        yield own.place(exam.repositories, _language(exam), _allowed(exam), scratch, sandbox=said, terms=terms)


def _copies(exam: "Exam", venv: "Path") -> list[str]:
    """The modules at the top of the repository that an environment of the user's has as files of its own."""
    from contextlib import suppress

    from sera_cli.evaluate.repositories import checkout
    from sera_cli.git import tracked

    names, one = set[str](), exam.instances[0]
    with suppress(DataError):
        assert exam.repositories
        files = tracked(checkout(exam.repositories, one.repo, one.base_commit))
        names = {made["file"] for file in files if (made := MODULE.fullmatch(file.path))}
    return sorted(name for name in names if any(venv.glob(f"lib*/python3*/site-packages/{name}")))


def _allowed(exam: "Exam") -> "Allowed":
    """What the user says, and what the tasks of a repository's own past were made with: what was fetched for those is
    there still, and fetched again only where the network is allowed.
    """
    from sera_cli.evaluate.own import Allowed

    env, private = exam.job.config.env, exam.job.config.privacy
    made: dict[str, Any] = next((one.past for one in exam.instances if one.past), {})
    if made.get("environment") == "venv" and not exam.wanted.venv:
        raise ConfigError("these tasks were made with an environment of yours; name it with --venv DIR")
    return Allowed(
        venv=exam.wanted.venv, setup=env.setup or str(made.get("setup", "")),
        network=env.network or made.get("environment") == "network", offline=private.offline or not env.network,
    )  # fmt: skip


def _language(exam: "Exam") -> str:
    """The one that the instances are in."""
    languages = {one.install_config.language if one.install_config else "python" for one in exam.instances}
    if len(languages) > 1:
        raise ConfigError(f"--environment local is for one language, and these are in {', '.join(sorted(languages))}")
    return languages.pop()


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
