"""A small repository of one's own in each language, without dependencies: a fault, its fix, and tests of both kinds."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.runners import choose
from sera_cli.evaluate.runners.runner import tree

Files = Mapping[str, str]


class Owned(NamedTuple):
    """`tests` are what the test files are when the fix comes, some of them new."""

    runner: str
    base: dict[str, str]
    fix: Files
    tests: Files


GO = Owned(
    "go",
    {
        "go.mod": "module example.com/own\n\ngo 1.19\n",
        "sum/sum.go": "package sum\n\nfunc Sum(a, b int) int { return a - b }\n\nfunc Zero() int { return 0 }\n",
        "other/other.go": "package other\n\nfunc One() int { return 1 }\n",
    },
    {"sum/sum.go": "package sum\n\nfunc Sum(a, b int) int { return a + b }\n\nfunc Zero() int { return 0 }\n"},
    {
        "sum/sum_test.go": (
            'package sum\n\nimport "testing"\n\nfunc TestSum(t *testing.T) {\n\tt.Run("two and two", '
            "func(t *testing.T) {\n\t\tif Sum(2, 2) != 4 {\n\t\t\tt.Fail()\n\t\t}\n\t})\n}\n\n"
            "func TestSame(t *testing.T) {\n\tif Zero() != 0 {\n\t\tt.Fail()\n\t}\n}\n"
        ),
        "other/other_test.go": (
            'package other\n\nimport "testing"\n\n'
            "func TestSame(t *testing.T) {\n\tif One() != 1 {\n\t\tt.Fail()\n\t}\n}\n"
        ),
    },
)
VENDORED = GO._replace(
    base=GO.base | {
        "go.mod": "module example.com/own\n\ngo 1.13\n\nrequire example.com/zero v1.0.0\n",
        "go.sum": "",
        "vendor/modules.txt": "# example.com/zero v1.0.0\nexample.com/zero\n",
        "vendor/example.com/zero/zero.go": "package zero\n\nfunc Zero() int { return 0 }\n",
        "sum/sum.go": (
            'package sum\n\nimport "example.com/zero"\n\nfunc Sum(a, b int) int { return a - b }\n\n'
            "func Zero() int { return zero.Zero() }\n"
        ),
    },
    fix={
        "sum/sum.go": (
            'package sum\n\nimport "example.com/zero"\n\nfunc Sum(a, b int) int { return a + b }\n\n'
            "func Zero() int { return zero.Zero() }\n"
        ),
    },
)  # fmt: skip
"""It holds what it depends on; its go.mod is of a time when that had to be said."""
CARGO = Owned(
    "cargo",
    {
        "Cargo.toml": '[package]\nname = "own"\nversion = "0.1.0"\nedition = "2021"\n',
        "Cargo.lock": 'version = 3\n\n[[package]]\nname = "own"\nversion = "0.1.0"\n',
        "src/lib.rs": "pub fn sum(a: i32, b: i32) -> i32 {\n    a - b\n}\n\npub fn zero() -> i32 {\n    0\n}\n",
    },
    {"src/lib.rs": "pub fn sum(a: i32, b: i32) -> i32 {\n    a + b\n}\n\npub fn zero() -> i32 {\n    0\n}\n"},
    {
        "tests/sum.rs": (
            "#[test]\nfn adds() {\n    assert_eq!(own::sum(2, 2), 4);\n}\n\n#[test]\nfn same() {\n"
            "    assert_eq!(own::zero(), 0);\n}\n"
        ),
        "tests/other.rs": "#[test]\nfn same() {\n    assert_eq!(own::zero(), 0);\n}\n",
    },
)
NODE = Owned(
    "node",
    {
        "package.json": '{"name": "own", "version": "1.0.0", "scripts": {"test": "node --test"}}\n',
        "sum.js": "exports.sum = (a, b) => a - b;\nexports.zero = () => 0;\n",
    },
    {"sum.js": "exports.sum = (a, b) => a + b;\nexports.zero = () => 0;\n"},
    {
        "test/sum.test.js": (
            'const { describe, it } = require("node:test");\nconst assert = require("node:assert");\n'
            'const { sum, zero } = require("../sum.js");\n'
            'describe("sum", () => {\n  it("adds", () => assert.equal(sum(2, 2), 4));\n'
            '  it("keeps", () => assert.equal(zero(), 0));\n});\n'
            'describe("zero", () => it("keeps", () => { console.log("[FAILED] zero > keeps"); }));\n'
        ),
    },
)
UNITTEST = Owned(
    "unittest",
    {"own.py": "def sum(a, b):\n    return a - b\n\n\ndef zero():\n    return 0\n", "tests/__init__.py": ""},
    {"own.py": "def sum(a, b):\n    return a + b\n\n\ndef zero():\n    return 0\n"},
    {
        "tests/test_own.py": (
            "import unittest\n\nimport own\n\n\nclass Sum(unittest.TestCase):\n    def test_sum(self):\n"
            '        print("adding")\n        self.assertEqual(own.sum(2, 2), 4)\n\n    def test_zero(self):\n'
            "        self.assertEqual(own.zero(), 0)\n"
        ),
    },
)
PYTEST = Owned(
    "pytest",
    UNITTEST.base | {"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-x"\n'},
    UNITTEST.fix,
    {
        "tests/test_own.py": (
            "import own\nimport pytest\n\n\n@pytest.mark.parametrize('b', [2, 3])\ndef test_sum(b):\n"
            "    assert own.sum(2, b) == 2 + b\n\n\ndef test_zero():\n    assert own.zero() == 0\n"
        ),
    },
)  # fmt: skip


def instance(folder: Path, owned: Owned) -> Instance:
    """A repository in `folder` whose one commit is the base, and the task that its fix makes."""
    _commit(folder, owned.base)
    base = _git(folder, "rev-parse", "HEAD")
    fix = _commit(folder, owned.fix)
    tests = _commit(folder, owned.tests)
    runner = choose(tree(folder))
    assert runner is not None and runner.name == owned.runner
    command = runner.command(tree(folder), [path for path in owned.tests if runner.is_test(path)])
    config = runner.config(tree(folder)).model_copy(update={"test_cmd": command})
    _git(folder, "checkout", "-q", base)
    return Instance(
        instance_id=f"own__{owned.runner}-1", repo=f"own/{owned.runner}", base_commit=base, version="1",
        problem_statement="It is off.", patch=fix, test_patch=tests, fail_to_pass=(), pass_to_pass=(),
        install_config=config, row={},
    )  # fmt: skip


def _commit(folder: Path, files: Files) -> str:
    """What the commit changes, as a patch."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    if not (folder / ".git").exists():
        _git(folder, "init", "-q", "-b", "main")
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "Change something")
    return _git(folder, "show", "--format=", "--no-renames", "HEAD") + "\n"


def _git(folder: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "A Person"), ("EMAIL", "person@example.com"))}
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | who, check=True, capture_output=True, text=True)
    return done.stdout.strip("\n")
