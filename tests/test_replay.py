"""A repository's past taken apart into tasks, in repositories made with git in a temporary folder."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sera_cli.evaluate.replay.candidates import Candidate, Dropped, candidates
from sera_cli.evaluate.replay.history import changes
from sera_cli.evaluate.replay.leaks import fresh, leaks, untold
from sera_cli.evaluate.replay.splitting import LARGEST, Parts, role, split
from sera_cli.evaluate.replay.statement import Thread, clean, finished, found, told, write
from sera_cli.evaluate.runners.pytest import Pytest, is_test
from sera_cli.git import open_repository
from tests.past import git
from tests.scripted import Scripted, says

TITLE = "Count an empty list as nothing\n\nThe mean of an empty list is 0 and no error any more, in reports as well."
OLD = "def mean(values):\n    return sum(values) / len(values)\n"
NEW = "def mean(values):\n    if not values:\n        return 0\n    return sum(values) / len(values)\n"
TEST = "from shop.stats import mean\n\n\ndef test_mean():\n    assert mean([2]) == 2\n"
MORE = TEST + "\n\ndef test_empty():\n    assert mean([]) == 0\n"
START = {"shop/__init__.py": "", "shop/stats.py": OLD, "tests/test_stats.py": TEST, "README.md": "Shop\n"}
FIX = {"shop/stats.py": NEW, "tests/test_stats.py": MORE}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "one", START)
    return tmp_path


def commit(repo: Path, text: str, files: Mapping[str, str | bytes | None]) -> str:
    """Writes files, or removes them, and commits; gives the commit."""
    for path, content in files.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            (repo / path).unlink()
        else:
            (repo / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", text)
    return git(repo, "rev-parse", "HEAD")


def parts(repo: Path, text: str, files: Mapping[str, str | bytes | None]) -> Parts | str:
    made = commit(repo, text, files)
    return split(open_repository(repo), git(repo, "rev-parse", f"{made}^1"), made, Pytest())


def taken(
    repo: Path, *, teaching: bool = False, threads: Mapping[int, Thread] | None = None
) -> list[Candidate | Dropped]:
    here = open_repository(repo)
    return [*candidates(here, changes(here), Pytest(), threads or {}, teaching=teaching)]


def only(repo: Path, *, teaching: bool = False, threads: Mapping[int, Thread] | None = None) -> Candidate:
    one = taken(repo, teaching=teaching, threads=threads)[0]
    assert isinstance(one, Candidate), one
    return one


def why(repo: Path) -> tuple[str, str]:
    one = taken(repo)[0]
    assert isinstance(one, Dropped), one
    return one.reason, one.detail


def test_each_commit_is_a_change_but_the_first_newest_first(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    two, three = commit(repo, "two", {"a.py": "2"}), commit(repo, "three\n\nmore", {"a.py": "3"})
    assert [(one.commit, one.base, one.messages) for one in changes(open_repository(repo))] == [
        (three, two, ("three\n\nmore",)), (two, first, ("two",))]


def test_only_what_came_since_a_commit_counts_and_of_that_the_last(repo: Path) -> None:
    two, three, four = (commit(repo, text, {"a.py": text}) for text in ("two", "three", "four"))
    here = open_repository(repo)
    assert [one.commit for one in changes(here, since=two)] == [four, three]
    assert [one.commit for one in changes(here, since=two, last=1)] == [four]
    assert changes(open_repository(repo, three), since=four) == []


def test_a_merge_is_one_change_with_what_it_brought(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "-b", "topic")
    commit(repo, "wip", {"a.py": "1"})
    commit(repo, "more", {"a.py": "2"})
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "--no-ff", "-m", "Merge pull request #3 from ada/topic\n\nKeep a", "topic")
    (made,) = changes(open_repository(repo))[:1]
    assert (made.base, made.messages) == (first, ("Merge pull request #3 from ada/topic\n\nKeep a", "wip", "more"))


def test_a_merge_that_says_nothing_is_the_commits_that_it_brought(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "stable")
    wip, more = commit(repo, "first fix", {"a.py": "1"}), commit(repo, "second fix", {"a.py": "2"})
    git(repo, "checkout", "-q", "main")
    commit(repo, "elsewhere", {"b.py": "1"})
    git(repo, "merge", "-q", "--no-ff", "-m", "Merge branch 'stable'", "stable")
    found = changes(open_repository(repo))
    assert [one.messages[0] for one in found] == ["second fix", "first fix", "elsewhere"]
    assert (found[0].commit, found[0].base) == (more, wip)


def test_the_code_is_one_patch_and_the_tests_another_and_documents_belong_to_neither(repo: Path) -> None:
    made = parts(repo, "x", {
        **FIX, "tests/data/odd.json": "{}\n", "conftest.py": "", "CHANGES.md": "- Zero it is.\n", "uv.lock": "",
        "shop/page.html": "<p>\n", "docs/stats.py": "x = 1\n", ".github/workflows/ci.yml": "a: 1\n",
    })  # fmt: skip
    assert isinstance(made, Parts)
    assert [line for line in made.patch.splitlines() if line.startswith("diff")] == [
        "diff --git a/shop/page.html b/shop/page.html", "diff --git a/shop/stats.py b/shop/stats.py"]
    assert [line for line in made.test_patch.splitlines() if line.startswith("diff")] == [
        "diff --git a/conftest.py b/conftest.py", "diff --git a/tests/data/odd.json b/tests/data/odd.json",
        "diff --git a/tests/test_stats.py b/tests/test_stats.py"]
    assert made.tests == ("tests/test_stats.py",)
    assert made.left_out == (".github/workflows/ci.yml", "CHANGES.md", "docs/stats.py", "uv.lock")
    assert "+- Zero it is." in made.news


@pytest.mark.parametrize(("path", "expected"), [
    ("shop/stats.py", "code"), ("shop/testing.py", "code"), ("shop/test/client.py", "code"),
    ("lib/test/helper.py", "test"), ("testing/helper.py", "test"), ("shop/test/data.bin", "test"),
    ("shop/prompts/ask.md", "data"), ("README.md", "aside"), ("setup.cfg", "data"), ("Cargo.lock", "aside"),
    ("web/__snapshots__/a.snap", "test"), ("docs/conf.py", "aside"), ("shop/readers.py", "code"),
    ("shop/beside/mean.go", "code"),
])  # fmt: skip
def test_what_a_file_is(path: str, expected: str) -> None:
    assert role(path, is_test, {"lib/test", "shop/beside"}) == expected


@pytest.mark.parametrize(("files", "reason"), [
    ({"tests/test_stats.py": MORE}, "changes no code"),
    ({"shop/stats.py": NEW, "README.md": "x"}, "changes no tests"),
    ({"shop/stats.py": NEW, "tests/test_stats.py": None}, "changes no tests"),
    ({**FIX, "shop/logo.png": b"\0\1"}, "changes a binary file"),
    ({**FIX, "shop/stats.py": "x = 1\n" * LARGEST}, "changes more than 1,000 lines of code"),
    ({**FIX, "shop/stats.py": NEW.encode() + b"# caf\xe9\n"}, "not in UTF-8"),
])  # fmt: skip
def test_a_change_that_is_no_task_says_why(repo: Path, files: Mapping[str, str | bytes | None], reason: str) -> None:
    assert parts(repo, "x", files) == reason


def test_a_file_that_moves_goes_and_comes_so_that_any_program_can_apply_it(repo: Path) -> None:
    made = parts(repo, "x", {"shop/stats.py": None, "shop/sums.py": OLD, "tests/test_stats.py": MORE})
    assert isinstance(made, Parts)
    assert "rename" not in made.patch and "deleted file" in made.patch and "new file" in made.patch


def test_a_name_like_a_pattern_is_a_name(repo: Path) -> None:
    made = parts(repo, "x", {"shop/[a]*.py": "x = 1\n", "shop/a.py": "y = 1\n", "tests/test_[x].py": "z = 1\n"})
    assert isinstance(made, Parts)
    assert (made.patch.count("diff --git"), made.test_patch.count("diff --git")) == (2, 1)


def test_a_candidate_has_both_patches_and_what_its_author_wrote(repo: Path) -> None:
    made = commit(repo, f"{TITLE} Fixes #12.\n\nSigned-off-by: Ada <ada@localhost>", FIX)
    one = only(repo)
    assert (one.commit, one.source, one.statement) == (made, "message", TITLE)
    assert one.created == "2023-11-14T22:13:20Z"
    assert one.parts.tests == ("tests/test_stats.py",)


@pytest.mark.parametrize(("text", "reason"), [
    ("Fix it", ("says too little", "")),
    ("Bump numpy from 1.0 to 2.0", ("was made by a program", "")),
    ("Add more unit tests for the mean\n\nOne of an empty list, so that it cannot fail again.", ("is about tests", "")),
    ('Revert "Count an empty list as something"\n\nThis reverts commit 0123.', ("takes another one back", "")),
])  # fmt: skip
def test_a_change_that_nobody_could_be_asked_for_says_why(repo: Path, text: str, reason: tuple[str, str]) -> None:
    commit(repo, text, FIX)
    assert why(repo) == reason


def test_a_message_that_names_what_only_the_fix_has_tells_of_the_fix(repo: Path) -> None:
    commit(repo, f"{TITLE} See the new _guard_empty.", {
        **FIX, "shop/stats.py": f"def _guard_empty(values):\n    return not values\n\n\n{NEW}"})
    assert why(repo) == ("tells of the fix", "_guard_empty")


def test_a_message_that_leaves_most_of_what_tests_use_untold_is_no_statement(repo: Path) -> None:
    code = "".join(f"def {name}_of(values):\n    return 0\n\n\n" for name in ("mode", "range", "median", "spread"))
    tests = f"from shop.more import *\n{TEST}" + "".join(
        f"\n\ndef test_{name}():\n    assert {name}_of([]) == 0\n" for name in ("mode", "range", "median", "spread"))
    commit(repo, TITLE, {"shop/more.py": code, "tests/test_stats.py": tests})
    assert why(repo) == (
        "leaves untold what its tests use", "shop/more.py, median_of, mode_of, range_of, spread_of")
    assert only(repo, teaching=True).wanted == ("shop/more.py", "median_of", "mode_of", "range_of", "spread_of")


def test_the_same_change_twice_is_one_task_and_a_hidden_file_none(repo: Path) -> None:
    commit(repo, TITLE, FIX)
    commit(repo, "back", {path: START[path] for path in FIX})
    commit(repo, TITLE, FIX)
    assert [one.reason if isinstance(one, Dropped) else "task" for one in taken(repo)] == [
        "task", "says too little", "was made twice"]
    (repo / ".seraignore").write_text("shop/\n")
    assert why(repo) == ("touches what .seraignore hides", "")


def test_the_issue_that_a_change_closes_is_its_statement(repo: Path) -> None:
    issue = Thread("Mean fails\n\nCalling mean with an empty list raises ZeroDivisionError, I had expected zero.")
    commit(repo, "Guard (#9)", FIX)
    assert only(repo, threads={7: issue, 9: Thread("Guard it.\n\nCloses #7", pull=True)}).statement == issue.text
    commit(repo, "Guard again\n\nFixes: #7", {"shop/stats.py": OLD, "tests/test_stats.py": MORE + "#\n"})
    assert only(repo, threads={7: issue}).source == "issue"


def test_a_title_alone_is_told_with_what_users_were_told(repo: Path) -> None:
    commit(repo, "Guard the mean (#9)", {**FIX, "CHANGES.rst": "1.1\n---\n\n- The mean of nothing is 0. :issue:`9`\n"})
    assert only(repo).statement == "Guard the mean\n\n1.1\n- The mean of nothing is 0."


def test_with_a_teacher_only_issues_stay_as_they_are(repo: Path) -> None:
    commit(repo, TITLE, FIX)
    assert (only(repo, teaching=True).statement, only(repo, teaching=True).source) == ("", "")


@pytest.mark.parametrize(("text", "kept"), [
    ("Fixed #123 -- Read dates.", "Read dates."),
    ("Read dates\n\nAs said in commit 0123456789abcdef, they were not. (GH-12, closes gh-14)", None),
    ("Read dates (org/repo#12)\n\nChange-Id: I123", "Read dates"),
    ("Read dates\n\n---------\n\nCo-authored-by: Bo <b@c>\n", "Read dates"),
    ("Bump x from 1 to 2", ""),
])  # fmt: skip
def test_references_to_elsewhere_are_taken_out(text: str, kept: str | None) -> None:
    assert clean(text) == kept if kept is not None else "0123456" not in clean(text) and "14" not in clean(text)


def test_what_users_were_told_is_the_added_lines_without_marks() -> None:
    news = "--- a/CHANGES\n+++ b/CHANGES\n@@ -1,2 +1,4 @@\n 1.0\n+- Dates. :issue:`5`\n+=====\n-old\n+- Times (#3)\n"
    assert told(news) == "- Dates.\n- Times"


GOLD = {
    "shop/stats.py": (
        "from shop.checking import _checked_values\n\n"
        "EMPTY_MESSAGE = \"cannot take the mean of nothing\"\n\n\ndef mean(values, default=None):\n"
        "    checked = _checked_values(values)\n    if not checked and default is None:\n"
        "        raise ValueError(EMPTY_MESSAGE)\n    return default if not checked else sum(checked) / len(checked)\n"
    ),
    "shop/checking.py": "def _checked_values(values):\n    return [value for value in values if value is not None]\n",
    "tests/test_stats.py": "import pytest\n" + TEST + (
        "\n\ndef test_default():\n    assert mean([], default=3) == 3\n\n\ndef test_words():\n"
        "    with pytest.raises(ValueError, match=\"cannot take the mean of nothing\"):\n        mean([])\n"
    ),
}  # fmt: skip


def test_what_the_fix_alone_has_may_not_be_told_and_what_the_tests_use_must(repo: Path) -> None:
    made = parts(repo, "x", GOLD)
    assert isinstance(made, Parts)
    here = open_repository(repo)
    new = fresh(here, git(repo, "rev-parse", "HEAD^"), made)
    assert new.wanted == ("default", "cannot take the mean of nothing")
    assert leaks("`mean` fails for an empty list; let me give a default.", new) == ()
    assert leaks("Add _checked_values in shop/checking.py.", new) == ("_checked_values", "shop/checking.py")
    assert leaks("Use\n\n    checked = _checked_values( values )\n", new) == (
        "_checked_values", "checked=_checked_values(values)")
    assert leaks("the values are checked first", new) == ()
    assert leaks("take `checked` instead", new) == ("checked",)
    assert untold("let me give a `default`", new) == ("cannot take the mean of nothing",)
    assert finished("Let me give one.", new) == (
        "Let me give one.\n\nThese names and texts are not in the repository yet and will be checked: `default`, "
        "`cannot take the mean of nothing`.")


def test_a_message_is_wanted_as_far_as_the_tests_quote_it(repo: Path) -> None:
    made = parts(repo, "x", {
        "shop/stats.py": 'raise ValueError(f"{what}: cannot take the mean (of nothing)")\n',
        "tests/test_stats.py": f'{TEST}\nMATCH = r"take the mean \\(of nothing\\)"\nOTHER = "nothing of the kind"\n'})
    assert isinstance(made, Parts)
    assert fresh(open_repository(repo), git(repo, "rev-parse", "HEAD^"), made).wanted == ("take the mean (of nothing)",)


def test_what_users_were_told_is_no_leak(repo: Path) -> None:
    made = parts(repo, "x", {**GOLD, "CHANGES.md": "- `_checked_values` leaves out what is None.\n"})
    assert isinstance(made, Parts)
    new = fresh(open_repository(repo), git(repo, "rev-parse", "HEAD^"), made)
    assert leaks("Add _checked_values.", new) == ()


def test_a_name_that_stands_anywhere_in_the_repository_is_no_leak(repo: Path) -> None:
    commit(repo, "other", {"shop/other.py": "_checked_values = 1\n"})
    made = parts(repo, "x", GOLD)
    assert isinstance(made, Parts)
    new = fresh(open_repository(repo), git(repo, "rev-parse", "HEAD^"), made)
    assert leaks("Add _checked_values.", new) == ()


def test_a_teacher_is_asked_again_where_its_statement_tells_of_the_fix(repo: Path) -> None:
    commit(repo, "Guard", GOLD)
    here = open_repository(repo)
    (change,) = changes(here)[:1]
    made = split(here, change.base, change.commit, Pytest())
    assert isinstance(made, Parts)
    new = fresh(here, change.base, made)
    model = Scripted(says("<output>Write _checked_values.</output>"), says("<output>Let mean take a default.</output>"))
    text, reason, usage = write(model, change, made, new)
    assert (text, reason, usage.prompt) == ("Let mean take a default.", "", 2)
    asked, again = model.heard[0][-1]["content"], model.heard[1][-1]["content"]
    assert "Guard" in asked and "+def _checked_values" in asked and "`default`, `cannot take the mean" in asked
    assert "`_checked_values`" in again


def test_a_teacher_that_does_not_stop_telling_writes_none(repo: Path) -> None:
    commit(repo, "Guard", GOLD)
    here = open_repository(repo)
    (change,) = changes(here)[:1]
    made = split(here, change.base, change.commit, Pytest())
    assert isinstance(made, Parts)
    model = Scripted(*[says("<output>Write _checked_values.</output>")] * 3)
    text, reason, _ = write(model, change, made, fresh(here, change.base, made))
    assert (text, reason) == ("", "the teacher's statement tells of the fix")
    assert found(change, made, {}) is None
