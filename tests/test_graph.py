"""What the call graph knows of a Python file."""

import ast
import typing
from pathlib import Path
from typing import Any

from sera_cli.svg.graph import Import, Module, facts, heard, inside, told
from sera_cli.svg.source import Source, definitions, parse


def read(text: str) -> Module:
    source: Any = parse(text.encode())
    assert isinstance(source, Source)
    return facts("a.py", source.tree, definitions(source.tree))


def test_a_top_level_name_has_all_that_it_may_stand_for() -> None:
    module = read("import os.path\nfrom ..b import c as d\ntry:\n    x = 1\nexcept E:\n    def x(): pass\n"
                  "class C(d.B[int]):\n    y = 2\n")
    assert module.names == {
        "os": {Import("os")}, "d": {Import("b", 2, "c")}, "x": {"value", "def"}, "C": {"class"}}
    assert module.values == {"C.y"}
    assert module.classes == {"C": (("d", "B"),)}


def test_a_body_has_its_calls_as_they_are_written() -> None:
    text = ("class C:\n    def f(self, a, *b):\n        import os\n"
            "        with a.b as c: os.x(c[0].hook(), [].append(1))\n"
            "        if a or b: super().f()\n        return (lambda: 1)()\n")
    (body,) = read(text).bodies
    assert (body.name, body.owner, body.receiver, body.branches) == ("C.f", "C", "self", 2)
    assert body.calls == {("os", "x"), ("()", "hook"), ("super()", "f")}
    assert body.imports == {"os": Import("os")}


def test_a_call_is_kept_as_far_as_its_file_tells_what_it_means() -> None:
    module = read(
        "import os\nmade = os.x()\ninput = made\ndef g(): pass\n"
        "class C:\n    z = 1\n    def f(self, a):\n"
        "        os.p.q(); g(); g.r(); self.one(); self.b.two(); a(); a.three(); made.four(); input.five()\n"
        "        un.six(); len(a); str.seven(a); made(); un(); a.append(1); z()\n")
    assert module.bodies[1].calls == {
        ("os", "p", "q"), ("g",), ("g", "r"), ("self", "one"), ("()", "two"), ("()", "three"), ("()", "four"),
        ("()", "five"), ("()", "six")}
    assert module.names.keys() == {"os", "g", "C", "C.f"}
    assert module.values == {"made", "input", "C.z"}


def test_where_all_of_a_module_is_imported_a_bare_name_may_be_of_it() -> None:
    module = read("from x import *\nmade = 1\ndef f(a): un(); un.six(); len(a); a(); made()\n")
    assert module.bodies[0].calls == {("un",), ("un", "six")}


def test_decorators_and_defaults_are_calls_of_the_module_and_not_of_the_function() -> None:
    (body,) = read("@log(1)\ndef f(a=make(), *, b: kind() = [x for x in y()]):\n    return g()\n").bodies
    assert (body.calls, body.branches) == (frozenset(), 0)
    bodies = read("def g(): pass\n@g.a()\ndef f(a=g.b()):\n    @g.c()\n    def h(b=g.d()): pass\n").bodies
    assert {body.name: body.calls for body in bodies} == {"g": frozenset(), "f": {("g", "c"), ("g", "d")}}


def test_what_a_method_makes_an_attribute_of_its_object_is_a_value() -> None:
    kept = "    def k(self): pass\n"
    module = read(f"class C:\n    def f(self, a):\n        self.g, self.h.i = a\n        a.j = self.k = 1\n{kept}")
    assert module.values == {"C.g"}


def test_a_body_that_properties_are_read_by_is_an_attribute() -> None:
    text = ("class C:\n    @property\n    def a(self): pass\n    @a.setter\n    def a(self, x): pass\n"
            "    @f.cached_property\n    def b(self): pass\n    @abc.abstractmethod\n    def c(self): pass\n")
    assert [body.attribute for body in read(text).bodies] == [True, True, True, False]


def test_a_module_is_the_same_after_it_was_told() -> None:
    module = read("import os\nfrom ..b import c\nx: int = 1\nif x:\n    os = 2\n"
                  "class C(c.D, E):\n    y = 1\n    @property\n    def f(self):\n"
                  "        from a import b as d\n        return self.y() + d.e() + os.f()\n")
    assert heard(told(module)) == module


def test_all_nodes_are_walked_through_but_those_that_tell_nothing() -> None:
    rare = "match x:\n    case {'a': C(b=[1, *_]) as d, **e}: print(f'{e!r:>{d}}')\n"
    tree = ast.parse(Path(typing.__file__).read_text() + rare)
    quiet = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop, ast.alias)
    walked = [id(node) for node in ast.walk(tree) if not isinstance(node, quiet)]
    assert sorted(id(node) for node in inside(tree) if isinstance(node, ast.AST)) == sorted(walked)
