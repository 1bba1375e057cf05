"""What the swebench package decides for us: how a patch is applied, how a log is read, and what a log comes to.

Importing it takes a second and brings in half of what it was ever used with, so it waits until something is graded.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sera_cli.errors import ConfigError, DataError
from sera_cli.evaluate.instance import Instance
from sera_cli.types import Value

UNREADABLE = (IndexError, KeyError, ValueError, AttributeError, TypeError)
"""What a log parser of the package ends with at a line that it did not expect, such as a `FAIL:` and nothing more."""

Parser = Callable[[str, Any], dict[str, str]]
"""The text between the markers, and a TestSpec, to the status of each test by its name."""


class Judged(Value):
    """What a log comes to. `ran` is false where it lacks the markers of a run or tells of one that failed as a whole,
    `read` where a line of it is more than the log parser can take: nothing is known of such a run.

    `failing` are the tests that should pass and do not, in the instance's order.
    """

    ran: bool
    read: bool = True
    resolved: bool
    failing: tuple[str, ...] = ()


def release() -> str:
    """The version of the package. Raises ConfigError where it is not installed."""
    try:
        return version("swebench")
    except PackageNotFoundError as error:
        raise ConfigError("grading needs the swebench package; run: pip install 'sera[eval]'") from error


def apply_commands() -> tuple[str, ...]:
    """The commands that are tried, in their order, to apply a patch; the name of its file comes after each."""
    release()
    from swebench.harness.run_evaluation import GIT_APPLY_CMDS

    return tuple(GIT_APPLY_CMDS)


def knows(instance: Instance) -> bool:
    """Whether the package itself says how this version of the repository is built, tested and read.

    A row that brings its own word on any of this is taken at its word.
    """
    release()
    from swebench.harness.constants import MAP_REPO_VERSION_TO_SPECS

    own = instance.install_config or instance.row.get("log_parser")
    return not own and instance.version in MAP_REPO_VERSION_TO_SPECS.get(instance.repo, {})


def parser(instance: Instance) -> str:
    """The name of the log parser that reads the instance's tests: the one the row names, or that of its repository.

    Raises DataError where there is none of that name, or no name.
    """
    return _named(instance) or known(_of_repository(instance), instance.instance_id)


def _named(instance: Instance) -> str:
    """The row's own word for a parser, empty where it has none."""
    config = instance.install_config
    named = (config.log_parser if config else "") or str(instance.row.get("log_parser") or "")
    return known(named, instance.instance_id) if named else ""


def _of_repository(instance: Instance) -> str:
    release()
    from swebench.harness.log_parsers import MAP_REPO_TO_PARSER

    found = MAP_REPO_TO_PARSER.get(instance.repo)
    return found.__name__ if found else ""


def known(name: str, of: str = "install_config") -> str:
    """The name, if a log parser has it. Raises DataError, which says `of` what it is the name."""
    if name in parsers():
        return name
    near = get_close_matches(name, parsers(), n=1) or get_close_matches("parse_log_pytest", parsers(), n=1)
    said = f"the log parser {name!r} is none of swebench's" if name else "no log parser is named"
    raise DataError(f"{of}: {said}; set log_parser in the row's install_config, to {near[0]} for instance")


@cache
def parsers() -> dict[str, Parser]:
    """Every log parser of the package by the name that rows call it by."""
    release()
    from swebench.harness.log_parsers import MAP_REPO_TO_PARSER, c, go, java, javascript, php, python, ruby, rust

    places = (c, go, java, javascript, php, python, ruby, rust)
    named = {name: one for place in places for name, one in vars(place).items() if name.startswith("parse_log_")}
    return named | {one.__name__: one for one in MAP_REPO_TO_PARSER.values()}


def judged(instance: Instance, log: Path) -> Judged:
    """What `get_eval_report` of the package says of the log of the instance's tests, patched by someone.

    Its word is final, also where it is easily pleased: in 4.x a test that the log calls skipped has failed nobody, so
    that a patch by which all tests skip resolves. Of the log it reads what stands between the first start marker and
    the first end marker, and where no result stands there, everything. Raises DataError as `parser` does.
    """
    report = reported(instance, log)
    if report is None:
        return Judged(ran=False, read=False, resolved=False)
    status = report.get("tests_status", {})
    failing = [name for kind in ("FAIL_TO_PASS", "PASS_TO_PASS") for name in status.get(kind, {}).get("failure", ())]
    return Judged(ran=report["patch_successfully_applied"], resolved=report["resolved"], failing=tuple(failing))


def reported(instance: Instance, log: Path) -> dict[str, Any] | None:
    """The package's own report of an instance, as its runner writes it down; None where a line of the log is too much
    for the log parser: that runner counts it as an error, and nothing as resolved.
    """
    from swebench.harness.grading import get_eval_report

    prediction = {"instance_id": instance.instance_id, "model_name_or_path": "", "model_patch": "one"}
    spec = test_spec(instance)
    try:
        found = get_eval_report(spec, prediction, str(log), include_tests_status=True)
    except UNREADABLE:
        return None
    return dict(found[instance.instance_id])


def test_spec(instance: Instance) -> Any:
    """The package's TestSpec, with all that grading looks at and none of the scripts.

    Its own maker of one asks the web for requirement files.
    """
    read_by = parser(instance)
    from swebench.harness.test_spec.test_spec import TestSpec

    repo, edition = (instance.repo, instance.version) if knows(instance) else _entered(instance, read_by)
    return TestSpec(
        instance_id=instance.instance_id, repo=repo, version=edition, repo_script_list=[], eval_script_list=[],
        env_script_list=[], arch="x86_64", FAIL_TO_PASS=list(instance.fail_to_pass),
        PASS_TO_PASS=list(instance.pass_to_pass), language="", docker_specs={}, namespace=None,
    )  # fmt: skip


def _entered(instance: Instance, read_by: str) -> tuple[str, str]:
    """A repository and version in the package's maps whose logs are read by that parser.

    The package finds a parser by the repository alone. The entry says the same whoever makes it, so that threads may.
    With `fail_only` a test counts as passed where the log does not say that it failed.
    """
    from swebench.harness.constants import FAIL_ONLY_REPOS, MAP_REPO_VERSION_TO_SPECS
    from swebench.harness.log_parsers import MAP_REPO_TO_PARSER

    silent = "fail_only" if not _named(instance) and instance.repo in FAIL_ONLY_REPOS else ""
    fails_only = (instance.row.get("eval_type") or silent) == "fail_only"
    repo = f"sera/{read_by}{'-fails-only' if fails_only else ''}"
    MAP_REPO_TO_PARSER[repo] = parsers()[read_by]
    MAP_REPO_VERSION_TO_SPECS[repo] = {"": {"test_cmd": ""}}
    if fails_only:
        FAIL_ONLY_REPOS.add(repo)
    return repo, ""
