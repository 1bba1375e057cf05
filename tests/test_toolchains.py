"""What is found on this machine for a repository's tests, asked of the programs themselves."""

import sys
from pathlib import Path

import pytest

from sera_cli.evaluate import toolchains
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.toolchains import environment, toolchain
from sera_cli.harness.sandbox import Shown


def program(folder: Path, name: str, says: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all of PATH, and a home without anything."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CARGO_HOME", raising=False)
    return tmp_path


def test_an_environment_is_shown_where_it_is_and_the_repository_comes_first() -> None:
    folder = Path(sys.prefix)
    ground = environment(folder)
    assert ground.shown[0] == Shown(folder)
    assert ground.path == (f"{folder}/bin",)
    assert ground.variables["PYTHONPATH"] == "/testbed:/testbed/src"
    assert ground.digest == environment(folder).digest


def test_a_folder_without_a_python_is_no_environment(tmp_path: Path) -> None:
    with pytest.raises(Unprepared, match=r"has no bin/python that runs; name the folder of an environment$"):
        environment(tmp_path)


def test_go_is_shown_with_what_it_once_downloaded(programs: Path) -> None:
    (programs / "mod").mkdir()
    program(programs, "go", f'case "$*" in "env GOROOT") echo {programs};; "env GOMODCACHE") echo {programs}/mod;; '
                            "*) echo go version go1.22;; esac")  # fmt: skip
    ground = toolchain("go")
    assert ground.shown == (Shown(programs), Shown(programs / "mod", "/opt/go/pkg/mod"))
    assert ground.path == (f"{programs}/bin",)
    assert (ground.variables["GOPROXY"], ground.variables["GOPATH"]) == ("off", "/opt/go")
    before = ground.digest
    (programs / "mod").rmdir()
    assert toolchain("go").digest != before
    assert toolchain("go").variables["GOPATH"] == "/tmp/go"


def test_cargo_sees_the_registry_and_no_credentials(programs: Path) -> None:
    (programs / "home" / ".cargo" / "registry").mkdir(parents=True)
    (programs / "home" / ".cargo" / "credentials.toml").write_text("token")
    program(programs, "rustc", f"echo {programs}")
    program(programs, "cargo", "echo cargo 1.80")
    ground = toolchain("rust")
    assert ground.shown == (Shown(programs), Shown(programs / "home/.cargo/registry", "/opt/cargo/registry"))
    assert ground.variables == {"CARGO_NET_OFFLINE": "true", "CARGO_HOME": "/opt/cargo"}


def test_node_sees_the_packages_of_the_users_checkout(programs: Path) -> None:
    program(programs, "node", "echo v20")
    (programs / "repo" / "node_modules").mkdir(parents=True)
    modules = Shown(programs / "repo" / "node_modules", "/node_modules")
    assert toolchain("javascript", programs / "repo").shown == (Shown(programs), modules)
    assert toolchain("javascript", programs).shown == (Shown(programs),)


def test_what_the_system_shows_is_not_shown_twice(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchains, "SYSTEM", programs)
    program(programs, "node", "echo v20")
    assert toolchain("javascript").shown == ()
    assert toolchain("javascript").path == ()


@pytest.mark.parametrize(
    ("language", "why"),
    [
        ("go", "go is not on this machine; install it, and put it on PATH"),
        ("rust", "rustc does not run here: no toolchain is chosen"),
        ("javascript", "node is not on this machine; install it, and put it on PATH"),
        ("cobol", "no environment is made for cobol"),
    ],
)
def test_what_is_lacking_is_said_in_one_line(programs: Path, language: str, why: str) -> None:
    program(programs, "rustc", "echo no toolchain is chosen >&2; exit 1")
    with pytest.raises(Unprepared) as error:
        toolchain(language)
    assert str(error.value) == why
