"""Reading the past of a commit, in repositories made with git in a temporary folder."""

from pathlib import Path

import pytest

from sera_cli.git import Checkout, open_repository
from sera_cli.history import ages, changes, messages, spaced
from tests.past import commit, git


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def test_commits_are_evenly_spaced_in_time_with_both_ends_and_none_later(repo: Path) -> None:
    made = {day: commit(repo, day) for day in (0, 100, 110, 120, 200, 300, 390, 400, 500)}
    then = open_repository(repo, made[400])
    assert spaced(then, 5, 400) == tuple(made[day] for day in (0, 100, 200, 300, 400))
    assert spaced(then, 3, 300) == tuple(made[day] for day in (100, 200, 400))
    assert spaced(then, 2, 305) == (made[100], made[400])
    assert spaced(then, 1, 365) == (made[400],)


def test_a_short_past_gives_fewer_commits(repo: Path) -> None:
    made = [commit(repo, day) for day in (0, 1)]
    assert spaced(open_repository(repo), 5, 365) == tuple(made)
    assert spaced(open_repository(repo, made[0]), 5, 365) == (made[0],)


def test_other_branches_are_not_of_the_line(repo: Path) -> None:
    first = commit(repo, 0)
    git(repo, "checkout", "-q", "-b", "side")
    commit(repo, 50, side="x = 1\n")
    git(repo, "checkout", "-q", "main")
    second = commit(repo, 60)
    git(repo, "merge", "-q", "--no-ff", "-m", "Merge branch 'side'", "side", day=100)
    assert spaced(open_repository(repo), 3, 365) == (first, git(repo, "rev-parse", "HEAD"))
    assert spaced(open_repository(repo), 4, 365) == (first, second, git(repo, "rev-parse", "HEAD"))


def test_a_clock_that_went_back_does_not_shorten_the_past(repo: Path) -> None:
    made = [commit(repo, day) for day in (0, 300, 10, 20)]
    assert spaced(open_repository(repo), 2, 365) == (made[0], made[3])


def test_the_age_of_a_file_is_that_of_its_last_change(repo: Path) -> None:
    commit(repo, 0, a="1", b="1")
    commit(repo, 90, a="2", **{"naïve name": "1"})
    later = commit(repo, 100, c="1")
    commit(repo, 130, b="2")
    there = open_repository(repo, later)
    assert ages(there) == {"a.py": 10, "b.py": 100, "c.py": 0, "naïve name.py": 10}
    first = changes(there)["b.py"]
    assert {path: (time - first) // 86_400 for path, time in changes(there).items()} == {
        "a.py": 90, "b.py": 0, "c.py": 100, "naïve name.py": 90}


def test_a_clone_without_older_trees_has_no_ages(repo: Path, tmp_path: Path) -> None:
    for day in (0, 1):
        commit(repo, day, a=str(day))
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(repo, "clone", "-q", "--filter=tree:0", f"file://{repo}", str(tmp_path / "part"))
    there = open_repository(tmp_path / "part")
    assert spaced(there, 2, 9) == spaced(open_repository(repo), 2, 9)
    assert (ages(there), messages(there)) == ({}, ("work", "work"))


def test_what_is_older_than_three_years_has_no_age(repo: Path) -> None:
    commit(repo, 0, a="1")
    commit(repo, 1200, b="1")
    assert ages(open_repository(repo)) == {"b.py": 0}


def test_messages_come_newest_first_and_none_is_later_than_the_commit(repo: Path) -> None:
    commit(repo, 0, "First\n\nwith a body\nof two lines")
    then = commit(repo, 1, "Sécond")
    commit(repo, 2, "Third")
    assert messages(open_repository(repo, then)) == ("Sécond", "First\n\nwith a body\nof two lines")
    assert messages(open_repository(repo, then), most=1) == ("Sécond",)


def test_messages_of_commits_that_changed_something_hidden_stay_here(repo: Path) -> None:
    (repo / "plans").mkdir()
    commit(repo, 0, "First", a="1")
    commit(repo, 1, "The secret plan", **{"plans/old name": "1"})
    commit(repo, 2, "Second", a="2", **{"naïve name": "1"})
    git(repo, "checkout", "-q", "-b", "side")
    commit(repo, 3, "More of the plan", **{"plans/b": "1"})
    git(repo, "checkout", "-q", "main")
    git(repo, "rm", "-q", "-r", "plans")
    commit(repo, 4, "Away with the plan", a="3")
    git(repo, "merge", "-q", "--no-ff", "-m", "Bring the plan back", "side", day=5)
    assert len(messages(open_repository(repo))) == 6
    (repo / ".seraignore").write_text("plans/\n")
    assert messages(open_repository(repo)) == ("Second", "First")


def test_where_nobody_knows_what_a_commit_changed_its_message_stays_here(repo: Path, tmp_path: Path) -> None:
    for day in (0, 1):
        commit(repo, day, a=str(day))
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(repo, "clone", "-q", "--filter=tree:0", f"file://{repo}", str(tmp_path / "part"))
    (tmp_path / "part" / ".seraignore").write_text("plans/\n")
    assert messages(open_repository(tmp_path / "part")) == ()


def test_a_program_that_the_repository_names_is_not_started(repo: Path) -> None:
    commit(repo, 0, a="1")
    ran = repo / "ran"
    for key in ("gpg.program", "diff.external", "core.fsmonitor", "core.pager"):
        git(repo, "config", key, f"touch {ran}; true")
    git(repo, "config", "log.showSignature", "true")
    here: Checkout = open_repository(repo)
    assert (spaced(here, 2, 9), ages(here), messages(here)) == ((here.commit,), {"a.py": 0}, ("work",))
    assert not ran.exists()
