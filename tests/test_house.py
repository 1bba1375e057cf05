"""How the house is built, read off the source of every module; each test names the culprits."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sera_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ("svg", "data", "train", "agents", "evaluate")
HEAVY = {
    "accelerate", "datasets", "docker", "git", "httpcore", "httpx", "peft", "safetensors", "tokenizers", "torch",
    "transformers", "trl", "jinja2", "matplotlib", "numpy", "prompt_toolkit", "tenacity", "certifi", "trackio", "wandb",
    "pyarrow", "scipy", "swebench", "yaml",
}
STAGES = {"functions", "explored", "issues", "reproduced", "verdicts", "samples"}
CONSOLE = "sera_cli.console"
LONGEST = 300
"""Lines of a module; more needs a reason, given here by name."""
LONG: dict[str, str] = {}

WITHOUT_TEST = {
    "errors": "declares names only; test_cli ends a command in each of them",
    "__main__": "is the door itself: test_cli goes through it",
    "plumbing": "is what git and export ask: test_git goes through it",
    "export": "is half of what test_git is about",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(module: Path) -> str:
    """`sera_cli.harness.loop`; a package is named by its folder."""
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for module in MODULES:
        yield from ((f"{name(module)}:{getattr(node, 'lineno', 0)}", node)
                    for node in ast.walk(tree(module)) if isinstance(node, kind))


def imported(node: ast.AST) -> list[str]:
    """What an import statement brings in; `from package import module` counts as the module where it is one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        known = {name(module) for module in MODULES}
        return [full if (full := f"{node.module}.{alias.name}") in known else node.module for alias in node.names]
    return []


def everywhere(module: Path) -> set[str]:
    return {target for node in ast.walk(tree(module)) for target in imported(node)}


def at_import(module: Path) -> set[str]:
    """What is imported when the module is: not inside functions, not for the type checker."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree(module)]
    while waiting:
        node = waiting.pop()
        typed = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if typed or isinstance(node, Function | ast.Lambda):
            continue
        found.update(imported(node))
        waiting.extend(ast.iter_child_nodes(node))
    return found


def floor(module: str) -> int:
    """How high up the house: the nouns 0, the ground 1, the harness 2, the rooms 3, the door 4."""
    first = [*module.split("."), ""][1]
    if first in ("types", "errors"):
        return 0
    if first == "harness":
        return 2
    if first in ROOMS:
        return 3
    return 4 if first in ("cli", "__main__") else 1


def test_imports_point_down() -> None:
    offenders = [f"{name(module)} imports {target}" for module in MODULES for target in sorted(everywhere(module))
                 if target.startswith("sera_cli.") and floor(target) > floor(name(module))]
    assert offenders == []


def test_rooms_do_not_know_each_other() -> None:
    offenders = [f"{name(module)} imports {target}" for module in MODULES for target in sorted(everywhere(module))
                 if target.startswith("sera_cli.") and floor(target) == floor(name(module)) == 3
                 and target.split(".")[1] != name(module).split(".")[1]]
    assert offenders == []


def test_no_import_is_relative() -> None:
    assert [where for where, node in nodes(ast.ImportFrom) if isinstance(node, ast.ImportFrom) and node.level] == []


def test_imports_go_in_no_circle() -> None:
    below = {name(module): {target for target in at_import(module) if target.startswith("sera_cli.")}
             for module in MODULES}
    circles: list[str] = []

    def walk(module: str, above: tuple[str, ...]) -> None:
        if module in above:
            circles.append(" -> ".join((*above[above.index(module):], module)))
        elif module not in done:
            for target in sorted(below.get(module, ())):
                walk(target, (*above, module))
            done.add(module)

    done: set[str] = set()
    for module in below:
        walk(module, ())
    assert circles == []


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    offenders = [f"{name(module)} imports {target}" for module in MODULES for target in sorted(at_import(module))
                 if target.split(".")[0] in HEAVY]
    assert offenders == []


def test_the_door_opens_without_pydantic() -> None:
    """Whatever `sera --help` reaches by imports at module level, however far down."""
    modules = {name(module): module for module in MODULES}
    reached: set[str] = set()
    waiting = ["sera_cli.__main__"]
    while waiting:
        module = waiting.pop()
        if module in modules and module not in reached:
            reached.add(module)
            waiting.extend(at_import(modules[module]))
    later = HEAVY | {"pydantic", "platformdirs", "tomli_w", "unidiff"}
    offenders = [f"{module} imports {target}" for module in sorted(reached)
                 for target in sorted(at_import(modules[module])) if target.split(".")[0] in later]
    assert offenders == []


def test_only_the_store_writes_stage_files() -> None:
    named = [f"{where} names {node.value}" for where, node in nodes(ast.Constant)
             if isinstance(node, ast.Constant) and isinstance(node.value, str)
             and re.fullmatch(r"\d-\w+\.jsonl", node.value) and not where.startswith("sera_cli.runs:")]
    written = [f"{where} writes {ast.unparse(node.func)}" for where, node in nodes(ast.Call)
               if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
               and node.func.attr in ("write_text", "write_bytes") and isinstance(node.func.value, ast.Attribute)
               and node.func.value.attr in STAGES]
    assert named + written == []


def test_only_templates_reads_templates() -> None:
    offenders = [f"{where} says {node.value!r}" for where, node in nodes(ast.Constant)
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)
                 and re.fullmatch(r"_?templates(/\S*)?", node.value) and not where.startswith("sera_cli.templates:")]
    assert offenders == []


def test_only_the_console_prints() -> None:
    prints = {"print", "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write", "typer.echo", "typer.secho"}
    calls = [f"{where} calls {ast.unparse(node.func)}" for where, node in nodes(ast.Call)
             if isinstance(node, ast.Call) and ast.unparse(node.func) in prints and not where.startswith(CONSOLE)]
    consoles = [f"{name(module)} imports rich.console" for module in MODULES
                if "rich.console" in everywhere(module) and name(module) != CONSOLE]
    assert calls + consoles == []


def test_a_module_is_about_a_hundred_lines_and_never_long_without_a_reason() -> None:
    lengths = {name(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {module: lines for module, lines in lengths.items() if lines > LONGEST and module not in LONG} == {}
    assert [module for module in LONG if lengths.get(module, 0) <= LONGEST] == []


def test_a_module_says_what_it_is_for() -> None:
    silent = [name(module) for module in MODULES if tree(module).body and not ast.get_docstring(tree(module))]
    assert silent == []


def test_a_function_takes_at_most_five_things_by_position() -> None:
    offenders = [
        f"{where} {node.name}" for where, node in [*nodes(ast.FunctionDef), *nodes(ast.AsyncFunctionDef)]
        if isinstance(node, Function)
        and len([one for one in (*node.args.posonlyargs, *node.args.args) if one.arg not in ("self", "cls")]) > 5
    ]
    assert offenders == []


def test_every_module_has_a_test_file_of_its_name() -> None:
    tests = {file.stem.removeprefix("test_") for file in (ROOT / "tests").glob("test_*.py")}
    untested = [
        name(module) for module in MODULES
        if tree(module).body and not is_plain(module)
        and not {module.stem, module.parent.name} & (tests | set(WITHOUT_TEST))
    ]
    assert untested == []


def is_plain(module: Path) -> bool:
    """An `__init__` that only says what its package is for."""
    defines = any(isinstance(node, Function | ast.ClassDef) for node in tree(module).body)
    return module.stem == "__init__" and not defines


@pytest.mark.parametrize("folder", ["sera_cli", "templates", "examples"])
def test_nothing_names_a_place_on_someones_machine(folder: str) -> None:
    places = re.compile(r"(?<![\w./-])/(?:root|work|Users|home(?!/user\b))/\w+")
    offenders = [f"{file.relative_to(ROOT)}: {match.group()}" for file in sorted((ROOT / folder).rglob("*"))
                 if file.is_file() and file.suffix in (".py", ".md", ".toml", ".jinja")
                 for match in places.finditer(file.read_text(encoding="utf-8"))]
    assert offenders == []


def test_each_of_these_rules_can_fail(tmp_path: Path) -> None:
    """The readers above, on a module that breaks what they look for."""
    module = tmp_path / "x.py"
    module.write_text("import torch\nfrom sera_cli.harness import loop\ndef f():\n    import httpx\n")
    assert at_import(module) == {"torch", "sera_cli.harness.loop"}
    assert everywhere(module) == {"torch", "sera_cli.harness.loop", "httpx"}
    floors = [floor(f"sera_cli.{part}") for part in ("types", "store", "harness.loop", "svg.mine", "cli.app")]
    assert floors == [0, 1, 2, 3, 4]
