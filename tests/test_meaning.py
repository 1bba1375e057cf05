"""Calls between functions: those that the text decides, and those that may be one of a few."""

from typing import Any

from sera_cli.svg.graph import facts
from sera_cli.svg.meaning import link
from sera_cli.svg.source import Source, definitions, parse


def links(files: dict[str, str], *, sure: bool = True) -> dict[str, set[str]]:
    """The callees of each function that has some: those that are sure, or the others."""
    modules = []
    for path, text in files.items():
        source: Any = parse(text.encode())
        assert isinstance(source, Source)
        modules.append(facts(path, source.tree, definitions(source.tree)))
    found = {
        f"{path}::{name}": {target for target, known in targets.items() if known is sure}
        for path, own in link(modules).items() for name, targets in own.items()
    }
    return {caller: targets for caller, targets in found.items() if targets}


def test_a_name_of_the_same_file_is_a_link() -> None:
    assert links({"a.py": "def f(): g()\ndef g(): f\n"}) == {"a.py::f": {"a.py::g"}}


def test_a_function_that_calls_itself_is_no_neighbour_of_its_own() -> None:
    assert links({"a.py": "def f(): f()\n"}) == {}


def test_imports_are_followed_across_files() -> None:
    found = links({
        "src/pkg/__init__.py": "from .core import run as start\n",
        "src/pkg/core.py": "def run(): pass\n",
        "src/pkg/sub/__init__.py": "",
        "src/pkg/sub/one.py": "from pkg import start\nfrom ..core import run\nfrom .. import core\n"
                              "import pkg.core\nimport pkg.core as c\n"
                              "def a(): start()\ndef b(): run()\ndef c1(): core.run()\n"
                              "def d(): pkg.core.run()\ndef e(): c.run()\ndef f(): pkg.start()\n",
    })
    callers = {f"src/pkg/sub/one.py::{name}" for name in ("a", "b", "c1", "d", "e", "f")}
    assert found == {caller: {"src/pkg/core.py::run"} for caller in callers}


def test_an_import_inside_a_function_counts_there_alone() -> None:
    found = links({"pkg/__init__.py": "", "pkg/b.py": "def g(): pass\n",
                   "pkg/a.py": "def f():\n    from pkg.b import g\n    g()\ndef h(): g()\n"})
    assert found == {"pkg/a.py::f": {"pkg/b.py::g"}}


def test_an_import_may_have_the_name_of_what_a_method_is_called_on() -> None:
    assert links({"a.py": "class A:\n    def f(np):\n        from gone import np\n        np()\n"}) == {}


def test_self_cls_and_super_reach_own_and_inherited_methods() -> None:
    found = links({
        "base.py": "class Base:\n    def hook(self): pass\n    def run(self): self.hook()\n",
        "a.py": "from base import Base\nclass A(Base):\n"
                "    def run(self):\n        super().run()\n        self.hook()\n"
                "    @classmethod\n    def make(cls): cls.run()\n    @staticmethod\n    def odd(x): x.run()\n",
    })
    assert found == {
        "base.py::Base.run": {"base.py::Base.hook"},
        "a.py::A.run": {"base.py::Base.run", "base.py::Base.hook"},
        "a.py::A.make": {"a.py::A.run"},
    }


def test_a_class_that_is_called_is_its_constructor() -> None:
    found = links({"a.py": "class A:\n    def __init__(self): pass\nclass B(A[int]): pass\nclass C: pass\n"
                           "def f(): B()\ndef g(): C()\ndef h(): A.__init__(1)\n"})
    assert found == {"a.py::f": {"a.py::A.__init__"}, "a.py::h": {"a.py::A.__init__"}}


def test_names_with_two_meanings_and_methods_of_unknown_objects_are_not_sure() -> None:
    files = {
        "one/__init__.py": "", "one/same.py": "def g(): pass\n",
        "a.py": "try:\n    from one.same import g\nexcept ImportError:\n    def g(): pass\n"
                "def h(): pass\nh = wrap(h)\n"
                "class C:\n    def h(self): pass\n    def k(self): self.other.h(); self.items[0].h(); self.items[0]()\n"
                "def f(x, h2):\n    g()\n    h()\n    x.h()\n    C().h()\n    y = x\n    y.h()\n",
    }
    assert links(files) == {}
    assert links(files, sure=False) == {
        "a.py::C.k": {"a.py::C.h"}, "a.py::f": {"one/same.py::g", "a.py::g", "a.py::h", "a.py::C.h"}}


def test_a_method_that_more_than_five_classes_have_is_nobodys() -> None:
    def called(classes: int) -> dict[str, set[str]]:
        text = "".join(f"class C{n}:\n    def hook(self): pass\n" for n in range(classes))
        return links({"a.py": f"{text}def f(x): x.hook()\n"}, sure=False)

    assert called(5) == {"a.py::f": {f"a.py::C{n}.hook" for n in range(5)}}
    assert called(6) == {}


def test_what_is_of_python_itself_or_from_outside_is_nobodys() -> None:
    assert links({"a.py": "import json\nfrom os import path\n"
                          "class C:\n    def append(self, x): pass\n    def loads(self): pass\n"
                          "    def mine(self): pass\n    def run(self): super().loads()\n"
                          "def f(x):\n    x.append(1)\n    json.loads()\n    path.mine()\n    dict.mine()\n    x()\n"
                  }, sure=False) == {}


def test_a_property_is_called_where_the_text_tells_so_and_of_no_other_object() -> None:
    marks = ("property", "a.setter", "cached_property", "functools.cached_property", "abstractmethod")
    text = "".join(f"class C{n}:\n    @{mark}\n    def a(self): pass\n    def f(self): self.a()\n"
                   for n, mark in enumerate(marks))
    files = {"a.py": f"{text}def g(x): x.a()\nclass D(C0):\n    def f(self): self.a()\n    def h(self): self.b.a()\n"}
    own = {f"a.py::C{n}.f": {f"a.py::C{n}.a"} for n in range(5)}
    assert links(files) == own | {"a.py::D.f": {"a.py::C0.a"}}
    assert links(files, sure=False) == {"a.py::g": {"a.py::C4.a"}, "a.py::D.h": {"a.py::C4.a"}}
    assert links({"a.py": f"{files['a.py']}class E:\n    a = property(1)\n    def a(self): pass\n"}, sure=False) == {}


def test_a_method_of_ones_own_that_no_base_has_may_be_another_classes() -> None:
    text = "class A:\n    def run(self): self.hook()\nclass B(A):\n    def hook(self): self.run()\n"
    assert links({"a.py": text}) == {"a.py::B.hook": {"a.py::A.run"}}
    assert links({"a.py": text}, sure=False) == {"a.py::A.run": {"a.py::B.hook"}}


def test_an_import_that_two_packages_may_be_is_of_either() -> None:
    files = {f"{service}/util/{file}": text for service in ("one", "two")
             for file, text in (("__init__.py", ""), ("x.py", "def g(): pass\n"))}
    files["main.py"] = "from util.x import g\nimport util.x\ndef f(): g()\ndef h(): util.x.g()\n"
    assert links(files) == {}
    both = {"one/util/x.py::g", "two/util/x.py::g"}
    assert links(files, sure=False) == {"main.py::f": both, "main.py::h": both}


def test_a_call_that_is_sure_in_one_place_is_sure() -> None:
    files = {"a.py": "class C:\n    def h(self): pass\n    def k(self, x): x.h(); self.h()\n"}
    assert links(files) == {"a.py::C.k": {"a.py::C.h"}}


def test_a_local_name_hides_the_function_of_the_file() -> None:
    assert links({"a.py": "def g(): pass\ndef f(g): g()\n"
                          "def h():\n    for g in []: g()\ndef i():\n    def g(): pass\n    g()\n"}) == {}


def test_a_name_from_outside_the_repository_is_no_link() -> None:
    found = links({"pkg/__init__.py": "", "pkg/plugins/json/__init__.py": "def loads(): pass\n",
                   "pkg/a.py": "import json\nfrom os.path import join\ndef f(): json.loads(); join()\n"})
    assert found == {}


def test_imports_and_classes_that_go_in_circles_end() -> None:
    assert links({"a.py": "from b import x\nclass A(B): pass\n"
                          "class B(A):\n    def f(self): self.g(); x(); super().f()\n",
                  "b.py": "from a import x\n"}) == {}
    assert links({"a.py": "from ...... import x\nfrom . import y\ndef f(): x(); y()\n"}) == {}


def test_bases_that_are_members_of_one_another_end() -> None:
    assert links({"a.py": "class A(A.B):\n    pass\ndef f():\n    A.x()\n"}) == {}
    rungs = "".join(f"class A{n}(A{n - 1}.X, A{n - 1}.Y):\n    pass\n" for n in range(1, 60))
    assert links({"a.py": f"class A0:\n    pass\n{rungs}def f():\n    A59.x()\n"}) == {}


def test_more_levels_of_classes_than_python_recurses_give_no_link() -> None:
    levels = "".join(f"class A{n}(A{n - 1}):\n    pass\n" for n in range(1, 2000))
    text = f"class A0:\n    def x(self):\n        pass\n{levels}def f():\n    A1999.x()\ndef g():\n    A9.x()\n"
    assert links({"a.py": text}) == {"a.py::g": {"a.py::A0.x"}}


def test_what_a_name_is_known_to_hold_is_no_method_of_that_name() -> None:
    files = {
        "lib.py": "units = len\nclass Other:\n    def units(self): pass\n    def hook(self): pass\n",
        "a.py": "import lib\nclass A:\n    size = lib.units\n    def __init__(self, hook): self.hook = hook\n"
                "    def run(self):\n        self.hook(1)\n        self.size()\n        return lib.units(2)\n"
                "class B(A):\n    def again(self): self.hook()\n    def unknown(self): self.units()\n",
    }  # fmt: skip
    assert links(files) == {}
    assert links(files, sure=False) == {"a.py::B.unknown": {"lib.py::Other.units"}}


def test_names_of_a_module_all_of_which_is_imported_are_followed() -> None:
    files = {
        "pkg/__init__.py": "from .base import *\nfrom .more import *\n", "pkg/more.py": "from os import *\n",
        "pkg/base.py": "def go(): pass\nclass Base:\n    def hook(self): pass\n",
        "use.py": "from pkg import *\nimport pkg\nclass A(Base):\n    def f(self): self.hook()\n"
                  "def g(): go()\ndef h(): pkg.go()\ndef i(): gone()\n",
        "odd.py": "from odd import *\ndef j(): what()\n",
    }  # fmt: skip
    assert links(files) == {
        "use.py::A.f": {"pkg/base.py::Base.hook"}, "use.py::g": {"pkg/base.py::go"}, "use.py::h": {"pkg/base.py::go"}}
    assert links(files, sure=False) == {}


def test_where_all_of_a_package_is_imported_so_may_be_a_module_of_it() -> None:
    files = {"pkg/__init__.py": "", "pkg/sub.py": "def go(): pass\n", "pkg/own.py": "",
             "use.py": "from pkg import *\ndef f(): sub.go()\ndef g(): own.go()\ndef h(): pkg.go()\n"}
    assert links(files) == {"use.py::f": {"pkg/sub.py::go"}}
