from random import Random

from sera_cli.harness.rehearsal.reading import Work
from sera_cli.harness.rehearsal.writing import issue

PATCH = """diff --git a/shop/cart.py b/shop/cart.py
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -7,2 +7,4 @@ class Cart:
     def total(self, rate):
         \"\"\"Sum of all.\"\"\"
+        if rate is None:
+            raise TypeError("rate must not be None")
         return rate
"""
SHORT = "docs of `resample` do not say what happens to the last bin"
LONG = "Crash in `summary()`\n\nHi! " + "It ends badly, I do not know why. " * 12 + "\n\n    >>> summary()\n\nThanks!"
FORM = "**Describe the bug**\nIt raises.\n\n**To reproduce**\n```python\n>>> f()\n```\n\n**Expected**\nFalse"


def written(demonstration: str, patch: str = PATCH, function: str = "Cart.total") -> list[str]:
    work = Work("", (), patch, demonstration, function, "shop/cart.py")
    return [issue(work, Random(seed)).removeprefix("<output>\n").removesuffix("\n</output>") for seed in range(200)]


def test_a_report_is_inside_output_tags() -> None:
    work = Work("", (), PATCH, SHORT, "Cart.total", "shop/cart.py")
    assert issue(work, Random(1)).startswith("<output>\n") and issue(work, Random(1)).endswith("\n</output>")


def test_a_clear_report_tells_the_symptom_and_names_what_is_wrong() -> None:
    clear = [text for text in written(SHORT) if "`rate`" in text]
    assert "`Cart.total` fails late when `rate` is None." in clear[0] + clear[1] + clear[2] + clear[3]
    assert 60 < len(clear) < 120


def test_some_reports_only_name_the_function_and_some_not_even_that() -> None:
    texts = written(SHORT)
    vague = [text for text in texts if "Cart.total" in text and "rate" not in text]
    lost = [text for text in texts if "Cart.total" not in text]
    assert len(vague) > 20 and len(lost) > 10
    assert all("total" in text for text in lost)


def test_no_report_shows_the_fix() -> None:
    for text in (*written(SHORT), *written(LONG), *written(FORM)):
        assert "if rate is None" not in text and "must not be None" not in text and "diff" not in text
        assert "<output>" not in text and "{" not in text


def test_a_short_demonstration_makes_a_line_and_a_long_one_a_letter() -> None:
    assert all("\n" not in text for text in written(SHORT))
    for text in written(LONG):
        title, hello, *_, bye = text.split("\n\n")
        assert "`" in title or "total" in title
        assert hello.startswith(("Hi", "Hello")) and bye.startswith(("Let me", "Thanks"))


def test_sections_are_those_of_the_demonstration() -> None:
    for text in written(FORM):
        assert [row for row in text.split("\n") if row.startswith("**")] == [
            "**Describe the bug**", "**To reproduce**", "**Expected**",
        ]  # fmt: skip


def test_a_changed_neighbour_is_what_the_report_is_about() -> None:
    assert any("`total`" in text for text in written(SHORT, function="Cart.add"))
    assert not any("add" in text for text in written(SHORT, function="Cart.add"))


def test_a_patch_of_no_known_kind_still_makes_a_report() -> None:
    unknown = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
    assert all(len(text) > 20 for text in written(SHORT, patch=unknown))
    assert all(len(text) > 20 for text in written(SHORT, patch=""))


def test_about_few_patches_nothing_is_written_however_often_it_is_asked() -> None:
    works = [Work("", (), PATCH.replace("rate", f"rate{number}"), SHORT, "Cart.total", "a.py") for number in range(300)]
    mute = [work for work in works if "<output>" not in issue(work, Random(0))]
    assert 1 <= len(mute) <= 15
    assert all("<output>" not in issue(work, Random(seed)) for work in mute for seed in range(5))
