"""The environment of a repository of one's own, in real sandboxes: an environment of the user's, and no network."""

import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.evaluate.flaky import tried
from sera_cli.evaluate.local import LocalPlace
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.toolchains import Ground, environment
from sera_cli.harness.sandbox import bubblewrap
from tests import owned

pytest.importorskip("swebench")

if problem := bubblewrap.probe():
    pytest.skip(problem, allow_module_level=True)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has another package under the name of the repository's, and one of its own."""
    folder = tmp_path_factory.mktemp("user") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / "own.py").write_text("def sum(a, b):\n    return None\n")
    (packages / "helpful.py").write_text("")
    return folder


def test_tests_find_the_users_packages_and_the_repository_in_its_own_place(env: Path, tmp_path: Path) -> None:
    needing = {path: f"import helpful\n{text}" for path, text in owned.UNITTEST.tests.items()}
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST._replace(tests=needing))
    place = LocalPlace(tmp_path / "repo", environment(env), tmp_path / "scratch", sandbox="bubblewrap")
    found = tried(instance, place, runs=1)
    assert (found.reason, len(found.fail_to_pass), len(found.pass_to_pass)) == ("", 1, 1)
    with place.sandbox(instance) as box:
        assert box.run("command -v python; git log --oneline --all | wc -l", 30).output == f"{env}/bin/python\n1\n"
        assert box.run(f"touch {env}/bin/x", 30).code == 1
        assert "own" not in box.run(f"ls {tmp_path}", 30).output
        assert box.run("python -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 5)'", 30).code == 1


def test_the_digest_is_of_what_the_environment_holds(env: Path, tmp_path: Path) -> None:
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST)

    def digest() -> str:
        return LocalPlace(tmp_path / "repo", environment(env), tmp_path / "scratch").prepare(instance)

    before = digest()
    assert digest() == before
    (next(env.glob("lib/python3*/site-packages")) / "attrs-25.1.dist-info").mkdir()
    assert digest() != before


def test_a_commit_that_the_repository_lacks_is_said(env: Path, tmp_path: Path) -> None:
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST)
    gone = instance.model_copy(update={"base_commit": "0" * 40})
    with pytest.raises(Unprepared, match="has no commit 000000000000 of own/unittest"):
        LocalPlace(tmp_path / "repo", environment(env), tmp_path / "scratch").prepare(gone)


def test_what_no_model_may_see_is_not_there(tmp_path: Path) -> None:
    base = {**owned.UNITTEST.base, "private/notes.txt": "for us alone", ".seraignore": "/private/\n"}
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST._replace(base=base))
    place = LocalPlace(tmp_path / "repo", Ground(), tmp_path / "scratch")
    with place.sandbox(instance) as box:
        assert box.run("ls -a; git log -p | grep -c 'for us'", 30).output.split() == [
            ".", "..", ".git", *sorted({path.partition("/")[0] for path in owned.UNITTEST.base}), "0"]  # fmt: skip
    before = place.prepare(instance)
    (tmp_path / "repo" / ".seraignore").write_text("/nothing/\n")
    assert place.prepare(instance) != before


def test_what_is_set_up_is_part_of_the_commit(tmp_path: Path) -> None:
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST)
    setup = "echo 'made = 1' >made.py; ! python -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 5)'"
    place = LocalPlace(tmp_path / "repo", Ground(), tmp_path / "scratch", setup=setup)
    with place.sandbox(instance) as box:
        assert box.run("python -c 'import made; print(made.made)'; git status --short", 30).output == "1\n"
        assert box.diff() == ""
    plain = LocalPlace(tmp_path / "repo", Ground(), tmp_path / "scratch")
    assert plain.prepare(instance) != place.prepare(instance)


def test_what_does_not_isolate_does_not_say_so(tmp_path: Path) -> None:
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST)
    made = {name: LocalPlace(tmp_path / "repo", Ground(), tmp_path / name, sandbox=name).sandbox(instance)
            for name in ("folder", "bubblewrap")}
    assert {name: box.isolates for name, box in made.items()} == {"folder": False, "bubblewrap": True}


def test_a_setup_command_that_fails_says_why(tmp_path: Path) -> None:
    instance = owned.instance(tmp_path / "repo", owned.UNITTEST)
    place = LocalPlace(tmp_path / "repo", Ground(), tmp_path / "scratch", setup="echo no compiler; false")
    with pytest.raises(Unprepared, match=r"^the setup command fails: no compiler$"):
        place.prepare(instance)
