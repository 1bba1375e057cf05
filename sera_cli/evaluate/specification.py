"""How an instance's environment is made and its tests are run: swebench's own words for the repositories it knows, the
row's for others. Nothing is asked of the network: requirement files are read from the clone.
"""

import re
import shlex
from collections.abc import Sequence
from functools import partial
from typing import Any

from sera_cli.errors import DataError
from sera_cli.evaluate import repositories, requirements, swebench
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.git import Checkout
from sera_cli.plumbing import run
from sera_cli.types import Value, digest

SOURCES = ("setup.py", "setup.cfg", "pyproject.toml")
"""The files of a repository that decide what installing it brings in."""

BOUNDS = ("docutils<0.22",)
"""What has come out since swebench wrote its specifications, and does not go with what they install."""

SPOKEN = re.compile(r"locale-gen|^\s*export\s+(LANG|LC_ALL|LANGUAGE)=")
"""Commands that choose a language: C.UTF-8 is there without one, and the ones they name are not."""

COPYING = re.compile(
    r"\bpython3? setup\.py install\b|\bpip3? install(?P<options>(?: +-\S+)*) +(?P<what>[\"']?\.(?=[\[\"'\s]|$))"
)
"""How a repository is installed as a copy."""


class Specification(Value):
    """Commands are bash, run in the checkout; the requirements are lines for pip, installed in this order: `wished`,
    which conda was to bring, `requirements`, and `packages`, which win; all within `bounds`, and from before `until`
    where the index says so.

    `python` is a version such as 3.9. `before` comes before the tests, `test_command` is whole, with the tests to run;
    `parser` is the name of the function of swebench that reads what they print. `sources` is the digest of the files
    that `install` goes by; where swebench has the word, one environment does for each of its versions, but for commits
    that declare other dependencies than the one it is set up from.
    """

    repo: str
    version: str = ""
    language: str = "python"
    python: str = ""
    until: str = ""
    bounds: tuple[str, ...] = ()
    wished: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pre_install: tuple[str, ...] = ()
    install: str = ""
    before: tuple[str, ...] = ()
    test_command: str = ""
    parser: str = ""
    sources: str = ""

    @property
    def digest(self) -> str:
        """Of all that decides what the environment holds; how the tests are run there is no part of it."""
        unasked = {"until"} if not self.until else set[str]()
        return digest(self.model_dump(mode="json", exclude={"before", "test_command", "parser"} | unasked), 16)


def specification(instance: Instance, checkout: Checkout) -> Specification:
    """The specification of an instance whose repository is `checkout`, at the base commit.

    Raises Unprepared where nobody says how its repository is installed, or what it names is not there, DataError for
    a log parser that there is not, ConfigError without the swebench package.
    """
    setup = _setup(instance, checkout)
    try:
        config = instance.install_config or _known(instance, setup)
        wished, required = _required(config, setup)
    except DataError as error:
        raise Unprepared(f"{instance.instance_id}: {error}") from error
    return Specification(
        repo=instance.repo, version=instance.version, language=config.language, python=config.python,
        until=config.until, bounds=() if instance.install_config else BOUNDS, wished=wished, requirements=required,
        packages=config.pip_packages, pre_install=config.pre_install, install=editable(config.install),
        before=tuple(line for line in config.eval_commands if not SPOKEN.search(line)),
        test_command=command(instance, config), parser=swebench.parser(instance),
        sources=digest(repositories.blobs(checkout, SOURCES)) if instance.install_config else _apart(checkout, setup),
    )  # fmt: skip


def _setup(instance: Instance, checkout: Checkout) -> Checkout:
    """Where the requirement files are read: at the commit that the row names, at the base commit where it names none
    or the clone lacks it. Often it lies on a branch that a clone of the main one does not have.
    """
    named = instance.environment_setup_commit
    there = named and not run(checkout.root, "cat-file", "-e", f"{named}^{{commit}}").returncode
    return checkout.model_copy(update={"commit": named}) if there else checkout


def _apart(checkout: Checkout, setup: Checkout) -> str:
    """The digest of what a commit declares to need, where that is not what the one declares that it is set up from."""
    own, usual = (requirements.declared(partial(repositories.text, at)) for at in (checkout, setup))
    return "" if own == usual else digest(own)


def editable(install: str) -> str:
    """An installation that the checkout is part of, instead of a copy of it.

    The environment is made once and cannot be written later, and what is tested is what stands in the checkout then.

    >>> editable("python -m pip install -v .[test]")
    'python -m pip install -v -e .[test]'
    """
    def linked(found: re.Match[str]) -> str:
        if found["what"] is None:
            return "python -m pip install -e ."
        own = {"-e", "--editable"} & {*found["options"].split()}
        return found[0] if own else f"pip install{found['options']} -e {found['what']}"

    return COPYING.sub(linked, install)


def _known(instance: Instance, setup: Checkout) -> InstallConfig:
    """What swebench says of the repository, in the words of a row's own config."""
    name = f"{instance.repo} {instance.version}".strip()
    if not swebench.knows(instance):
        wanted = "give the row an install_config, or use images"
        raise Unprepared(f"{instance.instance_id}: swebench does not say how {name} is installed; {wanted}")
    from swebench.harness import constants as known

    if known.MAP_REPO_TO_EXT[instance.repo] != "py":
        raise Unprepared(f"{instance.instance_id}: swebench installs {name} in images only; use --environment docker")
    told: dict[str, Any] = known.MAP_REPO_VERSION_TO_SPECS[instance.repo][instance.version]
    match told.get("packages"):
        case "requirements.txt":
            told = told | {"reqs_path": _first(known.MAP_REPO_TO_REQS_PATHS[instance.repo], setup)}
        case "environment.yml":
            told = told | {"env_yml_path": _first(known.MAP_REPO_TO_ENV_YML_PATHS[instance.repo], setup)}
    return InstallConfig.model_validate(told)


def _required(config: InstallConfig, setup: Checkout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What conda was to bring, and what the requirement files say, both in pip's words."""
    read = partial(repositories.text, setup)
    wished: list[str] = []
    required: list[str] = []
    for path in config.env_yml_path or (("environment.yml",) if config.packages == "environment.yml" else ()):
        of_conda, of_pip = requirements.of_environment(read(path) or "")
        wished += of_conda
        required += of_pip
    for path in config.reqs_path or (("requirements.txt",) if config.packages == "requirements.txt" else ()):
        required += requirements.of_file(path, read)
    if config.packages not in ("environment.yml", "requirements.txt"):
        wished += requirements.words(config.packages)
    return tuple(wished), tuple(required)


def _first(paths: Sequence[str], setup: Checkout) -> str:
    for path in paths:
        if repositories.text(setup, path) is not None:
            return path
    raise DataError(f"{' or '.join(paths)} is not in the repository at {setup.commit[:12]}")


def command(instance: Instance, config: InstallConfig) -> str:
    """The test command; for Python with the files of the test patch, as swebench picks and writes them."""
    if config.language != "python" or instance.eval_script:
        return config.test_cmd
    from swebench.harness.test_spec.python import get_test_directives

    files = get_test_directives({"repo": instance.repo, "test_patch": instance.test_patch})
    return " ".join([config.test_cmd, *map(shlex.quote, files)])
