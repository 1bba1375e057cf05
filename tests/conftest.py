"""What many tests start from: a real small repository, and a home of their own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent
IDENTITY = ("-c", "user.name=A Person", "-c", "user.email=person@example.com")


def pytest_configure() -> None:
    """Whoever started the tests in the background had Ctrl-C ignored, and what they start would inherit that.

    Nor does it matter to any law how busy the machine is.
    """
    settings.register_profile("unhurried", deadline=None)
    settings.load_profile("unhurried")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def commit(repo: Path, message: str = "one") -> None:
    """Makes `repo` a git repository, if it is none, and commits all that is in it."""
    for command in (["init", "-q"], ["add", "-A"], [*IDENTITY, "commit", "-q", "--allow-empty", "-m", message]):
        subprocess.run(["git", *command], cwd=repo, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a test tells of itself to the processes that it starts, the next one does not."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes what the user keeps."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SERA_HOME", str(folder))
    return folder


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example package as a git repository, in a folder whose name is not plain."""
    repo = tmp_path / "my répo" / "timesheet"
    shutil.copytree(ROOT / "examples" / "timesheet", repo, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    commit(repo)
    return repo


@pytest.fixture
def repository(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Makes a repository of the given files."""

    def make(files: dict[str, str], name: str = "repo") -> Path:
        for path, text in files.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        (tmp_path / name).mkdir(exist_ok=True)
        commit(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with two soft tasks: each wants one line appended to a.py."""
    from sera_cli.cli.evaluation import soft
    from sera_cli.evaluate.soft import Exam, write
    from tests.past import git
    from tests.rollouts import task

    root = tmp_path / "shop"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    commit(root)
    head = git(root, "rev-parse", "HEAD")
    write(soft.at(root), Exam(tasks=tuple(
        task(f"t{n}", commit=head, function=f"f{n}", statement=f"append y = {n}", gold=f"+++ b/a.py\n+y = {n}\n")
        for n in (1, 2)
    ), about={"teacher": "glm", "commit": head}))  # fmt: skip
    return root
