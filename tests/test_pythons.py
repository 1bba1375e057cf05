import sys
from pathlib import Path

import pytest

from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.pythons import asked, python

HERE = f"3.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def afresh() -> None:
    asked.cache_clear()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose user has nothing installed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "CONDA_EXE", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def says(path: Path, version: str) -> Path:
    """An interpreter that says it is of that version, and that its home is where it stands."""
    return program(path, f"echo '[[{version.replace('.', ',')}], \"{path.parent.parent}\", true]'")


def test_the_python_that_runs_is_found_first() -> None:
    found = python(HERE)
    assert found.version == sys.version_info[:3]
    assert found.program.is_file()
    assert python("").version == found.version


@pytest.mark.parametrize("place", [
    ".pyenv/versions/3.2.7/bin", ".local/share/uv/python/cpython-3.2.7-linux-x86_64-gnu/bin", "bin", "miniconda3/bin",
    "miniforge3/envs/old/bin",
])  # fmt: skip
def test_an_interpreter_is_found_where_tools_put_it(empty: Path, place: str) -> None:
    made = says(empty / place / "python3.2", "3.2.7")
    assert python("3.2").program == made
    assert python("3.2").name == "3.2.7"


def test_a_shim_that_does_not_run_or_is_of_another_version_is_passed_over(empty: Path) -> None:
    program(empty / "bin" / "python3.2", "echo 'pyenv: python3.2: command not found' >&2; exit 127")
    says(empty / ".pyenv" / "versions" / "3.2.1" / "bin" / "python3.2", "3.3.0")
    with pytest.raises(Unprepared, match=r"there is no Python 3\.2 on this machine; install it, with pyenv or uv"):
        python("3.2")


def test_a_newer_one_is_taken_only_where_that_is_asked_for(empty: Path) -> None:
    says(empty / "bin" / "python3.2", "3.2.9")
    with pytest.raises(Unprepared, match=r"there is no Python 3\.1"):
        python("3.1")
    assert python("3.1", newer=True).name == "3.2.9"


def test_one_that_makes_no_environments_says_what_to_install(empty: Path) -> None:
    program(empty / "bin" / "python3.2", f"echo '[[3,2,0], \"{empty}\", false]'")
    with pytest.raises(Unprepared, match=r"bin/python3\.2 makes no environments; install python3\.2-venv"):
        python("3.2")


@pytest.mark.parametrize("version", ["2.7", "three", "4.1", "3"])
def test_what_is_no_version_of_python_3_is_one_line(version: str) -> None:
    with pytest.raises(Unprepared, match="is asked for, and environments are made with a version such as"):
        python(version)
