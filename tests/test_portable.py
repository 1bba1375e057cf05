"""Patches in which secrets are tokens, told so that any grader can apply them."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli.evaluate.portable import portable

TOKEN = "[redacted:github:k3x7ab]"


def test_a_patch_without_tokens_is_left_as_it_is() -> None:
    patch = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@ def f():\n a\n-b\n+c\n"
    assert portable(patch) is patch


def test_context_that_holds_a_token_is_left_out() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@ f\n one\n key = {TOKEN}\n two\n-three\n+3\n four\n"
    assert portable(patch) == "--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@\n two\n-three\n+3\n four\n"


def test_a_token_between_two_changes_makes_two_hunks_of_one() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -7,5 +7,6 @@ f\n-a\n+b\n+c\n d\n k = '{TOKEN}'\n e\n-f\n+g\n"
    assert portable(patch) == "--- a/x\n+++ b/x\n@@ -7,2 +7,3 @@ f\n-a\n+b\n+c\n d\n@@ -10,2 +11,2 @@\n e\n-f\n+g\n"


@pytest.mark.parametrize("row", ["-", "+"])
def test_a_token_in_what_comes_or_goes_stays_with_all_the_rest(row: str) -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -1,{2 + (row == '-')} +1,{2 + (row == '+')} @@\n {TOKEN}\n{row}{TOKEN}\n a\n"
    assert portable(patch) == patch


def test_a_token_in_the_name_of_a_function_goes_with_it() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -7,2 +7,2 @@ def f(key='{TOKEN}'):\n-a\n+b\n d\n"
    assert portable(patch) == "--- a/x\n+++ b/x\n@@ -7,2 +7,2 @@\n-a\n+b\n d\n"


def test_a_token_right_below_a_change_stays_for_git_takes_a_change_without_a_row_below_it_for_the_end() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -7,3 +7,4 @@\n a\n+b\n {TOKEN}\n d\n"
    assert portable(patch) == patch


def test_a_token_right_above_a_change_is_left_out() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -7,3 +7,4 @@\n a\n {TOKEN}\n+b\n d\n"
    assert portable(patch) == "--- a/x\n+++ b/x\n@@ -9,1 +9,2 @@\n+b\n d\n"


def test_what_counts_its_rows_wrongly_is_nothing_to_go_by() -> None:
    patch = f"--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n {TOKEN}\n-a\n+b\n"
    assert portable(patch) == patch


@settings(max_examples=12, deadline=None)
@given(st.lists(st.booleans(), min_size=6, max_size=14), st.sets(st.integers(1, 12), min_size=1, max_size=4))
def test_git_makes_the_same_of_it(tmp_path_factory: pytest.TempPathFactory, secret: list[bool], cut: set[int]) -> None:
    """Secrets stand anywhere but in a row that changes and right below it."""
    folder = tmp_path_factory.mktemp("git")
    changed = {at for at in cut if at < len(secret) - 1}
    beside = {at + by for at in changed for by in (0, 1)}
    before = [f"{'key ' if here and at not in beside else ''}{at}\n" for at, here in enumerate(secret)]
    after = [f"new {line}" if at in changed else line for at, line in enumerate(before)]
    for name, lines in (("x", before), ("y", after)):
        (folder / name).write_text("".join([*lines, "end\n"]))
    command = ["git", "diff", "--no-index", "--no-prefix", "x", "y"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    patch = said.stdout.replace("+++ y\n", "+++ x\n").partition("--- ")[2]
    told = portable(f"--- {patch}".replace("key ", f"{TOKEN} ")) if patch else ""
    assert TOKEN not in told
    if told:
        subprocess.run(["git", "apply", "-p0", "-"], cwd=folder, input=told, text=True, check=True)
    assert (folder / "x").read_text() == (folder / "y").read_text()
