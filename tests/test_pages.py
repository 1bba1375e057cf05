"""Reading a file of whichever language, and repositories that hold several or nothing sound."""

import ast
import os
import subprocess
import sys
import typing
from pathlib import Path

import pydantic
import pytest

from sera_cli.errors import ConfigError, DataError
from sera_cli.git import TrackedFile, open_repository
from sera_cli.svg.found import LeftOut
from sera_cli.svg.mine import mine
from sera_cli.svg.pages import NAMES, calls, heard, language_of, read, told, unread
from tests.test_mine import ADD, commit, mined

JS = "function f(a) {\n  return a ? 1 : 2;\n}\n"
GO = "package a\n\nfunc F(a int) int {\n\treturn a + 1\n}\n"


def test_a_language_is_told_by_the_ending() -> None:
    paths = ("a.py", "b.pyi", "c.tsx", "d.go", "e.h", "f.md", "Makefile", ".rb")
    assert [language_of(path) for path in paths] == ["python", "python", "typescript", "go", "c", "", "", ""]
    assert {"python", "javascript", "typescript", "go", "rust", "java", "c", "cpp", "csharp", "ruby", "php", "kotlin",
            "swift"} == NAMES


def test_a_header_is_of_the_language_that_it_is_written_in() -> None:
    assert read("a.h", b"namespace a {\nint f(int x) { return x + 1; }\n}\n", "").language == "cpp"
    assert read("a.h", b"static int f(int x) { return x + 1; }\n", "").language == "c"


def test_a_header_of_objective_c_is_no_broken_c() -> None:
    text = b"#import <A/A.h>\n@class B;\n@interface A : NSObject\n- (void)take:(B *)b;\n@end\n"
    assert read("a.h", text, "").unreadable == "Objective-C"
    assert read("a.h", b"int f(int a { return a;\n", "").unreadable == "syntax error, line 1"


def test_what_is_no_file_to_read_is_said_why() -> None:
    file = TrackedFile(path="a.js", blob="1", mode="100644")
    assert unread(file) == ""
    assert unread(file._replace(mode="120000")) == "symlink"
    assert unread(file._replace(utf8=False)) == "path is not UTF-8"


def test_functions_of_all_languages_are_found_in_one_pass(tmp_path: Path) -> None:
    found = mined(tmp_path, {"a.py": ADD, "b.js": JS, "c.go": GO, "d.txt": "words"})
    assert [(one.path, one.name, one.language, one.branches) for one in found.functions] == [
        ("a.py", "add", "python", 0), ("b.js", "f", "javascript", 1), ("c.go", "F", "go", 0)]
    assert found.files == 3


def test_only_the_languages_asked_for_are_read(tmp_path: Path) -> None:
    commit(tmp_path, {"a.py": ADD, "b.js": JS, "c.go": GO, "broken.js": "((("})
    here = open_repository(tmp_path)
    assert [one.path for one in mine(here, seed=0, languages=["go", "python"]).functions] == ["a.py", "c.go"]
    assert mine(here, seed=0, languages=["go"]).unreadable == ()
    with pytest.raises(ConfigError, match="no language 'golang' is known; those that are: c, cpp, csharp, go, java,"):
        mine(here, seed=0, languages=["golang"])
    with pytest.raises(DataError, match="no rust file at commit"):
        mine(here, seed=0, languages=["rust"])


def test_an_age_is_that_of_the_file(tmp_path: Path) -> None:
    commit(tmp_path, {"a.py": ADD, "b.js": JS})
    found = mine(open_repository(tmp_path), seed=0, ages={"b.js": 12})
    assert [one.age for one in found.functions] == [None, 12]


def test_a_repository_of_broken_files_is_named_file_by_file(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.py": "def f(:\n", "b.js": "function f( {\n", "c.go": "func (\n", "d.rs": b"\0\0", "e.java": "class {{{",
    }  # fmt: skip
    with pytest.raises(DataError, match=r" \(unreadable: 5, first a.py: not the Python of this interpreter, line 1\)"):
        mined(tmp_path, files)
    found = mined(tmp_path, {"sound.py": ADD})
    assert [path for path, _ in found.unreadable] == [*files]
    assert dict(found.unreadable)["b.js"] == "syntax error, line 1"


def test_a_file_of_one_long_line_is_minified_and_one_of_megabytes_is_not_read(tmp_path: Path) -> None:
    line = "function f(a){return a+1};" * 100
    found = mined(tmp_path, {"a.js": line, "huge.js": JS * 30_000, "b.js": JS})
    assert [one.path for one in found.functions] == ["b.js"]
    assert found.skipped == {"minified": 100}
    assert found.unreadable == (("huge.js", "larger than 1,000,000 bytes"),)


WITHOUT = """
import sys
from pathlib import Path
from sera_cli.errors import DataError
from sera_cli.git import open_repository
from sera_cli.svg.mine import mine
try:
    found = mine(open_repository(Path(sys.argv[1])), seed=0)
    print([one.path for one in found.functions], found.missing, found.unreadable)
except DataError as error:
    print(error)
"""


def without_grammars(folder: Path, packages: Path) -> str:
    """What a Python says that has all packages of this one but the grammars."""
    packages.mkdir(exist_ok=True)
    for package in Path(pydantic.__file__).parent.parent.iterdir():
        if not package.name.startswith("tree_sitter") and not (packages / package.name).exists():
            (packages / package.name).symlink_to(package)
    own = {"PYTHONPATH": f"{packages}{os.pathsep}{Path(__file__).parent.parent}"}
    command = [sys.executable, "-S", "-c", WITHOUT, str(folder)]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True).stdout.strip()


def test_files_of_a_language_whose_grammar_is_not_installed_are_counted(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit(tmp_path / "all", {"a.py": ADD, "b.js": JS, "c.js": JS, "d.go": GO})
    commit(tmp_path / "js", {"b.js": JS})
    packages = tmp_path_factory.mktemp("packages")
    assert without_grammars(tmp_path / "all", packages) == "['a.py'] {'javascript': 2, 'go': 1} ()"
    told = without_grammars(tmp_path / "js", packages)
    assert "start from (1 javascript files without a grammar); pip install 'sera[langs]', or name a" in told


def test_all_functions_of_a_file_are_kept_or_left_out() -> None:
    """What the reader found, against Python's own tree: of a module that has all kinds of functions."""
    content = Path(typing.__file__).read_bytes()
    page = read("typing.py", content, "")
    spans = {(one.name.rpartition(".")[2], one.line, one.end_line) for one in (*page.functions, *page.left)}
    walked = [node for node in ast.walk(ast.parse(content)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert spans == {(node.name, node.lineno, node.end_lineno) for node in walked}
    assert len(page.starts) + len([*page.left]) == len(walked) > 100


@pytest.mark.parametrize(("path", "text"), [
    ("a.py", f"import os\n\nclass A(B):\n    def f(self, x):\n        return os.path.join(self.g(x), x)\n\n{ADD}{ADD}"),
    ("b.js", "import { c } from './c.js'\n" + JS), ("tests/test_a.py", "def test_a():\n    assert add(1)\n"),
    ("broken.py", "def f(:\n"), ("名.py", 'def 計算(数):\n    "\\n \\" \\u2028 \\x00"\n    return 数 + 1\n'),
])  # fmt: skip
def test_a_page_is_the_same_after_it_was_told(path: str, text: str) -> None:
    page = read(path, text.encode(), "")
    assert heard(told(page)) == page


def test_a_page_gives_records_when_they_are_looked_at() -> None:
    page = read("a.py", f"def g(): pass\n{ADD}".encode(), "")
    assert [(one.id, one.path, one.name, one.language) for one in page.functions] == [
        ("02b854a2cf44", "a.py", "add", "python")]
    assert [*page.left] == [LeftOut("a.py", "g", 1, 1, "python", "trivial body")]
    assert page.counts == (("trivial body", 1),)


@pytest.mark.parametrize(("path", "text"), [
    ("a.js", "import { b } from 'https://bot:Tr0ub4dor-x3@example.com/b.js';\nimport { c } from './c.js';\n"
             "export function f(a) {\n  return a ? b(a) : c(a);\n}\n"),
    ("a.go", 'package a\nimport (\n  c "./c.js"\n  b "bot:Tr0ub4dor-x3@example.com/b"\n)\n'
             "func F(x int) int {\n  b.G(x)\n  return c.H(x)\n}\n"),
])  # fmt: skip
def test_an_address_that_holds_a_secret_is_not_kept(path: str, text: str) -> None:
    page = read(path, text.encode(), "")
    (found,) = calls([page])
    assert {place for name, place in found.imports.items() if name != "."} == {"./c.js"}
    assert b"Tr0ub4dor" not in told(page)
