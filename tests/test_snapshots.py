"""Snapshots of a checkout, beside a git whose every part is the user's."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.agents.talk.snapshots import LARGE, Snapshots
from tests.conftest import commit

Make = Callable[[dict[str, str]], Path]
names = st.sampled_from(["a.py", "b c.py", "d/e.py", "d/f/é.py", "[x]*.py"])
states = st.dictionaries(names, st.sampled_from(["1\n", "2\r\n", "", "no end"]), max_size=5)


def of(root: Path) -> Snapshots:
    return Snapshots(root, root / ".sera" / "chat" / "snapshots", "one")


def put(root: Path, files: dict[str, str]) -> None:
    for path in root.rglob("*.py"):
        path.unlink()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())


def there(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_bytes().decode() for path in root.rglob("*.py")}


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


@settings(max_examples=10)
@given(states, states)
def test_any_state_can_be_had_back_from_any_other(one: dict[str, str], other: dict[str, str]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "README").write_text("It.\n")
        commit(root)
        snapshots = of(root)
        put(root, one)
        first = snapshots.take()
        put(root, other)
        second = snapshots.take()
        snapshots.restore(first, second)
        assert there(root) == one
        snapshots.restore(second, first)
        assert there(root) == other


def test_nothing_of_the_users_git_changes(repository: Make) -> None:
    root = repository({"a.py": "1\n", "b.py": "1\n"})
    (root / "a.py").write_text("staged\n")
    git(root, "add", "a.py")
    (root / "a.py").write_text("2\n")
    (root / ".sera").mkdir()
    (root / ".sera" / ".gitignore").write_text("*\n")
    asked = (("status", "--porcelain"), ("ls-files", "--stage"), ("count-objects",))
    before = [git(root, *one) for one in asked]
    snapshots = of(root)
    first = snapshots.take()
    (root / "b.py").write_text("2\n")
    snapshots.restore(first, snapshots.take())
    assert [git(root, *one) for one in asked] == before
    assert git(root, "for-each-ref", "refs/sera", "refs/stash") == ""


def test_what_changed_besides_stays(repository: Make) -> None:
    root = repository({"a.py": "1\n", "b.py": "1\n"})
    snapshots = of(root)
    first = snapshots.take()
    (root / "a.py").write_text("2\n")
    second = snapshots.take()
    (root / "b.py").write_text("by hand\n")
    snapshots.restore(first, second)
    assert there(root) == {"a.py": "1\n", "b.py": "by hand\n"}


def test_an_ignored_file_is_in_a_snapshot_once_it_is_asked_for(repository: Make) -> None:
    root = repository({"a.py": "1\n", ".gitignore": "local.py\n"})
    (root / "local.py").write_text("mine\n")
    snapshots = of(root)
    first = snapshots.take()
    first = snapshots.keep("local.py", first)
    (root / "local.py").write_text("yours\n")
    second = snapshots.take()
    assert snapshots.differing(first, second) == ["local.py"]
    snapshots.restore(first, second)
    assert (root / "local.py").read_text() == "mine\n"


def test_a_difference_is_told_as_a_patch_that_applies(repository: Make) -> None:
    root = repository({"a.py": "1\n", "b.py": "1\n"})
    snapshots = of(root)
    first = snapshots.take()
    (root / "a.py").write_text("2\n")
    (root / "b.py").unlink()
    (root / "c.bin").write_bytes(bytes(range(256)))
    second = snapshots.take()
    patch = snapshots.diff(first, second)
    snapshots.restore(first, second)
    subprocess.run(["git", "apply"], cwd=root, input=os.fsencode(patch), check=True)
    assert snapshots.take() == second


def test_a_large_file_that_is_new_is_left_out_and_one_that_git_knows_is_not(repository: Make) -> None:
    root = repository({"a.py": "1\n", "known[1].bin": "1\n"})
    snapshots = of(root)
    first = snapshots.take()
    for name in ("new [*].bin", "known[1].bin"):
        with (root / name).open("wb") as file:
            file.truncate(LARGE + 1)
    second = snapshots.take()
    assert snapshots.differing(first, second) == ["known[1].bin"]
    snapshots.restore(first, second)
    assert ((root / "new [*].bin").stat().st_size, (root / "known[1].bin").read_text()) == (LARGE + 1, "1\n")


def test_a_lock_that_a_killed_git_left_is_no_obstacle(repository: Make) -> None:
    root = repository({"a.py": "1\n"})
    first = of(root).take()
    (root / ".sera" / "chat" / "snapshots" / "index.one.lock").touch()
    assert of(root).take() == first


def test_filters_that_a_repository_names_do_not_run(repository: Make) -> None:
    root = repository({"a.py": "1\n", ".gitattributes": "*.py filter=evil\n"})
    git(root, "config", "filter.evil.clean", "touch ../pwned; cat")
    git(root, "config", "filter.evil.smudge", "touch ../pwned; cat")
    snapshots = of(root)
    first = snapshots.take()
    (root / "a.py").write_text("2\n")
    snapshots.restore(first, snapshots.take())
    assert not (root.parent / "pwned").exists()


def test_what_others_may_not_read_stays_so_in_a_snapshot_and_after_it_is_put_back(repository: Make) -> None:
    root = repository({"a.py": "1\n"})
    private = root / "private.txt"
    private.write_text("1\n")
    private.chmod(0o600)
    snapshots = of(root)
    first = snapshots.take()
    private.write_text("2\n")
    snapshots.restore(first, snapshots.take())
    assert (private.read_text(), private.stat().st_mode & 0o777) == ("1\n", 0o600)
    private.chmod(0o700)
    snapshots.restore(first, snapshots.take())
    assert private.stat().st_mode & 0o777 == 0o600
    assert (root / ".sera" / "chat" / "snapshots").stat().st_mode & 0o777 == 0o700
