"""Who calls whom in languages other than Python: what is surely linked, and what may be one of a few."""

from pathlib import PurePosixPath

import pytest

from sera_cli.svg import syntax
from sera_cli.svg.languages import BY_ENDING
from sera_cli.svg.linking import link


def links(files: dict[str, str], *, sure: bool = True) -> dict[str, list[str]]:
    """The callees of each function that has some: those that are sure, or the others."""
    calls = []
    for path, text in files.items():
        read = syntax.read(path, text.encode(), BY_ENDING[PurePosixPath(path).suffix], "")
        assert not isinstance(read, str)
        calls.append(read[1])
    found = {
        f"{path}::{name}": sorted(target for target, known in targets.items() if known is sure)
        for path, own in link(calls).items() for name, targets in own.items()
    }
    return {caller: targets for caller, targets in found.items() if targets}


def test_javascript_calls_what_it_defines_and_what_it_imports() -> None:
    assert links({
        "src/a.js": "import { b } from './lib/b.js';\nimport * as tax from '../tax';\nconst { c } = require('./lib');\n"
                    "function one() { two(); b(); c(); tax.with(1); tax.none(); elsewhere(); b.b(); }\n"
                    "function two() { one(); return two(); }\n",
        "src/lib/b.js": "export function b() { return 1; }\nfunction elsewhere() { return 2; }\n",
        "src/lib/index.ts": "export const c = (x: number): number => x + 1;\n",
        "tax.js": "exports.with = function (x) { return x; };\n",
    }) == {
        "src/a.js::one": ["src/a.js::two", "src/lib/b.js::b", "src/lib/index.ts::c", "tax.js::with"],
        "src/a.js::two": ["src/a.js::one"],
    }  # fmt: skip


def test_an_import_from_above_the_repository_is_no_file_of_it() -> None:
    def called(source: str) -> dict[str, list[str]]:
        caller = f"import {{ z }} from '{source}';\nfunction f() {{ z(); }}\n"
        return links({"a/b.js": caller, "z.js": "export function z() { return 1; }\n"})

    assert (called("../../z"), called("../z")) == ({}, {"a/b.js::f": ["z.js::z"]})


def test_a_method_calls_its_own_object_and_a_type_that_is_the_only_one() -> None:
    text = ("class A { f() { this.g(); B.h(); this.none(); x.g(); } g() { return 1; } }\n"
            "class B { static h() { return 2; } }")
    assert links({"a.js": text}) == {"a.js::A.f": ["a.js::A.g", "a.js::B.h"]}
    other = {"c.js": "function c() { B.h(); }", "b.js": "class B { static h() { return 3; } }"}
    assert links({"a.js": text, **other}) == {"a.js::A.f": ["a.js::A.g", "a.js::B.h"]}


def test_go_calls_its_package_and_those_it_imports() -> None:
    assert links({
        "cmd/main.go": "package main\nimport (\n\"example.com/shop/pkg/coin\"\n"
                       "m \"example.com/shop/pkg/money\"\n\"fmt\"\n)\n"
                       "func main() { run(1); coin.Round(2); m.Add(1); fmt.Println(1); Round(3) }\n",
        "cmd/run.go": "package main\nfunc run(x int) { (&T{}).up(x) }\nfunc (t *T) up(x int) { t.down(x) }\n",
        "cmd/t.go": "package main\ntype T struct{}\nfunc (t T) down(x int) { main() }\n",
        "pkg/coin/coin.go": "package coin\nfunc Round(x int) int { return x + 1 }\n",
        "pkg/money/money.go": "package money\nfunc Add(x int) int { return x + 1 }\n",
    }) == {
        "cmd/main.go::main": ["cmd/run.go::run", "pkg/coin/coin.go::Round", "pkg/money/money.go::Add"],
        "cmd/run.go::T.up": ["cmd/t.go::T.down"],
        "cmd/t.go::T.down": ["cmd/main.go::main"],
    }  # fmt: skip


@pytest.mark.parametrize(("source", "callees"), [
    ("example.com/shop", ["shop.go::Sum"]), ("example.com/shop/v2", ["shop.go::Sum"]), ("shop", []),
    ("example.com/shop/coin/v3", ["coin/coin.go::Sum"]), ("example.com/coin/v3", ["coin/coin.go::Sum"]),
    ("example.com/till", []),
])
def test_go_imports_the_package_at_the_top_by_its_name_and_a_version_is_none(source: str, callees: list[str]) -> None:
    assert links({
        "shop.go": "package shop\nimport \"fmt\"\nfunc Sum(x int) int { return x + 1 }\n",
        "coin/coin.go": "package coin\nfunc Sum(x int) int { return x + 2 }\n",
        "till/till.go": f"package till\nimport s \"{source}\"\nfunc Close() {{ s.Sum(1) }}\n",
    }) == ({"till/till.go::Close": callees} if callees else {})


def test_c_surely_calls_a_function_of_any_file_unless_there_are_two() -> None:
    files = {"a.c": "int f(void) { return g() + h(); }", "b.c": "int g(void) { return 1; }"}
    assert links(files) == {"a.c::f": ["b.c::g"]}
    two = {**files, "lib/c.cpp": "int g() { return 2; }"}
    assert (links(two), links(two, sure=False)) == ({}, {"a.c::f": ["b.c::g", "lib/c.cpp::g"]})
    assert links({**files, "c.go": "package c\nfunc h() int { return 2 }\n"}) == {"a.c::f": ["b.c::g"]}


def test_java_and_ruby_call_methods_of_their_own_by_bare_name() -> None:
    java = "class A { int f() { return g() + B.h(); } int g() { return 1; } }\nclass B { static int h() { return 2; } }"
    assert links({"A.java": java}) == {"A.java::A.f": ["A.java::A.g", "A.java::B.h"]}
    ruby = "class A\n  def f\n    g(1) + self.h\n  end\n  def g(x) = x\n  def h = 2\nend\n"
    assert links({"a.rb": ruby}) == {"a.rb::A.f": ["a.rb::A.g", "a.rb::A.h"]}


def test_a_method_of_an_object_may_be_that_of_each_type_that_has_it() -> None:
    caller = "function f(a, list) { a.b.price(); a.price(2); make().price(3); list.push(1); Price.price(); }\n"

    def called(types: int) -> dict[str, list[str]]:
        text = "".join(f"class C{n} {{ price() {{ return {n}; }}\n push() {{ return 1; }} }}\n" for n in range(types))
        return links({"a.js": caller + text}, sure=False)

    assert called(1) == {"a.js::f": ["a.js::C0.price"]}
    assert called(5) == {"a.js::f": [f"a.js::C{n}.price" for n in range(5)]}
    assert called(6) == {}


def test_an_inherited_method_may_be_any_of_its_name() -> None:
    java = {"A.java": "class A extends B { int f() { return g() + this.h(); } }",
            "B.java": "class B { int g() { return 1; } int h() { return 2; } }"}
    assert links(java) == {}
    assert links(java, sure=False) == {"A.java::A.f": ["B.java::B.g", "B.java::B.h"]}


def test_a_scope_that_is_none_of_the_repository_is_from_outside() -> None:
    rust = {"a.rs": "fn f() { Vec::make(); mem::swop(); tax::with(); crate::tax::with(); super::with(); Rate::of(); }",
            "b.rs": "impl Box2 { fn make() { x() } fn swop() { x() } }\nimpl Rate<u8> { fn of() { x() } }\n"
                    "mod tax { fn with() { x() } }"}
    assert links(rust) == {"a.rs::f": ["b.rs::Rate.of", "b.rs::tax.with"]}
    assert links(rust, sure=False) == {}
    assert links({"a.cpp": "int f() { return std::swop(1); }", "b.cpp": "int A::swop(int) { return 2; }"}) == {}


def test_a_bare_name_that_only_another_file_has_may_be_its() -> None:
    files = {"a.rs": "use crate::b::g;\nfn f() { g::<u8>(); h(); }", "b.rs": "pub fn g<T>() { x() }\nfn h() { y() }"}
    assert (links(files), links(files, sure=False)) == ({}, {"a.rs::f": ["b.rs::g", "b.rs::h"]})


@pytest.mark.parametrize(("ending", "text", "callee"), [
    (".js", "function f() { new B(1); new Map(); }\nclass B { constructor(x) { this.x = x + 1; } }", "B.constructor"),
    (".java", "class A { Object f() { return new B<>(1, new X()); } }\nclass B<T> { B(int x) { y = x + 1; } }", "B.B"),
    (".cs", "class A { object F() { return new B(1); } }\nclass B { B(int x) { y = x + 1; } }", "B.B"),
    (".cpp", "void *f() { return new B(1); }\nstruct B { B(int x) { y = x + 1; } };", "B.B"),
    (".php", "<?php function f() { return new B(1); }\nclass B { function __construct($x) { g($x); h(); } }",
     "B.__construct"),
    (".php", "<?php class B { static function f() { return new static(1); } function __construct($x) { g($x); h(); } }",
     "B.__construct"),
    (".php", "<?php class B { static function f() { return new self; } function __construct($x) { g($x); h(); } }",
     "B.__construct"),
    (".php", "<?php function f() { return new \\A\\B(1); }\nclass B { function __construct($x) { g($x); h(); } }",
     "B.__construct"),
    (".rb", "class B\n  def self.f = new(1)\n  def initialize(x) = g(x + 1)\nend\n", "B.initialize"),
    (".rb", "class B\n  def self.f = self.new(1)\n  def initialize(x) = g(x + 1)\nend\n", "B.initialize"),
    (".rb", "def f = B.new(1)\nclass B\n  def initialize(x) = g(x + 1)\nend\n", "B.initialize"),
])
def test_what_makes_an_object_calls_what_its_type_makes_it_with(ending: str, text: str, callee: str) -> None:
    (called,) = links({f"a{ending}": text}).values()
    assert called == [f"a{ending}::{callee}"]


@pytest.mark.parametrize(("source", "callees"), [
    ("class Kind { static of() { return 1; } }\nfunction of() { return 2; }\n", ["kind.js::Kind.of"]),
    ("function of() { return 2; }\n", ["kind.js::of"]), ("class Kind { none() { return 1; } }\n", []),
])
def test_of_an_import_that_is_a_type_its_methods_are_called(source: str, callees: list[str]) -> None:
    caller = "const Kind = require('./kind');\nfunction f(x) { return Kind.of(x); }\n"
    assert links({"a.js": caller, "kind.js": source}) == ({"a.js::f": callees} if callees else {})


@pytest.mark.parametrize(("call", "callees"), [
    ("new Own()", ["a.js::Own"]), ("new Far()", ["far.ts::Far"]), ("new Gone()", []), ("Own.Own()", []),
    ("Own.call(this)", ["a.js::Own"]), ("Far.apply(this, [])", ["far.ts::Far"]), ("Own.bind(this)", []),
    ("bus.call(1)", ["far.ts::call"]), ("Gone.call(this)", []),
])
def test_a_javascript_function_makes_objects_and_has_methods_that_call_it(call: str, callees: list[str]) -> None:
    found = links({
        "a.js": "import Far, { bus } from './far';\nimport Gone from './gone';\n"
                f"function Own() {{ this.x = 1; }}\nfunction f() {{ return {call}; }}\n",
        "far.ts": "export default function Far() { return 1; }\nexport function call() { return 2; }\n",
    })  # fmt: skip
    assert found == ({"a.js::f": callees} if callees else {})


def test_what_is_imported_under_another_name_is_what_it_is_called_where_it_comes_from() -> None:
    assert links({
        "a.js": "const { check: ok, Kind: K } = require('./b');\nimport { c as d, default as e } from './b';\n"
                "function f(x) { ok(x); d(x); K.of(x); c(x); e(x); }\nfunction g() { ok.call(1); }\n",
        "b.js": "function check(x) { return x; }\nfunction c(x) { return x + 1; }\nfunction ok(x) { return 3; }\n"
                "class Kind { static of() { return 2; } }\nfunction of(x) { return check(x); }\n",
    }) == {
        "a.js::f": ["b.js::Kind.of", "b.js::c", "b.js::check"], "a.js::g": ["b.js::check"], "b.js::of": ["b.js::check"],
    }  # fmt: skip


def test_where_functions_are_no_objects_none_is_called_by_a_method() -> None:
    files = {"a.rb": "def f = g.call(1)\ndef g = h(2)\n", "a.php": "<?php function f() { new G; }\nfunction G() {}"}
    assert links(files) == links(files, sure=False) == {}


def test_a_declaration_without_a_body_is_not_what_is_called() -> None:
    assert links({
        "a.js": "export class A { go() { return 1; } }\nexport function f(a) { return a.go() + help(a); }\n"
                "function help(a) { return a; }\n",
        "types/a.d.ts": "export class A { go(): number; }\nexport declare function help(a: A): number;\n",
    }, sure=False) == {"a.js::f": ["a.js::A.go"]}
