"""Reading what is broken, odd or large in languages that tree-sitter reads."""

import re
import tracemalloc

import pytest

from sera_cli.svg import syntax
from sera_cli.svg.found import LONGEST, Found
from sera_cli.svg.languages import BY_ENDING, LANGUAGES
from sera_cli.svg.syntax import caught, conditions
from sera_cli.svg.syntax.mending import mended


def found(text: str | bytes, ending: str = ".js", reason: str = "") -> list[Found]:
    content = text if isinstance(text, bytes) else text.encode()
    read = syntax.read(f"a{ending}", content, BY_ENDING[ending], reason)
    assert not isinstance(read, str)
    return read[0]


def reasons(text: str, ending: str = ".js") -> dict[str, str]:
    return {one.name: one.reason for one in found(text, ending)}


def test_what_is_broken_is_left_out_and_the_rest_of_the_file_is_not() -> None:
    text = "function one(a) {\n  return a + 1;\n}\nfunction two(a) {\n  return a + ;\n}\n"
    assert reasons(text) == {"one": "", "two": "broken syntax"}


@pytest.mark.parametrize(("content", "why"), [
    (b"function two(a) {\n  return a + ;\n}\n", "syntax error, line 2"), (b"x = 1;\n)))\n", "syntax error, line 2"),
    (b"\xff\xfef\0u\0", "not text in UTF-8"), (b"function f() { return '\0'; }", "not text in UTF-8"),
])
def test_a_file_that_is_all_broken_is_explained(content: bytes, why: str) -> None:
    assert syntax.read("a.js", content, BY_ENDING[".js"], "") == why


def test_a_reason_of_the_file_holds_for_all_of_it() -> None:
    text = "function one(a) { function two() { return 1 + 1; } return a; }"
    assert [one.reason for one in found(text, reason="test")] == ["test", "test"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_those_of_an_editor_and_a_byte_order_mark_is_none(end: str) -> None:
    (one,) = found(f"\ufeff// Says.{end}function f(a) {{{end}  return a + '\x0c\x85\u2028';{end}}}{end}")
    assert (one.line, one.end_line, one.doc, one.signature) == (2, 4, "Says.", "function f(a)")
    assert one.text == "function f(a) {\n  return a + '\x0c\x85\u2028';\n}"


def test_the_line_is_that_of_the_head_and_not_of_what_decorates_it() -> None:
    java = "class A {\n  @One\n  @Two(three = 3)\n  // and\n  public\n  int f() { return 1 + 1; }\n}\n"
    (one,) = found(java, ".java")
    assert (one.line, one.end_line) == (5, 6)
    said = "class A {\n  @One // why\n  /* and\n   * how */\n  int f() { return 1 + 1; }\n}\n"
    assert [(one.line, one.signature) for one in found(said, ".java")] == [(5, "int f()")]
    sharp = "class A {\n#if X\n  [One]\n#endif\n  int F() { return 1 + 1; }\n}\n"
    assert [(one.line, one.signature) for one in found(sharp, ".cs")] == [(5, "int F()")]
    typed = "class A {\n  @one\n  @two()\n  f(x) { return x + 1; }\n}\n"
    assert [(one.line, one.name) for one in found(typed, ".ts")] == [(4, "A.f")]
    private = "class A {\n  #f(x) {\n    return x + 1;\n  }\n  #define(x) { return x + 1; }\n}\n"
    assert [(one.line, one.signature) for one in found(private)] == [(2, "#f(x)"), (5, "#define(x)")]


@pytest.mark.parametrize("body", [
    "", "// nothing\n", "return;", "return a;", "return this.b.c;", "return other(a, b);", "throw new Error(`${a}`);",
    "this.a = a;", "return 'x';",
])
def test_a_body_that_decides_nothing_is_trivial(body: str) -> None:
    assert reasons(f"function f(a) {{ {body} }}") == {"f": "trivial body"}


@pytest.mark.parametrize("body", [
    "return a + 1;", "return !a;", "return other(b(a));", "return a[0];", "if (a) {}", "return a ? 1 : 2;", "a++;",
    "return [a];", "return (x) => x;", "const b = a; return b;", "for (;;) {}", "return `${a}`;",
])
def test_a_body_that_computes_something_is_kept(body: str) -> None:
    assert reasons(f"function f(a) {{ {body} }}") == {"f": ""}


def test_a_nameless_function_hides_nothing_that_lies_in_it() -> None:
    text = "describe('x', () => {\n  function f(a) { return a + 1; }\n});\nfunction g(a) {\n  each((b) => b + a);\n}\n"
    assert reasons(text) == {"f": "", "g": ""}


def test_names_may_be_words_of_any_language_and_keywords() -> None:
    kind = "class 店 { 合計(品) { return 品 + 1; }\n delete(x) { return x + 1; }\n 'a b'(x) { return x * 2; } }"
    assert reasons(kind) == {"店.合計": "", "店.delete": "", "店.a b": ""}
    assert reasons("func 合計(x int) int { return x + 1 }\nfunc type_(x int) int { return x * 2 }\n", ".go") == {
        "合計": "", "type_": ""}


@pytest.mark.parametrize("text", [
    "class 店 {\n  // 説明\n  fun 合計(数: Int): Int { return 数 + 1 }\n}\n", "class 店 { fun 合計(数: Int) = 数 + 1 }",
])
def test_what_a_grammar_does_not_read_is_read_past_and_named_as_written(text: str) -> None:
    (one,) = found(text, ".kt")
    assert (one.name, one.reason) == ("店.合計", "")
    assert one.signature.startswith("fun 合計(数: Int)")
    assert reasons("fun one(x: Int) {\n  open = x\n  data[1] = x and set\n}\n", ".kt") == {"one": ""}
    assert reasons("fun b(x: Int) {\n  val by = x / 2\n  by.write(x)\n  val y by lazy { by }\n}", ".kt") == {"b": ""}
    assert reasons("context(of: Shop)\nfun total(count: Int) = count + 1\n", ".kt") == {"total": ""}


@pytest.mark.parametrize("head", [
    "class A\n  constructor(\n    private val n: Int,\n  ) : B() {",
    "class A<T>\ninternal actual constructor(n: Int) {",
    "class A\n@Inject @Named(\"a\")\nprivate constructor(n: Int) {",
    "class A {\n  val n\n    @JvmName(\"m\")\n    get() = 1\n",
])
def test_what_stands_before_a_constructor_or_a_getter_in_a_line_of_its_own_breaks_no_class(head: str) -> None:
    assert reasons(f"{head}\n  fun f(x: Int) = x + 1\n}}\n", ".kt") == {"A.f": ""}


def test_functions_nested_fifty_deep_are_found_and_one_is_kept() -> None:
    text = "".join(f"function f{depth}(a) {{ if (a) return 1;\n" for depth in range(50)) + "}" * 50
    told = found(text)
    assert [one.reason for one in told] == ["", *["inside another function"] * 49]
    assert told[-1].name == ".".join(f"f{depth}" for depth in range(50))
    assert (told[0].branches, told[-1].branches) == (50, 1)


def test_a_comment_further_up_is_not_about_the_function() -> None:
    assert found("// Licence.\n\nfunction f(a) { return a + 1; }")[0].doc == ""
    assert found("/** Says. */\n\nfunction f(a) { return a + 1; }")[0].doc == "Says."
    assert found("/** Says. */\nx = 1;\nfunction f(a) { return a + 1; }")[0].doc == ""
    assert found("// Says.\n// eslint-disable\nfunction f(a) { return a + 1; }")[0].doc == "Says."


def test_a_comment_beside_what_begins_in_its_row_is_of_that_alone() -> None:
    first, second = found("/** Says. */ function f(a) { return a + 1; }\nfunction g(a) { return a + 2; }\n")
    assert (first.doc, second.doc) == ("Says.", "")
    rust = "#[inline] #[test] fn f() { assert!(1 + 1 > a) }\nfn g(a: u8) -> u8 { a + 1 }\n"
    assert reasons(rust, ".rs") == {"f": "test", "g": ""}


@pytest.mark.parametrize(("mark", "reason"), [
    ("cfg(test)", "test"), ("cfg(any(test, feature = \"x\"))", "test"), ("tokio::test", "test"), ("cfg(not(test))", ""),
    ("cfg(all(unix, not( test )))", ""), ("cfg(feature = \"latest\")", ""), ("inline", ""),
])
def test_what_is_built_without_tests_is_no_test(mark: str, reason: str) -> None:
    assert reasons(f"#[{mark}]\nfn f(a: u8) -> u8 {{ a + 1 }}\n", ".rs") == {"f": reason}


def test_code_that_a_macro_is_given_is_no_trivial_body() -> None:
    text = "fn f() { select! { _ = a() => { b() } } }\nfn g() { print!(\"{}\", a) }\n"
    assert reasons(text, ".rs") == {"f": "", "g": "trivial body"}


def test_a_parameter_that_is_called_is_nobodys_and_of_its_type_nothing_is_known() -> None:
    read = syntax.read("a.js", b"function f(done, g) { g.h(); done(1); return k(2); }", BY_ENDING[".js"], "")
    assert not isinstance(read, str)
    assert read[1].bodies == {"f": frozenset({("", "k"), ("()", "h")})}


@pytest.mark.parametrize(("piece", "ending"), [("(", ".js"), ("/*", ".js"), ("{", ".cpp"), ("x = 1 +\n", ".go")])
def test_fifty_thousand_pieces_of_broken_syntax_are_no_more_than_that(piece: str, ending: str) -> None:
    read = syntax.read(f"a{ending}", (piece * 50_000).encode(), BY_ENDING[ending], "")
    assert read == "syntax error, line 1"


@pytest.mark.parametrize("content", [b"function f(a) {\n  return a + 1;\n}\n", b"function f(a) {\n  return a + ;\n}\n"])
def test_a_tree_is_the_same_without_its_text_and_with_it(content: bytes) -> None:
    parsed = mended(content, BY_ENDING[".js"])
    assert parsed is not None
    root = parsed.whole()
    assert (str(root), root.text) == (str(parsed.root), content)


def test_what_is_nested_beyond_reason_is_not_read() -> None:
    text = "function f(a) {\n" * 300 + "}" * 300
    assert syntax.read("a.js", text.encode(), BY_ENDING[".js"], "") == "nested too deeply"


@pytest.mark.parametrize(("text", "ending"), [
    ("function f(a = '" + "{ " * 100_000 + "') { return a + 1; }", ".js"),
    ("// Says" + " " * 200_000 + "it.\nfunction f(a) { return a + 1; }", ".js"),
    ("/* Says. */ " * 10_000 + "function f(a) { return a + 1; }", ".js"),
    ("#[inline] " * 10_000 + "fn f(a: u8) -> u8 { a + 1 }", ".rs"),
])
def test_what_is_endless_is_looked_at_as_far_as_it_tells(text: str, ending: str) -> None:
    (one,) = found(text, ending)
    assert (one.name, one.reason, len(one.signature) <= LONGEST, len(one.doc) <= LONGEST) == ("f", "", True, True)


def test_ten_thousand_functions_in_one_row_are_found() -> None:
    assert len(found("function f(a) { return a + 1; } " * 10_000)) == 10_000


def test_comments_between_parameters_are_no_part_of_the_head() -> None:
    text = "function f(\n  // First.\n  a,\n  /* Second. */\n  b\n) {\n  return a + b;\n}"
    assert found(text)[0].signature == "function f(a, b)"


@pytest.mark.parametrize("ending", [".swift", ".kt"])
def test_what_takes_too_long_to_parse_is_given_up_and_the_next_file_is_read(
    monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    text = "func f(a: Int) -> Int { return a > 1 ? 2 : 3 }\n" if ending == ".swift" else "fun f(a: Int) = a + g(a)\n"
    with monkeypatch.context() as patch:
        patch.setattr(caught, "SLOWEST", -1)
        comments = syntax.read(f"a{ending}", b"/*" * 5000, BY_ENDING[ending], "")
    assert comments == "takes too long to parse"
    assert [one.name for one in found(text, ending)] == ["f"]


@pytest.mark.parametrize(("ending", "text"), [
    (".java", "class A { B f(int a) { return new B(a); } }"), (".cs", "class A { B f(int a) { return new B(a); } }"),
    (".php", "<?php class A { function f($a) { return new B($a); } }"), (".swift", "class A { func f() { g(a) } }"),
    (".kt", "class A { fun f(a: Int) { g(a) } }"),
])
def test_to_make_one_thing_or_to_call_another_is_trivial_in_every_language(ending: str, text: str) -> None:
    assert reasons(text, ending) == {"A.f": "trivial body"}


@pytest.mark.parametrize(("ending", "text"), [
    (".c", "void f(int a) { int b; g(b); }"), (".cpp", "void f() { Guard guard{lock}; close(); }"),
    (".php", "<?php function f($a) { g($a); h($a); }"),
])
def test_two_statements_are_more_than_a_trivial_body(ending: str, text: str) -> None:
    assert reasons(text, ending) == {"f": ""}
    one = {".c": "void f(int a) { g(a); }", ".cpp": "void f() { close(); }", ".php": "<?php function f($a) { g($a); }"}
    assert reasons(one[ending], ending) == {"f": "trivial body"}


@pytest.mark.parametrize(("comment", "doc"), [
    ("/** {@inheritDoc} */", ""), ("/** @param a What. */", ""),
    ("/**\n * Says {@link X}.\n * @returns it\n */", "Says {@link X}."),
    ("/// <summary>\n/// Takes a <see cref=\"T:X\"/> at <c>n</c>.\n/// </summary>", "Takes a X at n."),
    ("// ===== Says =====", "Says"), ("// ======\n// Says.", "Says."), ("// --- Says", "Says"),
    ("/// <param name=\"a\">What.</param>", ""), ("//#region Sums\n// Says.", "Says."),
    ("/** @brief Says. */", "Says."), ("// A List<int> of < 3.", "A List<int> of < 3."), ("/// Says.\n", "Says."),
])
def test_documentation_is_what_is_said_in_words_and_not_its_markup(comment: str, doc: str) -> None:
    assert found(f"{comment}\nfunction f(a) {{ return a + 1; }}")[0].doc == doc


def test_broken_syntax_that_a_macro_explains_is_none() -> None:
    text = "int f(int a) {\n  A_BEGIN\n  a = g(a);\n  A_END\n  if (a == 0) { return 1; }\n  return a;\n}\n"
    assert [(one.name, one.line, one.end_line, one.reason) for one in found(text, ".c")] == [("f", 1, 7, "")]
    assert "A_BEGIN" in found(text, ".c")[0].text


def test_javascript_with_the_types_of_flow_is_read_past_them() -> None:
    text = ("// @flow\nimport typeof T from './t';\nexport opaque type Id = string;\n"
            "type Props = {|\n  +name: ?string,\n  ...\n|};\n"
            "function pick(a: ?Props, b?: {c: number, ...}): ?string {\n"
            "  const n = (a: any);\n  return n ? g(n) : null;\n}\n")
    (one,) = found(text)
    assert (one.name, one.line, one.end_line, one.branches, one.reason) == ("pick", 8, 11, 1, "")
    assert one.signature == "function pick(a: ?Props, b?: {c: number, ...}): ?string"
    assert one.text.startswith("function pick(a: ?Props")


def test_what_was_parsed_is_not_kept() -> None:
    """tree-sitter 0.26 keeps what a parser reads in pieces: of 300 files of 17 kB that would be 5 MB."""
    text = "// NUMBER\npackage a\n\n// " + "word " * 3400 + "\nfunc F(a int) int { return a + 1 }\n"
    found(text, ".go")
    tracemalloc.start()
    try:
        for number in range(300):
            assert len(found(text.replace("NUMBER", str(number)), ".go")) == 1
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize(
    "piece", ["#else\n", "A_", "A", "\n", " ", "a: ", "#if\n", "(", "A_B(", "\n  A_B", "{|", ": ?",
              "#if 0\n", "#if A \\\n", "(\n#if\n#endif\n)", "#if 0\n#else\n",
              "#if 0\n#endif\n{", "#if A\n(\n", '\\"', "/*", "'\\"])
def test_what_is_blanked_out_is_found_in_one_pass_over_a_file(piece: str) -> None:
    content = (piece * 200_000)[:200_000].encode()
    for never in {language.never for language in LANGUAGES} - {b""}:
        assert len(conditions.bare(conditions.whole(conditions.live(content, never)))) == len(content)
    for language in LANGUAGES:
        for one in (language, language.instead):
            for pattern in one.stumbles if one else ():
                assert len(re.sub(pattern, b"", content)) <= len(content)
