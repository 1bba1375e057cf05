from hypothesis import given
from hypothesis import strategies as st

from sera_cli.patch import changes, files, recall, size

FIX = """\
diff --git a/src/app.py b/src/app.py
index 1111111..2222222 100644
--- a/src/app.py
+++ b/src/app.py
@@ -1,3 +1,5 @@
 def ready(items):
-    if items == None:
+    if items is None:
+        return False
+
     return True
"""


def test_changes_are_the_signed_lines_without_headers_context_and_blank_edits() -> None:
    assert changes(FIX) == ["-    if items == None:", "+    if items is None:", "+        return False"]


def test_the_same_patch_twice_is_recalled_whole() -> None:
    assert recall(FIX, FIX) == (3, 3)


def test_lines_match_as_a_multiset_in_whatever_file_they_are() -> None:
    target = "--- a/one.py\n+++ b/one.py\n@@ -1 +1,2 @@\n-b\n+c\n+d\n"
    produced = "--- a/two.py\n+++ b/two.py\n@@ -1 +1,3 @@\n+c\n+c\n+zz\n"
    assert recall(target, produced) == (1, 3)


def test_a_line_wanted_twice_must_be_found_twice() -> None:
    assert recall("@@\n+x\n+x\n", "@@\n+x\n") == (1, 2)


def test_the_sign_counts() -> None:
    assert recall("@@\n+x\n", "@@\n-x\n") == (0, 1)


def test_one_space_of_indentation_counts() -> None:
    assert recall("@@\n+    x\n", "@@\n+   x\n") == (0, 1)


def test_an_empty_target_has_nothing_to_recall() -> None:
    assert recall("", FIX) == (0, 0)


def test_a_removed_line_that_begins_with_two_dashes_is_taken_for_a_header() -> None:
    sql = "@@ -1,2 +1,2 @@\n--- drop the table\n-old\n+++i;\n+new\n"
    assert changes(sql) == ["-old", "+new"]


def test_lines_end_where_splitlines_says() -> None:
    assert changes("@@\n+a\x0c+b\u2028-c\n") == ["+a", "+b", "-c"]


def test_a_file_named_like_a_header_word_is_no_change() -> None:
    assert changes("diff --git a/x b/x\n@@ -1 +1 @@\n-diff\n+different\n") == ["-diff", "+different"]


def test_size_counts_blank_edits_and_lines_that_look_like_headers() -> None:
    assert size(FIX) == 4
    assert size("--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- drop\n k\n+++i\n") == 2


def test_files_are_named_once_and_in_order_also_without_hunks() -> None:
    patch = (
        "diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-x\n"
        "diff --git a/a b.py b/a b.py\nnew file mode 100644\n--- /dev/null\n+++ b/a b.py\t\n"
        "@@ -0,0 +1 @@\n+x\n"
        "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
        "diff --git a/old.py b/new.py\nsimilarity index 100%\nrename from old.py\nrename to new.py\n"
    )
    assert files(patch) == ["gone.py", "a b.py", "empty", "new.py"]


def test_a_patch_cut_off_in_the_middle_still_has_its_files_and_size() -> None:
    torn = "--- a/x.py\n+++ b/x.py\n@@ -1,9 +1,9 @@\n-a\n+b\ngarbage\n"
    assert (files(torn), size(torn)) == (["x.py"], 2)


def test_what_is_no_patch_has_no_files() -> None:
    assert (files("hello\n"), size("hello\n"), changes("hello\n")) == ([], 0, [])


def test_repeats_indentation_and_trailing_spaces_all_count_in_one_patch() -> None:
    target = "@@ -1,5 +1,5 @@\n-a\n-a\n+\n+a\n+\tb\n-   \n+c \n c\n"
    produced = "@@ -1,5 +1,5 @@\n-a\n+\tb\n+c\n+a\n+a\n"
    assert changes(target) == ["-a", "-a", "+a", "+\tb", "+c "]
    assert recall(target, produced) == (3, 5)


LINE = st.sampled_from([sign + text + "\n" for sign in "+- " for text in ("a", " a", "b", "", "-x", "+x")])
HUNK = st.lists(LINE, max_size=12).map("".join)


@given(HUNK, HUNK)
def test_recall_never_exceeds_either_patch_and_is_whole_for_a_superset(target: str, extra: str) -> None:
    matched, wanted = recall(target, extra)
    assert matched <= min(wanted, len(changes(extra)))
    assert recall(target, extra + target) == (wanted, wanted)


@given(st.text(alphabet="diff-+@ ab/\n\t\r\u2028\x00", max_size=80))
def test_no_text_at_all_breaks_the_reading(text: str) -> None:
    assert size(text) >= 0
    assert len(files(text)) == len(set(files(text)))
