import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.evaluate.repositories import blobs, checkout, give_past, located, objects, text
from sera_cli.export import export


def head(repo: Path) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=repo, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", [
    "pallets/flask", "pallets__flask", "flask", "pallets/flask.git", "pallets__flask.git", "flask.git",
])  # fmt: skip
@pytest.mark.parametrize("bare", [False, True])
def test_a_clone_is_found_by_any_of_its_names(
    repository: Callable[..., Path], tmp_path: Path, name: str, bare: bool
) -> None:
    made = repository({"a.py": "x"})
    place = tmp_path / "repos" / name
    subprocess.run(["git", "clone", "-q", *(["--bare"] if bare else []), str(made), str(place)], check=True)
    assert located(tmp_path / "repos", "pallets/flask") == place
    assert checkout(tmp_path / "repos", "pallets/flask", head(made)).commit == head(made)


def test_the_folder_may_be_the_repository_itself(repository: Callable[..., Path]) -> None:
    made = repository({"a.py": "x"})
    assert located(made, "pallets/flask") == made


def test_what_is_missing_is_one_line_that_says_what_to_do(repository: Callable[..., Path], tmp_path: Path) -> None:
    made = repository({"a.py": "x"}, "repos/flask")
    with pytest.raises(DataError, match=r"psf/requests is not there; clone it as .*psf__requests\.git"):
        located(tmp_path / "repos", "psf/requests")
    with pytest.raises(DataError, match="there is no such folder"):
        located(tmp_path / "none", "psf/requests")
    with pytest.raises(DataError, match=rf"has no commit 0123456789ab of pallets/flask; fetch it: git -C {made} fetch"):
        checkout(tmp_path / "repos", "pallets/flask", "0123456789abcdef0123456789abcdef01234567")


def test_files_are_read_at_the_commit(repository: Callable[..., Path]) -> None:
    made = repository({"setup.py": "one", "a/b.txt": "two"})
    at = checkout(made, "repo", head(made))
    (made / "setup.py").write_text("changed")
    assert (text(at, "setup.py"), text(at, "a/b.txt"), text(at, "none"), text(at, "a")) == ("one", "two", None, None)
    assert [*blobs(at, ("setup.py", "pyproject.toml"))] == ["setup.py"]


def test_a_build_finds_the_tags_that_lead_to_its_commit_and_no_others(
    repository: Callable[..., Path], tmp_path: Path
) -> None:
    made = repository({"a.py": "x"})
    at = checkout(made, "repo", head(made))
    for words in (["tag", "v1"], ["commit", "-q", "--allow-empty", "-m", "later"], ["tag", "-a", "v2", "-m", "two"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], cwd=made, check=True)
    export(at, tmp_path / "out")
    give_past(at, tmp_path / "out", str(objects(at)))
    said = subprocess.run(["git", "describe", "--tags"], cwd=tmp_path / "out", capture_output=True, text=True).stdout
    tags = subprocess.run(["git", "tag"], cwd=tmp_path / "out", capture_output=True, text=True).stdout
    assert (said, tags) == ("v1\n", "v1\n")
