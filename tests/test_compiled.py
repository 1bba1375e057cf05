"""Compiled sources that a patch changes, built again in the sandbox before the tests."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.evaluate import compiled
from sera_cli.evaluate.flaky import tried
from sera_cli.evaluate.local import LocalPlace
from sera_cli.evaluate.toolchains import toolchain
from sera_cli.git import open_repository
from sera_cli.harness.sandbox import bubblewrap
from tests import owned
from tests.backends import needs_bubblewrap

MESON = '[build-system]\nrequires = ["meson-python"]\nbuild-backend = "mesonpy"\n'
CHANGED = "diff --git a/own/sum.pyx b/own/sum.pyx\n--- a/own/sum.pyx\n+++ b/own/sum.pyx\n@@ -1 +1 @@\n-a\n+b\n"
COMPILED = owned.Owned(
    "unittest",
    {"own.c": "a - b\n", "own.py": "def sum(a, b):\n    return eval(open('built').read())\n", "tests/__init__.py": ""},
    {"own.c": "a + b\n"},
    {"tests/test_own.py": (
        "import unittest\n\nimport own\n\n\nclass Sum(unittest.TestCase):\n    def test_sum(self):\n"
        "        self.assertEqual(own.sum(2, 2), 4)\n")},
)  # fmt: skip


def test_setup_py_builds_what_is_compiled(repository: Callable[..., Path]) -> None:
    at = open_repository(repository({"setup.py": "", "own/sum.pyx": "a\n"}))
    assert compiled.building(at) == "python setup.py build_ext --inplace"
    assert compiled.unbuilt(CHANGED, at) == ""


def test_a_repository_without_compiled_sources_is_built_once(repository: Callable[..., Path]) -> None:
    at = open_repository(repository({"setup.py": "", "own/sum.py": "a\n"}))
    assert (compiled.building(at), compiled.again(compiled.building(at))) == ("", [])


def test_what_cannot_be_built_again_is_said_of_a_patch_that_needs_it(repository: Callable[..., Path]) -> None:
    at = open_repository(repository({"pyproject.toml": MESON, "own/sum.pyx": "a\n"}))
    assert compiled.unbuilt(CHANGED, at) == "mesonpy"
    assert compiled.unbuilt(CHANGED.replace(".pyx", ".py"), at) == ""


@pytest.mark.parametrize("project", ["", "[project]\n", "[build-system]\nbuild-backend = 'flit_core.buildapi'\n", "["])
def test_other_projects_may_change_c_files_as_they_like(repository: Callable[..., Path], project: str) -> None:
    at = open_repository(repository({"pyproject.toml": project, "own/sum.pyx": "a\n"}))
    assert compiled.unbuilt(CHANGED, at) == ""


@pytest.mark.parametrize(("change", "said"), [
    ("", ""), ("echo b >a.c", "built"), ("echo b >new.pyx", "built"), ("echo b >a.py", ""),
])  # fmt: skip
def test_only_what_was_changed_is_built_again(
    repository: Callable[..., Path], change: str, said: str
) -> None:
    repo = repository({"a.c": "a\n", "a.py": "a\n"})
    lines = ["sera_root=$PWD", change or ":", "cd /", *compiled.again("echo built >told; pwd >>told"), "cat told"]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=repo, capture_output=True, text=True, check=False)
    assert done.stdout == (f"{said}\n{repo}\n" if said else "")


def test_a_build_that_fails_says_why(repository: Callable[..., Path]) -> None:
    repo = repository({"a.c": "a\n"})
    lines = ["sera_root=$PWD", "rm a.c", *compiled.again("echo no compiler >&2; false")]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=repo, capture_output=True, text=True, check=False)
    assert done.stdout == "the changed sources cannot be built: no compiler\n"


@needs_bubblewrap
def test_a_change_to_compiled_sources_is_tried_as_it_would_be_built(tmp_path: Path) -> None:
    pytest.importorskip("swebench")
    assert not bubblewrap.probe()
    instance = owned.instance(tmp_path / "repo", COMPILED)
    place = LocalPlace(tmp_path / "repo", toolchain("python"), tmp_path / "scratch", setup="cp own.c built")
    found = tried(instance, place, runs=1)
    assert (found.reason, len(found.fail_to_pass)) == ("", 1)
