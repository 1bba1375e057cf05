"""A benchmark's unit of work in SWE-bench's schema: a repository at a commit, an issue, and the tests that decide."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from sera_cli.types import Value


def _lines(value: object) -> object:
    """One command, several, or none at all: datasets write each of these for the same field."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) and value else value or ()


def _joined(value: object) -> object:
    return " && ".join(map(str, value)) if isinstance(value, list | tuple) else value or ""


Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Text = Annotated[str, BeforeValidator(_joined)]


class InstallConfig(Value):
    """How a repository that swebench does not know is installed and tested, in SWE-rebench's words; `language` and
    `until` are ours: a time, for packages that were uploaded before it.

    `packages` are names for conda or pip, or the word `requirements.txt` or `environment.yml`: the files are then
    those of `reqs_path` or `env_yml_path`. Several commands for one field are run one after the other.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    language: Text = "python"
    until: Text = ""
    python: Text = ""
    packages: Text = ""
    pre_install: Lines = ()
    install: Text = ""
    pip_packages: Lines = ()
    reqs_path: Lines = ()
    env_yml_path: Lines = ()
    eval_commands: Lines = ()
    test_cmd: Text = ""
    log_parser: Text = ""


class Instance(Value):
    """`patch` is the fix, `test_patch` what the tests are changed by; of the tests, `fail_to_pass` fail before the fix
    and pass after it, `pass_to_pass` pass before and after.

    `image` and `eval_script` are empty unless the row names them. `row` is what was given, verbatim.
    """

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    patch: str
    test_patch: str
    version: str
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    environment_setup_commit: str = ""
    created_at: str = ""
    image: str = ""
    eval_script: str = ""
    install_config: InstallConfig | None = None
    row: dict[str, Any]

    @property
    def past(self) -> dict[str, Any]:
        """What `sera bench build` noted of it; empty of any other."""
        noted = self.row.get("replay")
        return noted if isinstance(noted, dict) else {}
