"""Real repositories, made with git in a temporary folder."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli import __main__ as door
from sera_cli.cli.job import open_job, sandboxes
from sera_cli.cli.options import Asked
from sera_cli.errors import DataError
from sera_cli.export import export
from sera_cli.git import open_repository
from sera_cli.ignore import among, hidden, rules

FILES = {
    "shop.py": "PRICE = 3\n", "secrets/live.py": "KEY = 'hush'\n", "secrets/deep/more.py": "x = 1\n",
    "docs/plan.md": "do it\n", "docs/secrets/a.py": "y = 2\n", "docs/open.md": "z\n",
}  # fmt: skip
Make = Callable[[dict[str, str]], Path]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(("lines", "paths"), [
    ("secrets/\n", {"secrets/live.py", "secrets/deep/more.py", "docs/secrets/a.py"}),
    ("/secrets/\n", {"secrets/live.py", "secrets/deep/more.py"}),
    ("*.md\n!open.md\n", {"docs/plan.md"}),
    ("docs/**/a.py\r\n", {"docs/secrets/a.py"}),
    ("nothing-like-it\n", set()),
])  # fmt: skip
def test_lines_mean_what_git_takes_them_for(repository: Make, lines: str, paths: set[str]) -> None:
    repo = repository(FILES)
    (repo / ".seraignore").write_bytes(lines.encode())
    assert hidden(open_repository(repo)) == paths


def test_paths_of_any_commit_are_told_by_the_same_lines() -> None:
    lines = "secrets/\n*.md\n!open.md\n/.seraignore\n"
    asked = {"old/secrets/x.py", "secrets", "a b.md", "open.md", "naïve.md", "shop.py"}
    assert among(asked, lines) == {"old/secrets/x.py", "a b.md", "naïve.md"}
    assert among({"shop.py"}, lines) == frozenset()


@pytest.mark.parametrize("text", ["", "\n  \n", "# only a remark\n"])
def test_without_a_line_nothing_is_hidden(repository: Make, text: str) -> None:
    repo = repository(FILES | {".seraignore": text})
    assert rules(open_repository(repo)) == ""
    assert hidden(open_repository(repo)) == frozenset()


def test_the_file_hides_itself_for_it_names_what_it_hides(repository: Make) -> None:
    repo = repository(FILES | {".seraignore": "docs/plan.md\n"})
    assert hidden(open_repository(repo)) == {"docs/plan.md", ".seraignore"}


def test_the_file_of_the_working_tree_counts_for_every_commit(repository: Make) -> None:
    repo = repository(FILES | {".seraignore": "docs/\n"})
    (repo / ".seraignore").write_text("/secrets/\n")
    assert hidden(open_repository(repo, "HEAD")) == {"secrets/live.py", "secrets/deep/more.py", ".seraignore"}
    (repo / ".seraignore").unlink()
    assert hidden(open_repository(repo)) == frozenset()


def test_of_a_sparse_checkout_that_leaves_it_away_that_of_the_commit_counts(repository: Make) -> None:
    repo = repository(FILES | {".seraignore": "/secrets/\n"})
    git(repo, "sparse-checkout", "set", "--no-cone", "docs/")
    assert sorted(path.name for path in repo.iterdir()) == [".git", "docs"]
    assert hidden(open_repository(repo)) == {"secrets/live.py", "secrets/deep/more.py", ".seraignore"}
    git(repo, "sparse-checkout", "disable")
    (repo / ".seraignore").unlink()
    assert hidden(open_repository(repo)) == set()


def test_of_a_bare_repository_that_of_the_commit_counts(repository: Make, tmp_path: Path) -> None:
    repo = repository(FILES | {".seraignore": "/secrets/\n"})
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    assert hidden(open_repository(tmp_path / "bare.git")) == {"secrets/live.py", "secrets/deep/more.py", ".seraignore"}


def test_of_a_clone_without_a_checkout_that_of_the_commit_counts(repository: Make, tmp_path: Path) -> None:
    repo = repository(FILES | {".seraignore": "/secrets/\n"})
    git(tmp_path, "clone", "-q", "--no-checkout", str(repo), "none")
    assert hidden(open_repository(tmp_path / "none")) == {"secrets/live.py", "secrets/deep/more.py", ".seraignore"}
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"))
    (tmp_path / "other" / ".seraignore").unlink()
    assert hidden(open_repository(tmp_path / "other")) == set()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_that_is_not_utf8_stops_everything_and_hides_not_nothing(
    repository: Make, tmp_path: Path, encoding: str
) -> None:
    repo = repository(FILES)
    (repo / ".seraignore").write_bytes("/secrets/\n/geschäft/\n".encode(encoding))
    with pytest.raises(DataError, match="is not UTF-8; save it as that: it says what no model may see"):
        hidden(open_repository(repo))
    git(repo, "add", "-A")
    git(repo, "-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "-qm", "odd")
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    with pytest.raises(DataError, match="is not UTF-8"):
        hidden(open_repository(tmp_path / "bare.git"))


def test_a_byte_order_mark_hides_no_line(repository: Make) -> None:
    repo = repository(FILES)
    (repo / ".seraignore").write_bytes("\ufeff/secrets/\r\n".encode())
    assert hidden(open_repository(repo)) == {"secrets/live.py", "secrets/deep/more.py"}


def test_a_file_that_cannot_be_read_stops_everything(repository: Make) -> None:
    repo = repository(FILES)
    (repo / ".seraignore").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        hidden(open_repository(repo))


def test_the_users_own_ignored_files_are_not_ours(repository: Make) -> None:
    repo = repository(FILES)
    (repo / ".gitignore").write_text("docs/\n")
    (repo / ".seraignore").write_text("*.nothing\n")
    assert hidden(open_repository(repo)) == frozenset()


def test_an_export_has_no_trace_of_what_is_hidden(repository: Make, tmp_path: Path) -> None:
    repo = repository(FILES | {".seraignore": "/secrets/\ndocs/plan.md\n"})
    checkout = open_repository(repo)
    export(checkout, tmp_path / "out", hidden(checkout))
    out = tmp_path / "out"
    assert git(out, "ls-files").split() == ["docs/open.md", "docs/secrets/a.py", "shop.py"]
    assert git(out, "status", "--porcelain") == ""
    assert sorted(path.name for path in out.iterdir()) == [".git", "docs", "shop.py"]
    objects = git(out, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    shown = "".join(git(out, "cat-file", "-p", name) for name in objects)
    assert [word for word in ("hush", "do it", "live.py", "more.py", "plan.md", ".seraignore") if word in shown] == []
    assert git(repo, "status", "--porcelain") == ""


def test_an_export_that_is_there_is_kept_only_for_the_same_hidden_paths(repository: Make, tmp_path: Path) -> None:
    checkout = open_repository(repository(FILES))
    export(checkout, tmp_path / "out", {"docs/plan.md"})
    export(checkout, tmp_path / "out", {"docs/plan.md"})
    with pytest.raises(DataError, match="holds something else"):
        export(checkout, tmp_path / "out")


def test_everything_may_be_hidden(repository: Make, tmp_path: Path) -> None:
    repo = repository(FILES)
    (repo / ".seraignore").write_text("*\n")
    checkout = open_repository(repo)
    export(checkout, tmp_path / "out", hidden(checkout))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".git"]


def test_a_run_keeps_to_what_was_hidden_when_it_began(
    repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    function = "def add(a, b):\n    total = a + b\n    return total\n"
    repo = repository({"shop.py": function, "secrets/live.py": function, ".gitignore": ".seraignore\n"})
    (repo / ".seraignore").write_text("/secrets/\n")
    assert door.run(["mine", str(repo), "--run", "r"]) == 0
    assert "secrets/live" not in (repo / ".sera" / "runs" / "r" / "1-functions.jsonl").read_text()
    (repo / ".seraignore").write_text("")
    capsys.readouterr()
    assert door.run(["mine", str(repo), "--run", "r"]) == 2
    assert "run r was begun with other settings: ignored (was" in capsys.readouterr().err


def test_a_sandbox_of_a_job_has_no_hidden_file(
    repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    repo = repository(FILES | {".seraignore": "/secrets/\n"})
    flags = {"rollout.sandbox": "folder"}
    job = open_job(Asked(repo, flags, at="HEAD", run="r", retry_failed=False, dry_run=False, json=False))
    with sandboxes(job) as make, make(job.checkout.commit) as sandbox:
        assert sandbox.run("git ls-files; ls", 10).output.split() == [
            "docs/open.md", "docs/plan.md", "docs/secrets/a.py", "shop.py", "docs", "shop.py",
        ]  # fmt: skip
