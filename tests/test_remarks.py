"""Comments that the rehearsal teacher writes above functions: where they stand, and what they say in each language."""

from collections.abc import Callable, Iterator

import pytest

from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.listings import Listing, listing
from sera_cli.harness.rehearsal.phrases import recognise
from sera_cli.harness.rehearsal.remarks import ABOVE, block_doc, go_doc, line_doc, more_doc


def seen(path: str, text: str, name: str, line: int = 1) -> Listing:
    found = listing(path, dict(enumerate(text.split("\n"), 1)), name, line)
    assert found
    return found


@pytest.mark.parametrize(("write", "path", "name", "said"), [
    (block_doc, "a.js", "checkGitHubRepo", "/** Check the git hub repo. */"),
    (block_doc, "a.js", "result", "/** The result step. */"),
    (block_doc, "a.js", "constructor", "/** Set up a new object. */"),
    (block_doc, "A.java", "TypeAdapter", "/** Set up a new object. */"),
    (block_doc, "a.kt", "firstRef", "/** The first ref step. */"),
    (block_doc, "a.php", "__construct", "/** Set up a new object. */"),
    (line_doc, "a.rs", "parse_url", "/// Parse the url."),
    (line_doc, "a.cs", "GetURLParts", "/// <summary>Return the url parts.</summary>"),
    (line_doc, "a.rb", "empty?", "# The empty step."),
    (go_doc, "a.go", "matchQueryString", "// matchQueryString matches the query string."),
    (go_doc, "a.go", "copyAll", "// copyAll copies the all."),
    (go_doc, "a.go", "walk", "// walk is the walk step."),
    (go_doc, "a.go", "getHost", "// getHost returns the host."),
])  # fmt: skip
def test_a_comment_says_what_the_name_tells(
    write: Callable[[Listing], Iterator[Change]], path: str, name: str, said: str
) -> None:
    [change] = write(seen(path, f"  {name}() {{\n  }}", name))
    assert change.new == (f"  {said}", f"  {name}() {{")
    assert recognise(list(change.new[:1]), [])[0] in ("block-doc", "line-doc", "go-doc")


def test_a_comment_stands_above_annotations_and_only_where_there_is_none() -> None:
    [change] = block_doc(seen("A.java", "  @Override\n  void openAll() {\n  }", "openAll", 2))
    assert (change.first, change.new) == (0, ("  /** Open the all. */", "  @Override", "  void openAll() {"))
    assert list(block_doc(seen("A.java", "  /** Says. */\n  @Override\n  void f() {\n  }", "f", 3))) == []


@pytest.mark.parametrize(("path", "above", "head", "new"), [
    ("a.go", "// f says a.", "func f(a int, b int) {", ("// f says a.", "// It takes b.")),
    ("a.rs", "/// Says.", "fn f(b: u8) {", ("/// Says.", "/// It takes `b`.")),
    ("a.cs", "  /// Says.", "  int f(int b) {", ("  /// Says.", '  /// <param name="b">The b.</param>')),
    ("a.swift", "/// Says.", "func f(b: Int) {", ("/// Says.", "/// - Parameter b: The b.")),
    ("a.rb", "# Says.", "def f(b)", ("# Says.", "# @param b the b")),
    ("a.php", "/** Says.\n */", "function f(?int $b = 1) {", (" * @param ?int $b the b", " */")),
    ("a.php", "/** Says.\n */", "function f($b) {", (" * @param mixed $b the b", " */")),
    ("a.js", "/**\n * Says.\n */", "function f(b) {", (" * @param b the b", " */")),
])  # fmt: skip
def test_a_comment_gets_the_parameter_it_does_not_speak_of(
    path: str, above: str, head: str, new: tuple[str, ...]
) -> None:
    shown = seen(path, f"{above}\n{head}\n  x\n}}", "f", above.count("\n") + 2)
    [change] = more_doc(shown)
    assert (change.new, change.name) == (new, "b")
    kind, names = recognise([row for row in change.new if row not in change.old], [])
    assert (kind, names) == ("more-doc", {"name": "b"})


def test_a_comment_of_one_line_is_opened_for_a_parameter() -> None:
    [change] = more_doc(seen("A.java", "  /** Says. */\n  void f(int b) {\n  }", "f", 2))
    assert change.new == ("  /**", "   * Says.", "   *", "   * @param b the b", "   */")


@pytest.mark.parametrize(("path", "head", "said"), [
    ("a.rs", "fn f(&self) -> Option<u64> {", "// It returns `Option<u64>`."),
    ("a.rs", "fn f<T>() -> T where T: X {", "// It returns `T`."),
    ("a.swift", "func f() throws -> Int {", "// It returns `Int`."),
    ("a.go", "func f() (int, error) {", "// It returns an error when it fails."),
    ("a.go", "func (r *R) f() *Route {", "// It returns a *Route."),
])  # fmt: skip
def test_a_comment_gets_what_the_function_returns(path: str, head: str, said: str) -> None:
    [change] = more_doc(seen(path, f"// Says.\n{head}\n  x\n}}", "f", 2))
    assert change.new == ("// Says.", said)
    assert recognise([said], [])[0] == "more-doc"
    assert list(more_doc(seen(path, f"// Returns it.\n{head}\n  x\n}}", "f", 2))) == []


@pytest.mark.parametrize("above", [
    "\n".join(["// Says."] * ABOVE), " * Says.\n */", "@Override",
])  # fmt: skip
def test_a_comment_is_left_alone_that_may_begin_further_up_or_is_none(above: str) -> None:
    assert list(more_doc(seen("a.js", f"{above}\nfunction f(b) {{\n  x\n}}", "f", above.count("\n") + 2))) == []
