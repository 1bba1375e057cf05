"""Edits that say what a function does: its documentation and its return annotation."""

import ast
from collections.abc import Iterator

from sera_cli.harness.rehearsal.change import Change, insert, span
from sera_cli.harness.rehearsal.checks import yields
from sera_cli.harness.rehearsal.scene import Scene, anchor, lead, parameters, source

SPECIAL = {
    "init": "Set up a new object", "repr": "Return the text that stands for the object", "iter": "Go through the items",
    "str": "Return the object as text", "len": "Count the items", "eq": "Compare with another object",
    "enter": "Begin the context", "exit": "End the context", "call": "Apply the object", "main": "Run the program",
}  # fmt: skip


def annotation(scene: Scene) -> Iterator[Change]:
    """Only where the whole function was seen: a later `return value` would make it false."""
    silent = not any(isinstance(node, ast.Return) and node.value for node in scene.nodes)
    if not scene.complete or scene.node.returns or not silent or yields(scene):
        return
    for index in range(scene.node.body[0].lineno - 3, -1, -1):
        if scene.lines[index].rstrip().endswith("):"):
            head, _, tail = scene.lines[index].rpartition("):")
            yield span(scene, index, [f"{head}) -> None:{tail}"], index + 1)
            return


def docstring(scene: Scene) -> Iterator[Change]:
    at = anchor(scene)
    if ast.get_docstring(scene.node, clean=False) is not None:
        return
    names = " and ".join([arg.arg for arg in parameters(scene)][:2])
    said = sentence(scene.node.name)
    yield from insert(scene, at, [f'"""{said}."""'])
    if names:
        yield from insert(scene, at, [f'"""{said} for {names}."""'])


def doc_raises(scene: Scene) -> Iterator[Change]:
    raised: list[str] = []
    for node in scene.nodes:
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)):
                raised.append(name)
    new = [name for name in dict.fromkeys(raised) if name.endswith("Error") and name not in _said(scene)]
    if new:
        yield from _more(scene, f"Raises {' or '.join(new[:2])}.", new[0])


def doc_returns(scene: Scene) -> Iterator[Change]:
    note = scene.node.returns
    if note is None or "eturn" in _said(scene) or yields(scene) or isinstance(note, ast.Constant) or not _said(scene):
        return
    yield from _more(scene, f"Returns {source(scene, note)}.")


def doc_parameters(scene: Scene) -> Iterator[Change]:
    new = [arg.arg for arg in parameters(scene) if arg.arg not in _said(scene)]
    if new:
        yield from _more(scene, f"Takes {' and '.join(new[:2])}.", new[0])


def sentence(name: str) -> str:
    """What a function does, as far as its name tells: `get_open_files` returns the open files."""
    match name.strip("_").split("_"):
        case [only] if only in SPECIAL:
            return SPECIAL[only]
        case ["get" | "find" | "fetch" | "compute", *rest] if rest:
            return "Return the " + " ".join(rest)
        case ["is" | "has" | "can" as verb, *rest] if rest:
            return f"Tell whether this {verb} " + " ".join(rest)
        case [only]:
            return f"{only.capitalize()} what is given"
        case [verb, *rest]:
            return f"{verb.capitalize()} the " + " ".join(rest)
    return "Do the work"


def _said(scene: Scene) -> str:
    return ast.get_docstring(scene.node, clean=False) or ""


def _more(scene: Scene, said: str, name: str = "") -> Iterator[Change]:
    """A sentence more at the end of a docstring in triple quotes; nothing where there is none."""
    if not _said(scene) or not isinstance(scene.node.body[0], ast.Expr):
        return
    text = scene.node.body[0].value
    first, last = text.lineno - 2, (text.end_lineno or 0) - 2
    quotes, row = source(scene, text)[:3], scene.lines[last].rstrip()
    if quotes not in ('"""', "'''") or not row.endswith(quotes) or first == 0:
        return
    indent = lead(scene.lines[first])
    kept = [row.removesuffix(quotes).rstrip()] if row.strip() != quotes else []
    start = max(first, last - 1)
    rows = [*scene.lines[start:last], *kept, "", indent + said, indent + quotes]
    yield span(scene, start, rows, last + 1, name=name)
