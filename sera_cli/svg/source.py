"""Reads one Python file: its text, its tree, and every function in it with the reason, if any, to leave it out.

Nothing is imported or run. A file that cannot be read is never an error here, but a sentence that says why.
"""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from sera_cli.svg.found import Found, clean
from sera_cli.svg.leaving import GENERATED, VENDORED

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_GENERATED_NAME = re.compile(r"(_pb2(_grpc)?|_parsetab|_lextab|^parsetab|^lextab|^_version|_generated)\.pyi?$")
_TEST_FOLDER = re.compile(r"^(tests|tests?_.+|.+_tests?|testsuite|testdata)$")
_TEST_FILE = re.compile(r"^(test_.*|.*_test|tests|conftest)\.pyi?$")
_MIGRATION = re.compile(r"^\d{3,}_.*\.py$")
_INSIDE = "inside another function"


class Source(NamedTuple):
    """A file as Python reads it: the tree, and the lines that its line numbers count from 1."""

    tree: ast.Module
    lines: list[str]

    def text(self, node: FunctionNode) -> str:
        """The definition as written, decorators included."""
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return "\n".join(self.lines[first - 1 : node.end_lineno])


def parse(content: bytes) -> Source | str:
    """The file, or why it cannot be read. Its encoding is what it declares, else UTF-8 (PEP 263)."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeError:
        return "not in the encoding it declares"
    except (SyntaxError, LookupError):
        return "not UTF-8, and names no encoding that Python knows"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Source(ast.parse(text), text.split("\n"))
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        return f"not the Python of this interpreter{where}"
    except (RecursionError, MemoryError):
        return "nested too deeply"


def file_reason(path: str, source: Source) -> str:
    """Why none of a file's functions is a place to start from, or ""."""
    *folders, name = PurePosixPath(path).parts
    if name.endswith(".pyi"):
        return "type stub"
    if VENDORED.intersection(folders):
        return "vendored"
    if _TEST_FILE.match(name) or folders[:1] == ["test"] or any(map(_TEST_FOLDER.match, folders)):
        return "test"
    if "migrations" in folders and (_MIGRATION.match(name) or "versions" in folders):
        return "migration"
    comments = (line for line in source.lines[:10] if line.startswith("#"))
    if _GENERATED_NAME.search(name) or any(map(GENERATED.search, comments)):
        return "generated"
    return ""


def read(source: Source, reason: str, branches: Mapping[FunctionNode, int]) -> Iterator[Found]:
    """Every function of a file, each once. `reason` is the file's own, and holds for all of them.

    What is left out is not described: only that it is there, and where. A function inside another is left out: nobody
    can call it by name, and the outer one brings its lines along. `branches` are those of the definitions, which are
    counted where they are walked through anyway.
    """
    for node, name in definitions(source.tree):
        why = reason or _reason(node)
        span = (name, node.lineno, node.end_lineno or node.lineno)
        if why:
            yield Found(*span, "", "", "", 0, why)
        else:
            yield Found(*span, source.text(node), signature(node), doc(node), branches.get(node, 0), "")
        for inner, own in nested(node, name):
            yield Found(own, inner.lineno, inner.end_lineno or inner.lineno, "", "", "", 0, reason or _INSIDE)


def definitions(tree: ast.Module) -> Iterator[tuple[FunctionNode, str]]:
    """Functions and methods that can be reached by name, also those under `if` and `try`, in no certain order."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in _blocks(node):
            if isinstance(child, FunctionNode):
                yield child, prefix + child.name
            else:
                waiting.append((child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix))


def nested(node: FunctionNode, name: str) -> Iterator[tuple[FunctionNode, str]]:
    """The functions inside a function of that name, at any depth, by the names of all that is around them."""
    waiting: list[tuple[ast.AST, str]] = [(node, name)]
    while waiting:
        outer, around = waiting.pop()
        for child in _blocks(outer):
            own = f"{around}.{child.name}" if isinstance(child, FunctionNode | ast.ClassDef) else around
            waiting.append((child, own))
            if isinstance(child, FunctionNode):
                yield child, own


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """The statements directly inside a statement. Expressions hold no functions, and are most of a tree."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        yield from getattr(node, field, ())


def signature(node: FunctionNode) -> str:
    """`def name(arguments) -> result` on one line."""
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    try:
        result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return clean(f"{kind} {node.name}({ast.unparse(node.args)}){result}")
    except RecursionError:
        return f"{kind} {node.name}(…)"


def doc(node: FunctionNode) -> str:
    """The first line of the docstring that says something."""
    text = ast.get_docstring(node, clean=False) or ""
    return clean(next((line.strip() for line in text.splitlines() if line.strip()), ""))


def _reason(node: FunctionNode) -> str:
    marks = [mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in node.decorator_list]
    if "overload" in marks:
        return "overload"
    if any(mark.startswith("abstract") for mark in marks):
        return "abstract"
    return "trivial body" if _trivial(node) else ""


def _trivial(node: FunctionNode) -> bool:
    """Whether the body, its docstring aside, is at most one statement that decides and computes nothing."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    match body:
        case [] | [ast.Pass() | ast.Raise() | ast.Expr(ast.Constant())]:
            return True
        case [ast.Return(None)]:
            return True
        case [ast.Return(value) | ast.Expr(value) | ast.Assign(value=value)]:
            return isinstance(value, ast.expr) and (_plain(value) or _passes_on(value))
    return False


def _plain(value: ast.expr) -> bool:
    """A constant, a name, or an attribute of one."""
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, ast.Constant | ast.Name)


def _passes_on(value: ast.expr) -> bool:
    """A call, by name or on `super()`, that hands over plain values and nothing else."""
    if isinstance(value, ast.Await):
        value = value.value
    if not isinstance(value, ast.Call):
        return False
    called = value.func.value if isinstance(value.func, ast.Attribute) else value.func
    target = called.func if isinstance(called, ast.Call) and not called.args and not called.keywords else called
    given = [item.value if isinstance(item, ast.Starred) else item for item in value.args]
    return all(map(_plain, [target, *given, *(keyword.value for keyword in value.keywords)]))
