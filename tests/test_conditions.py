"""What a preprocessor would leave of C, C++ and C#, told without knowing what is defined."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.svg.syntax import conditions
from tests.test_syntax import found


def test_what_never_holds_is_blanked_out_byte_for_byte() -> None:
    text = b"a\n#if 0 // not now\nb\n#ifdef X\nc\n#endif\n# elif Y\r\nd\n#else\ne\n#endif\n#if 0\nf\n#else\ng\n#endif\n"
    live = conditions.live(text, b"0")
    assert b" ".join(live.split()) == b"a # if Y d #else e #endif #if 1 g #endif"
    assert [len(line) for line in live.split(b"\n")] == [len(line) for line in text.split(b"\n")]


@pytest.mark.parametrize(("text", "left"), [
    ("#if(0)\na\n#endif", ""), ("#if 0 /* not\n now */\na\n#endif", ""), ("#if 0\n/*\n#endif\n*/\na\n#endif\nb", "b"),
    ("#if 0\na\n#elifdef X\nb\n#endif", "# ifdef X b #endif"),
    ("#if 0\n#endif\n#ifndef false\na\n#endif", "#ifndef false a #endif"),
])
def test_what_never_holds_is_known_as_a_compiler_would(text: str, left: str) -> None:
    assert conditions.live(text.encode(), rb"0|\(0\)|false").decode().split() == left.split()


@pytest.mark.parametrize("text", [
    "#if 0\na\n", "#if 01\na\n#endif\n", "#else\n#endif\n#endif\n", "//#if 0\na\n#endif",
    "#if 0 \\\n || X\na\n#endif", "#if 0 /* or */ || X\na\n#endif",
    "#ifndef H\n/* so:\n#if 0\n*/\na\n#endif", "#ifndef H\n#define S \"\\\"/*\"\n/*\n#if 0\n*/\na\n#endif",
    "#ifndef H\n#define S \\\n#if 0\na\n#endif",
])
def test_what_may_hold_stays_and_a_comment_is_no_condition(text: str) -> None:
    assert conditions.live(text.encode(), b"0") == text.encode()


PIECES = [
    b"#if 0", b"#if A", b"#ifndef B", b"#elif 0", b"#else", b"#endif", b"\n", b"\r\n", b"\\", b"/*", b"*/", b"//", b'"',
    b"'", b"{", b"}", b"(", b")", b"x;",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_what_a_preprocessor_takes_out_leaves_all_else_and_the_ends_of_rows_where_they_are(text: bytes) -> None:
    for made in (conditions.whole(text), conditions.bare(text), conditions.first(text)):
        assert all(new == old or (new == ord(" ") and old not in b"\r\n") for old, new in zip(text, made, strict=True))
    rows = re.compile(rb"[^\r\n]")
    assert rows.sub(b" ", conditions.live(text, b"0")) == rows.sub(b" ", text)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_preprocessor_is_asked_is_no_branch_in_whatever_row(end: str) -> None:
    text = "int f(int a) {\n#if A || \\\n  B && C\n  a++;\n#endif\n  return a && g(a);\n}\n"
    assert [one.branches for one in found(text.replace("\n", end), ".c")] == [1]


def test_of_a_head_the_first_arm_of_each_condition_is_told() -> None:
    text = ("int f(int a,\n#if 0\n  int b,\n#endif\n#if A || \\\n  B /* or\n  C */\n  int c,\n"
            "#else\n#if D\n  int d,\n#endif\n  int e,\n#endif\n  int g)\n{ return a + g; }\n"
            "#if A\nint h(int a\n#else\nint h(int b\n#endif\n)\n{ return 1; }\n")
    assert [one.signature for one in found(text, ".c")] == ["int f(int a, int c, int g)", "int h(int a)"]
    assert conditions.first(b"a\n#else\nb").split() == [b"a"]


@pytest.mark.parametrize(("arms", "left"), [
    ("#if A\nint f(a)\n#else\nint f()\n#endif\n{ }", "int f(a) { }"),
    ("#if A\nf(a) {\n#elif B\nf(b) {\n#else\nf(c) {\n#endif\n}", "f(a) { }"),
    ("g(a\n#if A // )\n, b\n#endif\n);", "g(a , b );"),
    ("#if A\n#if B\nif (b) {\n#else\nif (c) {\n#endif\n#endif\n}", "if (b) { }"),
    ("#if A\n} else if (a) {\n#endif\n", "} else if (a) {"), ("#if A && \\\n B\n{\n#endif", "{"),
    ("#if A\nf(g('\\'','{', \"\\\"{\"));\n#endif", None), ("#if A\n/*\n#else\n{\n*/ f();\n#endif", None),
    ("#if A\nf('{', \"{\"); /* {\n */\n#else\n#define G {\\\n {\n#endif", None),
    ("#if A\nint f() { return 1; }\n#else\nint f() { return 2; }\n#endif", None), ("#endif\n#else\n#if A\n{", None),
])
def test_of_conditions_that_cut_code_in_two_the_first_arm_is_left(arms: str, left: str | None) -> None:
    whole = conditions.whole(arms.encode())
    assert whole == arms.encode() if left is None else whole.decode().split() == left.split()
    assert len(whole) == len(arms)
