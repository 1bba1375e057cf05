"""Each kind of edit on code that asks for it: what goes out and what comes in."""

import ast
from random import Random

import pytest

from sera_cli.harness.rehearsal.change import Change, again, changed, sound
from sera_cli.harness.rehearsal.edits import KINDS, propose
from sera_cli.harness.rehearsal.phrases import recognise, words
from sera_cli.harness.rehearsal.scene import Scene, scene
from sera_cli.harness.rehearsal.tongues import TONGUES

CASES = {
    "mutable-default": (
        "def f(x=[]):\n    return x",
        "def f(x=None):\n    if x is None:\n        x = []\n    return x",
    ),
    "assert-raise": (
        'def f(x):\n    assert x > 0, "too small"\n    return x',
        'def f(x):\n    if not (x > 0):\n        raise ValueError("too small")\n    return x',
    ),
    "none-guard": (
        "def f(x):\n    return x.y",
        'def f(x):\n    if x is None:\n        raise TypeError("x must not be None")\n    return x.y',
    ),
    "type-check": (
        "def f(x):\n    return x.upper()",
        'def f(x):\n    if not isinstance(x, str):\n        raise TypeError("x must be of type str")\n'
        "    return x.upper()",
    ),
    "empty-guard": (
        "def f(xs):\n    for x in xs:\n        g(x)",
        "def f(xs):\n    if not xs:\n        return\n    for x in xs:\n        g(x)",
    ),
    "raise-from": (
        "def f():\n    try:\n        g()\n    except KeyError:\n        raise E(1)",
        "def f():\n    try:\n        g()\n    except KeyError as error:\n        raise E(1) from error",
    ),
    "error-message": (
        'def f(key):\n    raise ValueError("bad key")',
        'def f(key):\n    raise ValueError(f"bad key: {key!r}")',
    ),
    "narrow-except": (
        "def f(x):\n    try:\n        return int(x)\n    except Exception:\n        return 0",
        "def f(x):\n    try:\n        return int(x)\n    except (TypeError, ValueError):\n        return 0",
    ),
    "context-manager": (
        "def f(p):\n    h = open(p)\n    d = h.read()\n    h.close()\n    return d",
        "def f(p):\n    with open(p) as h:\n        d = h.read()\n    return d",
    ),
    "encoding": ("def f(p):\n    return open(p)", 'def f(p):\n    return open(p, encoding="utf-8")'),
    "type-compare": ("def f(x):\n    return type(x) == int", "def f(x):\n    return isinstance(x, int)"),
    "isinstance-merge": (
        "def f(x):\n    return isinstance(x, A) or isinstance(x, B)",
        "def f(x):\n    return isinstance(x, (A, B))",
    ),
    "prefix-merge": (
        'def f(x):\n    return x.startswith("a") or x.startswith("b")',
        'def f(x):\n    return x.startswith(("a", "b"))',
    ),
    "identity": ("def f(x):\n    return x == None", "def f(x):\n    return x is None"),
    "bool-compare": ("def f(x):\n    return x == False", "def f(x):\n    return not x"),
    "membership": ("def f(x, y):\n    return not x in y", "def f(x, y):\n    return x not in y"),
    "emptiness": (
        "def f(x):\n    if len(x) == 0:\n        return 1",
        "def f(x):\n    if not x:\n        return 1",
    ),
    "keys": ("def f(d):\n    for k in d.keys():\n        g(k)", "def f(d):\n    for k in d:\n        g(k)"),
    "super-call": ("def f(self):\n    super(A, self).f()", "def f(self):\n    super().f()"),
    "literal": ("def f():\n    return dict()", "def f():\n    return {}"),
    "return-bool": ("def f(x):\n    if x:\n        return True\n    return False", "def f(x):\n    return bool(x)"),
    "get-default": (
        "def f(d, k):\n    if k in d:\n        v = d[k]\n    else:\n        v = 0\n    return v",
        "def f(d, k):\n    v = d.get(k, 0)\n    return v",
    ),
    "fstring": ('def f(x):\n    return "a %s b" % x', 'def f(x):\n    return f"a {x} b"'),
    "annotation": ("def f(x):\n    g(x)", "def f(x) -> None:\n    g(x)"),
    "docstring": (
        "def open_files():\n    return 1",
        'def open_files():\n    """Open the files."""\n    return 1',
    ),
    "doc-raises": (
        'def f():\n    """Do."""\n    raise KeyError',
        'def f():\n    """Do.\n\n    Raises KeyError.\n    """\n    raise KeyError',
    ),
    "doc-returns": (
        'def f() -> int:\n    """Do."""\n    return 1',
        'def f() -> int:\n    """Do.\n\n    Returns int.\n    """\n    return 1',
    ),
    "doc-parameters": (
        'def f(x):\n    """Do."""\n    return 1',
        'def f(x):\n    """Do.\n\n    Takes x.\n    """\n    return 1',
    ),
    "copy-argument": (
        "def f(self, x: list[int]):\n    self.x = x",
        "def f(self, x: list[int]):\n    self.x = list(x)",
    ),
    "comprehension": ("def f(x):\n    return any([y for y in x])", "def f(x):\n    return any(y for y in x)"),
    "order": (
        "def f(p):\n    for x in p.iterdir():\n        g(x)",
        "def f(p):\n    for x in sorted(p.iterdir()):\n        g(x)",
    ),
    "else-return": (
        "def f(x):\n    if x:\n        return 1\n    else:\n        g()\n        return 2",
        "def f(x):\n    if x:\n        return 1\n    g()\n    return 2",
    ),
}


def seen(text: str, complete: bool = True) -> Scene:
    rows = dict(enumerate(text.split("\n"), 1))
    defined = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    name = next(defined).name
    found = scene("a.py", rows, name, 1)
    assert found is not None
    return found._replace(complete=complete)


def first(kind: str, text: str) -> Change:
    return next(KINDS[kind](seen(text)))


def test_the_cases_cover_every_kind_and_every_kind_has_its_words() -> None:
    assert set(CASES) == set(KINDS) == set(words()["kinds"]) - {kind for own in TONGUES.values() for kind in own}
    assert len(KINDS) == 32


@pytest.mark.parametrize("kind", CASES)
def test_an_edit(kind: str) -> None:
    before, after = CASES[kind]
    change = first(kind, before)
    assert "\n".join(changed(seen(before), change)) == after
    assert sound(seen(before), change)


@pytest.mark.parametrize("kind", CASES)
def test_an_edit_is_known_again_by_its_lines(kind: str) -> None:
    before, after = (text.split("\n") for text in CASES[kind])
    added = [row for row in after if row not in before]
    removed = [row for row in before if row not in after]
    assert recognise(added, removed)[0] == kind


@pytest.mark.parametrize("kind", CASES)
def test_an_edit_finds_nothing_more_to_do_in_its_own_result(kind: str) -> None:
    after = CASES[kind][1]
    assert list(KINDS[kind](seen(after))) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("none-guard", "def f(x=None):\n    return x"),
        ("none-guard", "def f(x: int | None):\n    return x"),
        ("none-guard", "def f(x): return x"),
        ("type-check", "def f(x: str = 'a'):\n    return x"),
        ("empty-guard", "def f(xs):\n    for x in xs:\n        yield x"),
        ("docstring", 'def f():\n    """Has one."""\n    return 1'),
        ("docstring", 'def f():\n    """Has only that."""'),
        ("annotation", "def f():\n    return 1"),
        ("annotation", "def f():\n    yield"),
        ("narrow-except", "def f():\n    try:\n        g()\n    except KeyError:\n        pass"),
        ("raise-from", "def f():\n    try:\n        g()\n    except KeyError as e:\n        raise E(1) from e"),
        ("context-manager", "def f(p):\n    h = open(p)\n    return h"),
        ("context-manager", "def f(p):\n    h = open(p)\n    s = '''a\nb''' + h.read()\n    return s"),
        ("else-return", "def f(x):\n    if x:\n        g\n    elif y:\n        return 1\n    else:\n        return 2"),
        ("encoding", "def f(p):\n    return open(p, 'rb')"),
        ("encoding", "def f(p, **o):\n    return open(p, **o)"),
        ("fstring", "def f(x):\n    return '{a} %s' % x"),
        ("fstring", "def f(x):\n    return '%s %s' % x"),
        ("identity", "def f(x):\n    return x is True"),
        ("literal", "def f(x=dict()):\n    return x"),
        ("error-message", "def f():\n    raise ValueError('nothing to name')"),
    ],
)
def test_an_edit_keeps_off(kind: str, text: str) -> None:
    assert list(KINDS[kind](seen(text))) == []


def test_what_depends_on_the_end_of_a_function_waits_until_the_end_was_seen() -> None:
    text = "def f(p):\n    h = open(p)\n    h.read()"
    for kind in ("annotation", "context-manager"):
        assert list(KINDS[kind](seen(text, complete=False))) == []
        assert len(list(KINDS[kind](seen(text)))) == 1


def test_columns_are_right_after_letters_of_more_than_one_byte() -> None:
    text = 'def f(näme):\n    return "é" + g("ü") if näme == None else "ß"'
    assert changed(seen(text), first("identity", text))[1] == '    return "é" + g("ü") if näme is None else "ß"'


def test_tabs_stay_tabs() -> None:
    text = "class A:\n\tasync def f(self, x):\n\t\treturn x"
    assert first("none-guard", text).new == (
        "\t\tif x is None:", '\t\t\traise TypeError("x must not be None")', "\t\treturn x",
    )  # fmt: skip


def test_a_hint_in_the_report_decides_before_chance_does() -> None:
    text = "def f(path, x):\n    if x == None:\n        raise ValueError('bad x')\n    return open(path)"
    report = "The encoding of `f` is wrong: no UTF-8."
    assert {propose(seen(text), report, Random(seed))[0][0] for seed in range(40)} == {"encoding"}


def test_without_a_hint_chance_decides_and_a_seed_decides_chance() -> None:
    found = seen("def f(path, x):\n    if x == None:\n        raise ValueError('bad x')\n    return open(path)")

    def tops() -> list[str]:
        return [propose(found, "It is off.", Random(seed))[0][0] for seed in range(40)]

    assert tops() == tops()
    assert len(set(tops())) >= 3


def test_a_changed_scene_is_a_scene() -> None:
    text = "def f(x):\n    return x == None"
    after = again(seen(text), first("identity", text))
    assert after.lines == ("def f(x):", "    return x is None")
    assert list(KINDS["identity"](after)) == []
