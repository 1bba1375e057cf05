"""Environments that are really built, from a folder of packages instead of the network, and what is seen in them."""

import ensurepip
import gc
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sera_cli.evaluate.environments import USED
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.venv import VenvPlace, copy_beside
from sera_cli.harness.sandbox import Sandbox, Terms
from sera_cli.presence import deserted
from tests import tiny
from tests.backends import needs_bubblewrap
from tests.wheels import index, newer_pip

BUNDLED = [path.name for path in (Path(ensurepip.__file__).parent / "_bundled").glob("setuptools*.whl")]
needs_setuptools = pytest.mark.skipif(not BUNDLED, reason="this Python brings no setuptools along")
pytestmark = [needs_bubblewrap, needs_setuptools]

PYTHON = f"3.{sys.version_info.minor}"
SETUP = """\
from setuptools import setup

setup(name="tally", version="1.2", py_modules=["tally"])
"""
LISTED = "ls -A ~ / >seen.txt; env >>seen.txt; cat seen.txt >&2"


class Built:
    """The tiny repository with a setup.py, a place that builds its environment, and what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told, self.repo = folder, [], tiny.repository(folder / "repos")
        for path, text in {"setup.py": SETUP, "tox.ini": "quiet\n", ".gitignore": "*.log\n"}.items():
            (self.repo / path).write_text(text)
        for words in (["add", "-A"], ["commit", "-q", "-m", "pack"], ["commit", "-q", "--allow-empty", "-m", "later"]):
            subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], cwd=self.repo, check=True)

    told: list[str]

    def place(self, **named: object) -> VenvPlace:
        terms = Terms(tell=self.told.append)
        return VenvPlace(self.folder / "repos", terms=terms, cache=self.folder / "cache", **named)  # type: ignore[arg-type]

    def instance(self, **changed: object) -> Instance:
        at = commits(self.repo)[1]
        config = InstallConfig.model_validate({
            "python": PYTHON, "packages": "shade=1.0 absent libshade", "pip_packages": ["colour==2"],
            "pre_install": ["sed -i s/quiet/loud/ tox.ini", LISTED], "install": "python -m pip install .",
            "test_cmd": "python run_tests.py", "log_parser": "parse_log_pytest", **changed,
        })  # fmt: skip
        return tiny.instance(self.repo).model_copy(update={"base_commit": at, "install_config": config})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("venv")
    source = index(folder / "packages", "shade-1.0.7", "shade-1.1", "colour-1", "colour-2")
    newer_pip(source, "24.99")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(source))
        patch.setenv("PIP_CONFIG_FILE", "/dev/null")
        patch.setenv("A_SECRET", "hunter2")
        found = Built(folder)
        found.place().prepare(found.instance())
        yield found


@pytest.fixture(scope="module")
def sandbox(built: Built) -> Iterator[Sandbox]:
    with built.place().sandbox(built.instance()) as sandbox:
        yield sandbox


def commits(repo: Path) -> list[str]:
    """The newest first."""
    return subprocess.run(["git", "rev-list", "--all"], cwd=repo, capture_output=True, text=True).stdout.split()


def said(sandbox: Sandbox, command: str) -> str:
    return sandbox.run(command, 60).output.strip()


def test_commands_find_the_python_of_the_environment_and_its_packages(sandbox: Sandbox) -> None:
    assert said(sandbox, "which python") == "/opt/env/bin/python"
    assert said(sandbox, "python -c 'import shade, colour; print(shade.__version__, colour.__version__)'") == "1.0.7 2"


def test_a_package_that_cannot_be_had_is_left_out_and_the_log_says_so(built: Built, sandbox: Sandbox) -> None:
    assert "No module named 'absent'" in said(sandbox, "python -c 'import absent'")
    (log,) = built.folder.glob("cache/evaluate/venvs/*/log")
    assert "== cannot be installed: absent" in log.read_text()


def test_an_environment_has_the_newest_pip_that_fits_it(sandbox: Sandbox) -> None:
    assert said(sandbox, "python -m pip --version").startswith("pip 24.99 from /opt/env/")


def test_where_no_pip_knows_of_dates_packages_are_those_of_today_and_the_log_says_so(built: Built) -> None:
    place = VenvPlace(built.folder / "repos", cache=built.folder / "dated")
    with place.sandbox(built.instance(until="2020-01-01T00:00:00Z")) as sandbox:
        assert said(sandbox, "python -c 'import shade; print(shade.__version__)'") == "1.0.7"
    (log,) = built.folder.glob("dated/evaluate/venvs/*/log")
    assert "== packages of today: when they were uploaded cannot be told" in log.read_text()


def test_what_is_tested_is_what_stands_in_the_checkout(built: Built) -> None:
    with built.place().sandbox(built.instance()) as sandbox:
        assert said(sandbox, "cd / && python -c 'import tally; print(tally.__file__)'") == "/testbed/tally.py"
        sandbox.write("/testbed/tally.py", "colour = 'red'\n")
        assert said(sandbox, "cd / && python -c 'import tally; print(tally.colour)'") == "red"


def test_a_link_to_the_python_has_the_packages_too(sandbox: Sandbox) -> None:
    """tox makes such links, and calls them."""
    if Path(sys.base_prefix).is_relative_to("/usr"):
        pytest.skip("the system's own Python keeps its packages")
    linked = "ln -s $(which python) /tmp/linked; /tmp/linked -c 'import shade; print(shade.__version__)'"
    assert said(sandbox, linked) == "1.0.7"


def test_the_repository_is_one_commit_that_holds_the_traces_of_its_installation(sandbox: Sandbox) -> None:
    assert said(sandbox, "git log --all --oneline | wc -l; git tag; git remote; git status --short") == "1"
    assert said(sandbox, "git reflog; git fsck --no-progress | grep commit") == ""
    assert said(sandbox, "cd .git; ls packed-refs ORIG_HEAD FETCH_HEAD logs 2>/dev/null; cd ..") == ""
    assert said(sandbox, "cat tox.ini; git ls-files | grep -c egg-info") == "loud\n4"
    assert sandbox.diff() == ""


def test_no_later_commit_can_be_reached(built: Built, sandbox: Sandbox) -> None:
    everyone = commits(built.repo)
    found = said(sandbox, "; ".join(f"git cat-file -t {commit} 2>/dev/null" for commit in everyone))
    assert (len(everyone), found) == (4, "")


def test_a_build_sees_nothing_of_the_users(sandbox: Sandbox) -> None:
    seen = said(sandbox, "cat seen.txt")
    assert "hunter2" not in seen and "HOME=/home/user" in seen
    assert str(Path.home()) not in seen


def test_the_environment_cannot_be_written_and_there_is_no_network(sandbox: Sandbox) -> None:
    assert sandbox.run("touch /opt/env/x", 60).code != 0
    assert "Network is unreachable" in said(
        sandbox, "python -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 5)' 2>&1 | tail -1")


def test_an_environment_is_built_once_and_then_found(built: Built) -> None:
    told, instance = len(built.told), built.instance()
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(lambda _: built.place().prepare(instance), range(4)))
    assert (len({*digests}), len(built.told)) == (1, told)


def test_offline_what_was_built_is_used_and_nothing_is_built(built: Built) -> None:
    place = built.place(offline=True)
    assert place.prepare(built.instance()) == built.place().prepare(built.instance())
    with pytest.raises(Unprepared, match="offline: its environment is not there yet"):
        place.prepare(built.instance(packages="shade=1.1"))


def test_an_environment_is_in_use_for_as_long_as_its_place_is(built: Built, tmp_path: Path) -> None:
    place = VenvPlace(built.folder / "repos", cache=tmp_path)
    place.prepare(built.instance(packages="", pip_packages=[], install="", pre_install=[]))
    (lock,) = tmp_path.glob(f"evaluate/venvs/*/{USED}")
    with deserted(lock) as nobody:
        assert not nobody
    del place
    gc.collect()
    with deserted(lock) as nobody:
        assert nobody


def test_an_installation_that_fails_says_why_in_one_line_and_leaves_nothing(built: Built) -> None:
    with pytest.raises(Unprepared, match=r"its environment cannot be built: .*no such option: --wrong \(all of it: "):
        built.place().prepare(built.instance(packages="", pip_packages=[], install="python -m pip install --wrong ."))
    assert len([*built.folder.glob("cache/evaluate/venvs/*/env")]) == 1


def test_an_environment_torn_by_a_crash_is_made_anew(built: Built) -> None:
    instance = built.instance(packages="", pip_packages=["colour==1"], install="", pre_install=[])
    first = built.place().prepare(instance)
    newest = max(built.folder.glob("cache/evaluate/venvs/*/made.json"), key=lambda path: path.stat().st_mtime)
    newest.unlink()
    (newest.parent / "env" / "bin" / "python").unlink()
    told = len(built.told)
    assert built.place().prepare(instance) == first
    assert len(built.told) == told + 1
    with built.place().sandbox(instance) as sandbox:
        assert said(sandbox, "python -c 'import colour; print(colour.__version__)'") == "1"


def test_one_environment_serves_another_commit(built: Built) -> None:
    told, other = len(built.told), built.instance().model_copy(update={"base_commit": commits(built.repo)[0]})
    with built.place().sandbox(other) as sandbox:
        assert said(sandbox, "git log --oneline | wc -l; ls -d *.egg-info") == "1\ntally.egg-info"
    assert len(built.told) == told


def test_there_is_no_environment_without_the_python_that_is_asked_for(built: Built) -> None:
    with pytest.raises(Unprepared, match=r"there is no Python 3\.2 on this machine"):
        built.place().prepare(built.instance(python="3.2"))
    with pytest.raises(Unprepared, match=r"Python 2\.7 is asked for"):
        built.place().prepare(built.instance(python="2.7"))


def test_a_repository_that_is_not_there_or_lacks_the_commit_is_one_line(built: Built) -> None:
    with pytest.raises(Unprepared, match="other/thing is not there; clone it as"):
        built.place().prepare(built.instance().model_copy(update={"repo": "other/thing"}))
    with pytest.raises(Unprepared, match="has no commit 000000000000 of tiny/tally; fetch it"):
        built.place().prepare(built.instance().model_copy(update={"base_commit": "0" * 40}))


def test_what_an_installation_left_is_laid_beside_and_follows_no_link(tmp_path: Path) -> None:
    left, checkout = tmp_path / "left", tmp_path / "checkout"
    for path in ("a/new.txt", "kept.txt", "out/side.txt", "file/x"):
        (left / path).parent.mkdir(parents=True, exist_ok=True)
        (left / path).write_text("left")
    checkout.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (checkout / "out").symlink_to(tmp_path / "elsewhere")
    (checkout / "kept.txt").write_text("mine")
    (checkout / "file").write_text("a file")
    copy_beside(left, checkout)
    assert (checkout / "a" / "new.txt").read_text() == "left"
    assert (checkout / "kept.txt").read_text() == "mine"
    assert [*(tmp_path / "elsewhere").iterdir()] == []
