"""Each kind of edit for the other languages on code that asks for it, and what is tried first."""

from random import Random

import pytest

from sera_cli.harness.rehearsal.listings import ENDINGS, Listing, listing
from sera_cli.harness.rehearsal.phrases import recognise, words
from sera_cli.harness.rehearsal.tongues import TONGUES, definition, propose
from sera_cli.svg.languages import LANGUAGES

CASES = [
    ("a.rs", "is-empty", "fn f() {\n  a.b.len() == 0\n}", "fn f() {\n  a.b.is_empty()\n}"),
    ("a.rs", "expect", "fn f() {\n  a().unwrap()\n}", 'fn f() {\n  a().expect("f: a value")\n}'),
    ("A.java", "is-empty", "int f() {\n  return a.size() == 0;\n}", "int f() {\n  return a.isEmpty();\n}"),
    (
        "A.java", "required", "int f(int a, String b) {\n  return b.c();\n}",
        'int f(int a, String b) {\n  if (b == null) {\n    throw new IllegalArgumentException("b is required");\n  }\n'
        "  return b.c();\n}",
    ),
    ("a.kt", "is-empty", "fun f() {\n  a.size == 0\n}", "fun f() {\n  a.isEmpty()\n}"),
    ("a.cs", "null-pattern", "int f()\n{\n  a != null;\n}", "int f()\n{\n  a is not null;\n}"),
    (
        "a.cs", "required", "int f(string a)\n{\n  a.b();\n}",
        "int f(string a)\n{\n  ArgumentNullException.ThrowIfNull(a);\n  a.b();\n}",
    ),
    ("a.php", "strict-equal", "function f($a) {\n  $a == 1;\n}", "function f($a) {\n  $a === 1;\n}"),
    ("a.c", "no-parameters", "int f() {\n  g();\n}", "int f(void) {\n  g();\n}"),
    ("a.cc", "is-empty", "int f() {\n  a.size() == 0;\n}", "int f() {\n  a.empty();\n}"),
    ("a.cc", "null-pointer", "int f() {\n  a = NULL;\n}", "int f() {\n  a = nullptr;\n}"),
    ("a.swift", "is-empty", "func f() {\n  a.count == 0\n}", "func f() {\n  a.isEmpty\n}"),
    ("a.rb", "is-empty", "def f\n  a.size == 0\nend", "def f\n  a.empty?\nend"),
    ("a.rb", "nil-question", "def f\n  a == nil\nend", "def f\n  a.nil?\nend"),
]


def seen(path: str, text: str, name: str = "f") -> Listing:
    found = listing(path, dict(enumerate(text.split("\n"), 1)), name, 1)
    assert found
    return found


@pytest.mark.parametrize(("path", "kind", "before", "after"), CASES)
def test_an_edit_changes_what_it_is_about_and_is_known_again(path: str, kind: str, before: str, after: str) -> None:
    shown = seen(path, before)
    [change] = [one for found, one in propose(shown, "", Random(0)) if found == kind]
    assert "\n".join((*shown.lines[: change.first], *change.new, *shown.lines[change.last :])) == after
    known, names = recognise(list(change.new), list(change.old))
    assert known == kind
    told = words()["kinds"][kind]
    filled = {"function": "f", **names}
    assert all("{" not in text.format(**filled) for text in (*told["title"], *told["symptom"]))


def test_the_cases_cover_what_each_language_has_beside_comments() -> None:
    own = [(endings, kind) for endings, kinds in [*TONGUES.items()][2:] for kind in kinds if not kind.endswith("-doc")]
    assert {(endings, kind) for path, kind, *_ in CASES for endings in TONGUES if path.endswith(endings)} == {*own}


def test_a_definition_is_looked_for_by_what_its_name_says_letter_by_letter() -> None:
    assert definition("save!", "a.rb") == r"\bdef (self\.)?save!([^[:alnum:]_]|$)"
    assert definition("a.b?", "a.rs") == r"\bfn a\.b\?\b"


def test_every_language_that_is_mined_is_edited() -> None:
    mined = {ending for language in LANGUAGES for ending in language.endings}
    assert mined - {*ENDINGS} == {".c++", ".h++"}
    assert {ending for endings in TONGUES for ending in endings} == {*ENDINGS}


def test_every_function_without_a_comment_can_be_given_one() -> None:
    texts = {".go": "func f() {\n}", ".rb": "def f\nend"}
    assert [
        ending for ending in ENDINGS if not propose(seen(f"a{ending}", texts.get(ending, "f() {\n}")), "", Random(0))
    ] == []


def test_what_a_report_hints_at_is_tried_first() -> None:
    shown = seen("a.js", "function f(a, b) {\n  var c = a == b;\n  return parseInt(c);\n}")
    first = [propose(shown, "An odd comparison that happens to work", Random(seed))[0][0] for seed in range(20)]
    assert first.count("strict-equal") > 14
    assert {kind for kind, _ in propose(shown, "", Random(1))} == {
        "strict-equal", "radix", "block-scope", "null-guard", "block-doc"}
