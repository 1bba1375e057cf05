"""Each kind of edit for JavaScript and Go on code that asks for it: what goes out and what comes in."""

import pytest

from sera_cli.harness.rehearsal.braces import GO_KINDS, SCRIPT_KINDS
from sera_cli.harness.rehearsal.listings import Listing, listing
from sera_cli.harness.rehearsal.phrases import recognise, words

SCRIPT = {
    "strict-equal": ("function f(a) {\n  return a == 1;\n}", "function f(a) {\n  return a === 1;\n}"),
    "includes": (
        "function f(a) {\n  return a.indexOf('x') !== -1;\n}", "function f(a) {\n  return a.includes('x');\n}"),
    "radix": ("function f(a) {\n  return parseInt(a);\n}", "function f(a) {\n  return parseInt(a, 10);\n}"),
    "block-scope": (
        "function f(a) {\n  var b = a;\n  if (b) {\n    var c = b;\n  }\n  return c;\n}",
        "function f(a) {\n  let b = a;\n  if (b) {\n    var c = b;\n  }\n  return c;\n}",
    ),
    "constant": (
        "function f(a) {\n  let b = a;\n  return b === a;\n}", "function f(a) {\n  const b = a;\n  return b === a;\n}"),
    "nullish": ("function f(a) {\n  return a || {};\n}", "function f(a) {\n  return a ?? {};\n}"),
    "optional": ("function f(a) {\n  if (a && a.b) c();\n}", "function f(a) {\n  if (a?.b) c();\n}"),
    "template": (
        "function f(a) {\n  throw new Error('no ' + a.b);\n}", "function f(a) {\n  throw new Error(`no ${a.b}`);\n}"),
    "null-guard": (
        "const f = (a) => {\n  return a.b;\n};",
        'const f = (a) => {\n  if (a == null) {\n    throw new TypeError("a is required");\n  }\n  return a.b;\n};',
    ),
    "block-doc": (
        "  openFiles() {\n    return 1;\n  }", "  /** Open the files. */\n  openFiles() {\n    return 1;\n  }"),
}
GO = {
    "wrap-error": (
        'func f() (int, error) {\n\tfmt.Println()\n\treturn 0, err\n}',
        'func f() (int, error) {\n\tfmt.Println()\n\treturn 0, fmt.Errorf("f: %w", err)\n}',
    ),
    "keep-error": (
        'func f() error {\n\treturn fmt.Errorf("no: %v", err)\n}',
        'func f() error {\n\treturn fmt.Errorf("no: %w", err)\n}',
    ),
    "nil-guard": (
        "func (t *T) f(a *int, b int) {\n\tb = *a\n}",
        'func (t *T) f(a *int, b int) {\n\tif a == nil {\n\t\tpanic("f: a is nil")\n\t}\n\tb = *a\n}',
    ),
    "any-type": ("func f() interface{} {\n\treturn 1\n}", "func f() any {\n\treturn 1\n}"),
    "increment": ("func f() {\n\tx.y += 1\n}", "func f() {\n\tx.y++\n}"),
    "room": (
        "func f() {\n\tvar a []int\n\tfor _, b := range c {\n\t\ta = append(a, b.d)\n\t}\n}",
        "func f() {\n\ta := make([]int, 0, len(c))\n\tfor _, b := range c {\n\t\ta = append(a, b.d)\n\t}\n}",
    ),
    "go-doc": ("func readAll() {\n\treturn 1\n}", "// readAll reads the all.\nfunc readAll() {\n\treturn 1\n}"),
}
CASES = [
    (path, kind, *case) for path, cases in (("a.js", SCRIPT), ("a.go", GO)) for kind, case in cases.items()]
NAMES = {"block-doc": "openFiles", "go-doc": "readAll"}


def seen(path: str, text: str, name: str = "f") -> Listing:
    rows = dict(enumerate(text.split("\n"), 1))
    found = listing(path, rows, name, 1)
    assert found
    return found


@pytest.mark.parametrize(("path", "kind", "before", "after"), CASES, ids=lambda value: value if "-" in value else "")
def test_an_edit_changes_what_it_is_about_and_is_known_again(path: str, kind: str, before: str, after: str) -> None:
    shown = seen(path, before, NAMES.get(kind, "f"))
    change = next(iter((SCRIPT_KINDS | GO_KINDS)[kind](shown)))
    assert "\n".join((*shown.lines[: change.first], *change.new, *shown.lines[change.last :])) == after
    known, names = recognise(list(change.new), list(change.old))
    assert known == kind
    told = words()["kinds"][kind]
    filled = {"function": "f", **names}
    assert all("{" not in text.format(**filled) for text in (*told["title"], *told["symptom"]))


def test_the_cases_cover_every_kind() -> None:
    assert (set(SCRIPT), set(GO)) == (set(SCRIPT_KINDS) - {"more-doc"}, set(GO_KINDS) - {"more-doc"})


@pytest.mark.parametrize("text", [
    "function f(a) {\n  return '==' + a;\n}", "function f(a) {\n  // a == b\n}",
    "function f(a) {\n  return a == null;\n}", "function f(a) {\n  return (x) => x >= a;\n}",
    "function f(a) {\n  return a === 1 || a !== 2;\n}",
])
def test_what_only_looks_like_a_loose_comparison_is_left_alone(text: str) -> None:
    assert list(SCRIPT_KINDS["strict-equal"](seen("a.js", text))) == []


@pytest.mark.parametrize("text", [
    "function f(a) {\n  if (!a) return;\n}", "function f() {\n  return 1;\n}", "function f(a) { return a; }",
    "function f(req, next) {\n  next();\n}", "function f({ a }) {\n  return a;\n}",
    "function f(a = 1) {\n  return a;\n}",
])
def test_no_guard_where_the_argument_is_asked_about_or_need_not_be_there(text: str) -> None:
    assert list(SCRIPT_KINDS["null-guard"](seen("a.js", text))) == []


@pytest.mark.parametrize("text", [
    "function f(a) {\n  let b = 1;\n  b += a;\n}", "function f(a) {\n  let b = 1;\n  b++;\n}",
    "function f(a) {\n  let b = 1;\n  [a, b] = [b, a];\n}", "function f(a) {\n  let b = 1;\n  g(() => {",
])
def test_a_name_that_gets_another_value_or_whose_function_ends_out_of_sight_stays_a_variable(text: str) -> None:
    assert list(SCRIPT_KINDS["constant"](seen("a.js", text))) == []


def test_operators_that_do_not_mix_are_left_alone() -> None:
    assert list(SCRIPT_KINDS["nullish"](seen("a.js", "function f(a, b) {\n  return a || b || {};\n}"))) == []
    assert list(SCRIPT_KINDS["optional"](seen("a.js", "function f(a) {\n  return a && a.b !== 1;\n}"))) == []


def test_a_guard_is_written_as_the_lines_around_it_are() -> None:
    text = "function f (a) {\n  const b = a.b('c')\n  return b\n}"
    [change] = SCRIPT_KINDS["null-guard"](seen("a.js", text))
    assert change.new[1] == "    throw new TypeError('a is required')"
    [change] = SCRIPT_KINDS["null-guard"](seen("a.js", "function f (a) {\n  return a.b\n}"))
    assert change.new[1] == "    throw new TypeError('a is required')"


def test_an_error_is_wrapped_where_fmt_is_imported_though_the_function_does_not_use_it() -> None:
    shown = seen("a.go", "func f() error {\n\treturn err\n}")
    assert list(GO_KINDS["wrap-error"](shown)) == []
    [change] = GO_KINDS["wrap-error"](shown._replace(imports='4:\t"fmt"'))
    assert change.new == ('\treturn fmt.Errorf("f: %w", err)',)


def test_a_nil_map_may_be_passed_for_it_can_be_read() -> None:
    assert list(GO_KINDS["nil-guard"](seen("a.go", "func f(a map[string]int) {\n\tg(a)\n}"))) == []
