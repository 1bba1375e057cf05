"""The user's own checkout as a sandbox: what is inside, what is outside, and what the shell knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sera_cli.agents.talk.here import Here
from sera_cli.errors import SandboxError
from sera_cli.harness.editor import Editor
from tests.conftest import commit
from tests.processes import running

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"


@pytest.fixture(params=["shop", "my shöp"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / request.param
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("x = 1\n")
    (tmp_path / "secret").write_text("outside\n")
    (folder / "link").symlink_to(tmp_path / "secret")
    commit(folder)
    return folder


@pytest.fixture
def here(root: Path) -> Iterator[Here]:
    environ = {
        "PATH": "/usr/bin:/bin", "HOME": str(root.parent), "AWS_SECRET_ACCESS_KEY": SECRET, "OPENAI_API_KEY": SECRET,
        "GIT_ASKPASS": "x", "PYTHONPATH": f"/x:{SECRET}",
    }
    with Here(root, environ=environ) as sandbox:
        yield sandbox


def test_commands_run_in_the_checkout_and_see_it_where_agents_know_it(here: Here, root: Path) -> None:
    assert here.run("pwd", 10).output == "/testbed\n"
    assert here.run("find /testbed/src -type f", 10).output == "/testbed/src/a.py\n"
    here.run("cd src && echo 'x = 2' > a.py && export Y=3", 10)
    assert here.run("pwd; echo $Y", 10).output == "/testbed/src\n3\n"
    assert (root / "src" / "a.py").read_text() == "x = 2\n"


def test_the_shell_knows_no_secret_of_the_environment(here: Here) -> None:
    known = {line.partition("=")[0] for line in here.run("env", 10).output.splitlines()}
    assert known.isdisjoint({"AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "GIT_ASKPASS", "PYTHONPATH"})
    assert {"PATH", "HOME", "PAGER"} <= known
    assert SECRET not in here.run("cat /proc/$$/environ | tr '\\0' '\\n'", 10).output


def test_nobody_gains_privileges(here: Here) -> None:
    assert "NoNewPrivs:\t1" in here.run("grep NoNewPrivs /proc/self/status", 10).output


def test_files_are_read_and_written_as_they_are(here: Here, root: Path) -> None:
    here.write("/testbed/new/b.py", "/testbed\r\né")
    assert (root / "new" / "b.py").read_bytes() == "/testbed\r\né".encode()
    assert here.read("/testbed/new/b.py") == "/testbed\r\né"
    with pytest.raises(FileNotFoundError):
        here.read("/testbed/none.py")
    with pytest.raises(IsADirectoryError):
        here.read("/testbed/src")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/testbed/../secret", "/testbed/link", "/testbed/src/../../secret", "/testbedded/a.py"])
def test_a_path_outside_the_checkout_is_refused(here: Here, root: Path, path: str) -> None:
    edit = Editor(here)
    said = f"{path} is outside the repository; only files in /testbed can be seen and edited."
    assert edit("view", path) == said
    assert edit("create", path, file_text="x") == said
    assert edit("str_replace", path, old_str="outside", new_str="x") == said
    assert edit("insert", path, new_str="x") == said
    assert (root.parent / "secret").read_text() == "outside\n"


def test_the_checkouts_own_path_names_the_same_file(root: Path) -> None:
    with Here(root) as here:
        assert here.read(str(root / "src" / "a.py")) == "x = 1\n"


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "sub/.git/config", ".sera/config.toml", ".GIT/config"])
def test_what_git_runs_and_sera_goes_by_cannot_be_written(here: Here, root: Path, path: str) -> None:
    with pytest.raises(SandboxError, match=r"folder, which is not for agents"):
        here.write(f"/testbed/{path}", "x")
    assert not (root / path).exists() or (root / path).read_text() != "x"


def test_what_is_hidden_from_agents_is_so_here_too(root: Path) -> None:
    with Here(root, hidden={"src/a.py"}) as here:
        assert Editor(here)("view", "/testbed/src/a.py") == "/testbed/src/a.py is hidden from agents by .seraignore."


def test_what_a_command_leaves_running_ends_with_the_conversation(root: Path, tmp_path: Path) -> None:
    with Here(root) as here:
        here.run("setsid sleep 987654 & echo $! > pid; until grep -aq sleep.987654 /proc/$!/cmdline; do :; done", 10)
        assert running("987654") == [(root / "pid").read_text().strip()]
    assert running("987654") == []
