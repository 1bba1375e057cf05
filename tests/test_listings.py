"""What a listing shows of a function in each language: where it begins and ends, its comment, its parameters."""

import pytest

from sera_cli.harness.rehearsal.listings import Listing, asked, listing, parameters


def seen(path: str, text: str, name: str = "f", line: int = 1) -> Listing:
    found = listing(path, dict(enumerate(text.split("\n"), 1)), name, line)
    assert found
    return found


def test_a_function_ends_where_its_brace_stands_as_far_left_as_it_does() -> None:
    shown = seen("a.js", "class A {\n  // Says.\n  f() {\n    if (a) {\n    }\n  }\n\n  g() {\n  }\n}", line=3)
    assert (shown.first, shown.head, shown.opened) == (2, 1, 2)
    assert shown.lines == ("  // Says.", "  f() {", "    if (a) {", "    }", "  }")
    assert shown.documented and shown.complete
    assert listing("a.js", {1: "x"}, "f", 3) is None


def test_a_head_of_many_lines_does_not_end_the_function() -> None:
    shown = seen("a.ts", "function f(\n  a: int,\n) {\n  return a;\n}")
    assert (len(shown.lines), shown.opened) == (5, 3)


def test_what_was_not_seen_to_its_end_is_not_complete() -> None:
    assert not seen("a.go", "func f() {\n\tif a {\n\t}").complete


def test_a_brace_on_a_line_of_its_own_opens_the_body() -> None:
    assert seen("a.cs", "  int f(int a)\n  {\n    return a;\n  }").opened == 2


def test_ruby_ends_with_a_word() -> None:
    shown = seen("a.rb", "  def f(a)\n    a\n  end\n\n  def g\n  end")
    assert (shown.lines[-1], shown.opened) == ("  end", 1)


def test_attributes_stand_above_a_function_and_are_no_comment() -> None:
    shown = seen("a.rs", "}\n#[inline]\n#[must_use]\nfn f() {\n}", line=4)
    assert (shown.head, shown.documented) == (2, False)


@pytest.mark.parametrize(("path", "head", "expected"), [
    ("a.js", "const f = async (a, b = 1, { c }) => {", ["a", "b"]),
    ("a.js", "  f: function g(a) {", ["a"]),
    ("a.ts", "  private f<T>(a: Map<K, V>, b?: (c: X) => void): T {", ["a", "b"]),
    ("a.go", "func (r *R) f(a, b string, c func(int) error) (int, error) {", ["a", "b", "c"]),
    ("a.rs", "pub(crate) fn f<T: X<Y>>(&self, mut a: &[T], b: Box<dyn Fn(T) -> U>) -> bool {", ["a", "b"]),
    ("a.java", "public <T> void f(final Map<K, V> a, int... b) throws X {", ["a", "b"]),
    ("a.kt", "override fun f(a: Buffer, vararg b: Long) {", ["a", "b"]),
    ("a.cs", "public static X f(this Foo a, Func<A, B> b = null) {", ["a", "b"]),
    ("a.php", "public function f(array $a, ?string &$b = null): array {", ["a", "b"]),
    ("a.c", "static int f(char **a, const struct b *c) {", ["a", "c"]),
    ("a.swift", "func f(wrapped a: T, b: X = .long) {", ["a", "b"]),
    ("a.rb", "def f(a, b = 1, *c, key: 2, &block)", ["a", "b", "c", "key", "block"]),
    ("a.go", "func f(a string,", []),
])  # fmt: skip
def test_parameters_are_read_as_each_language_writes_them(path: str, head: str, expected: list[str]) -> None:
    assert [*parameters(seen(path, f"{head}\n  x\n}}"))] == expected


def test_a_method_that_asks_has_parameters_too() -> None:
    assert [*parameters(seen("a.rb", "def f?(a)\n  a\nend", "f?"))] == ["a"]


@pytest.mark.parametrize(("line", "expected"), [
    ("if (!a) return;", True), ("a ?? 1;", True), ("b.a == null;", False), ("typeof a;", True), ("a.b();", False),
])  # fmt: skip
def test_what_a_function_asks_of_a_parameter(line: str, expected: bool) -> None:
    assert asked(seen("a.js", f"function f(a) {{\n  {line}\n}}"), "a") is expected
