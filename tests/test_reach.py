"""Which files the change of one can matter to."""

import pytest

from sera_cli.svg.graph import Module, facts
from sera_cli.svg.reach import index, moved, reach
from sera_cli.svg.source import Source, definitions, parse

SHOP = {
    "a.py": "class Base:\n    def run(self): pass\n\ndef tax(x): pass\n\ndef other(): pass\n",
    "b.py": "from a import tax as levy, Base\n\nclass Own(Base):\n    def go(self): self.run()\n\ndef pay(): levy(1)\n",
    "c.py": "import b\n\ndef late(): b.pay()\n",
    "d.py": "def alone(x): x.run()\n",
    "e.py": "from a import *\n\ndef far(): other()\n",
}


def module(path: str, text: str) -> Module:
    source = parse(text.encode())
    assert isinstance(source, Source)
    return facts(path, source.tree, definitions(source.tree))


def reached(path: str, text: str) -> set[str] | None:
    """The files that a new text of one can matter to."""
    all_ = {one: module(one, said) for one, said in SHOP.items()}
    return reach(index([*all_.values()]), {path: all_[path]}, {path: module(path, text)})


@pytest.mark.parametrize(("text", "files"), [
    (SHOP["a.py"] + "\n# a word\n", {"a.py"}),
    (SHOP["a.py"].replace("tax(x): pass", "tax(x): other()"), {"a.py"}),
    (SHOP["a.py"] + "def new(): pass\n", {"a.py"}),
    (SHOP["a.py"].replace("def tax", "def toll"), {"a.py", "b.py"}),
    (SHOP["a.py"].replace("other", "another"), {"a.py", "e.py"}),
    (SHOP["a.py"].replace("run", "walk"), {"a.py", "b.py", "d.py"}),
    (SHOP["a.py"] + "other = 1\n", {"a.py", "e.py"}),
    (SHOP["a.py"] + "pay = 1\n", {"a.py", "c.py"}),
    (SHOP["a.py"].replace("    def run(self): pass\n", "    def run(self): pass\n" * 2), {"a.py", "b.py", "d.py"}),
    (SHOP["a.py"].replace("    def run", "    @property\n    def run"), {"a.py", "b.py", "d.py"}),
])  # fmt: skip
def test_a_change_matters_to_whoever_says_what_changed_under_whatever_name(text: str, files: set[str]) -> None:
    assert reached("a.py", text) == files


@pytest.mark.parametrize("text", [
    SHOP["a.py"].replace("Base", "Root"),
    SHOP["a.py"].replace("Base", "Base(Root)"),
    SHOP["a.py"].replace("    def run", "    def __init__(self): pass\n    def run"),
    SHOP["a.py"] + "from z import *\n",
])  # fmt: skip
def test_what_others_inherit_or_take_whole_may_matter_to_anybody(text: str) -> None:
    assert reached("a.py", text) is None


def test_an_import_inside_a_function_takes_a_name_under_another_too() -> None:
    texts = {"a.py": "def tax(): pass\n", "b.py": "def f():\n    from a import tax as levy\n    levy()\n"}
    all_ = {path: module(path, text) for path, text in texts.items()}
    now = module("a.py", "def toll(): pass\n")
    assert reach(index([*all_.values()]), {"a.py": all_["a.py"]}, {"a.py": now}) == {"a.py", "b.py"}


def test_a_class_that_nobody_else_inherits_from_matters_to_who_names_it_or_its_own_heirs() -> None:
    files = {
        "a.py": "class Base: pass\n\nclass Heir(Base): pass\n", "b.py": "from a import Heir\n\ndef f(): Heir()\n",
        "c.py": "def g(): pass\n",
    }  # fmt: skip
    all_ = [module(path, text) for path, text in files.items()]
    made = module("a.py", files["a.py"].replace("Base: pass", "Base:\n    def __init__(self): pass"))
    assert reach(index(all_), {"a.py": all_[0]}, {"a.py": made}) == {"a.py", "b.py"}


def test_methods_are_counted_as_the_files_are_now() -> None:
    all_ = {path: module(path, text) for path, text in SHOP.items()}
    now = module("a.py", SHOP["a.py"].replace("run", "go"))
    found = moved(index([*all_.values()]), {"a.py": all_["a.py"]}, {"a.py": now})
    assert found == {"run": [], "go": ["b.py::Own.go", "a.py::Base.go"]}
