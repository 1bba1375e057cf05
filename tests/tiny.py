"""One tiny benchmark instance: a package of three functions in a git repository of its own, made in a folder of the
test's, whose tests need nothing but a Python. Its repository goes on after the base commit, and fixes the issue.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.reading import instance as read
from sera_cli.evaluate.script import script
from sera_cli.export import export
from sera_cli.git import open_repository
from sera_cli.harness.sandbox import Maker, Sandbox, choose

ID = "tiny__tally-1"
REPO = "tiny/tally"
COMMAND = "python run_tests.py tests/test_tally.py"
STATEMENT = """The total leaves out what was taken away

`total([3, -1])` gives 3, and `mean([])` ends with a ZeroDivisionError; it should be 0.
"""

TALLY = """\
def total(numbers):
    return sum(number for number in numbers if number > 0)


def mean(numbers):
    return total(numbers) / len(numbers)


def largest(numbers):
    return max(numbers)
"""
HALF = TALLY.replace("sum(number for number in numbers if number > 0)", "sum(numbers)")
FIXED = HALF.replace("total(numbers) / len(numbers)", "total(numbers) / len(numbers) if numbers else 0")
TESTS = """\
from tally import largest, mean, total


def test_total():
    assert total([1, 2]) == 3


def test_mean():
    assert mean([1, 2, 3]) == 2


def test_largest():
    assert largest([1, 3, 2]) == 3
"""
MORE_TESTS = f"""{TESTS}

def test_total_of_what_was_taken_away():
    assert total([3, -1]) == 2


def test_mean_of_nothing():
    assert mean([]) == 0
"""
RUNNER = '''\
"""Runs the tests in the files that are named, and sums up as pytest -rA does."""

import importlib.util
import os
import sys


def load(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.insert(0, os.getcwd())
if os.path.exists("conftest.py"):
    load("conftest.py")
for path in sys.argv[1:]:
    try:
        tests = {name: value for name, value in vars(load(path)).items() if name.startswith("test_")}
    except Exception as error:
        print("ERROR %s - %s" % (path, type(error).__name__))
        continue
    for name, test in tests.items():
        try:
            test()
        except Exception as error:
            print("FAILED %s::%s - %s" % (path, name, type(error).__name__))
        else:
            print("PASSED %s::%s" % (path, name))
'''
BASE = {"tally.py": TALLY, "tests/test_tally.py": TESTS, "run_tests.py": RUNNER, "README.md": "Tallies.\n"}
FAIL_TO_PASS = ("test_total_of_what_was_taken_away", "test_mean_of_nothing")
PASS_TO_PASS = ("test_total", "test_mean", "test_largest")

Changes = Mapping[str, str | None]
"""New contents of files by their paths; None for one that goes."""

BROKEN: dict[str, Changes | str] = {
    "syntax error": {"tally.py": FIXED + "def broken(:\n"},
    "wrong fix": {"tally.py": FIXED.replace("else 0", "else 1")},
    "breaks another test": {"tally.py": FIXED.replace("max(numbers)", "min(numbers)")},
    "half of the fix": {"tally.py": HALF},
    "deletes the test file": {"tests/test_tally.py": None},
    "edits the test": {"tests/test_tally.py": MORE_TESTS.replace("== 2\n", "!= 9\n").replace("mean([])", "0")},
    "does not apply": "--- a/tally.py\n+++ b/tally.py\n@@ -1,2 +1,2 @@\n def add(all):\n-    return 1\n+    return 2\n",
    "no diff": "I could not find out what is wrong.\n",
    "prints the end marker": {"tally.py": f"print('>>>>> End Test Output')\n{TALLY}"},
    "leaves in the middle": {"conftest.py": "import os\nos._exit(0)\n"},
    "kills the shell": {"conftest.py": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"},
    "never ends": {"tally.py": FIXED.replace("    return sum(", "    while True: pass\n    return sum(")},
}  # fmt: skip
"""Patches that resolve nothing, each for a reason of its own: changes to the base, or the text of a patch."""


def repository(folder: Path) -> Path:
    """A repository that holds the base commit and, on top of it, the fix; it is called tiny__tally in `folder`."""
    repo = folder / "tiny__tally"
    for changes in (BASE, {"tally.py": FIXED, "tests/test_tally.py": MORE_TESTS}):
        _write(repo, changes)
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Count what there is"]):
            _git(repo, *command)
    _git(repo, "tag", "v2")
    return repo


def patch(repo: Path, changes: Changes | str, since: Changes = BASE) -> str:
    """What makes `since`, a state of the repository, into one with these changes."""
    if isinstance(changes, str):
        return changes
    with_index = {"GIT_INDEX_FILE": str(repo / ".git" / "tiny-index")}
    trees = []
    for state in (since, {**since, **changes}):
        _git(repo, "read-tree", "--empty", **with_index)
        for path, text in state.items():
            if text is not None:
                blob = _git(repo, "hash-object", "-w", "--stdin", given=text)
                _git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **with_index)
        trees.append(_git(repo, "write-tree", **with_index))
    return _git(repo, "diff", "--no-renames", *trees) + "\n"


def row(repo: Path, /, **changed: Any) -> dict[str, Any]:
    """The instance as a line of a dataset."""
    tests = "tests/test_tally.py::"
    python = f"3.{sys.version_info.minor}"
    config = {"python": python, "test_cmd": COMMAND, "log_parser": "parse_log_pytest"}
    return {
        "instance_id": ID, "repo": REPO, "base_commit": _git(repo, "rev-parse", "HEAD~1"), "version": "1",
        "problem_statement": STATEMENT, "patch": patch(repo, {"tally.py": FIXED}),
        "test_patch": patch(repo, {"tests/test_tally.py": MORE_TESTS}), "hints_text": "",
        "FAIL_TO_PASS": json.dumps([tests + name for name in FAIL_TO_PASS]),
        "PASS_TO_PASS": json.dumps([tests + name for name in PASS_TO_PASS]),
        "created_at": "2020-01-01T00:00:00Z", "environment_setup_commit": "", "install_config": config, **changed,
    }  # fmt: skip


def instance(repo: Path, /, **changed: Any) -> Instance:
    return read(row(repo, **changed))


class Here:
    """A Place whose environment is the Python that runs the tests. `folder` holds what the sandboxes stand on."""

    name = "here"

    def __init__(self, repo: Path, folder: Path, maker: Maker | None = None) -> None:
        self._repo, self._folder, self._maker = repo, folder, maker or choose("auto")

    def prepare(self, instance: Instance) -> str:
        return f"python-3.{sys.version_info.minor}"

    def sandbox(self, instance: Instance) -> Sandbox:
        base = self._folder / instance.base_commit
        export(open_repository(self._repo, instance.base_commit), base)
        return self._maker(base)

    def script(self, instance: Instance) -> str:
        return script(instance, COMMAND)


def _write(repo: Path, changes: Changes) -> None:
    for path, text in changes.items():
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(text or "", encoding="utf-8")


def _git(repo: Path, *arguments: str, given: str = "", **extra: str) -> str:
    """One date for all, so that commits have the same ids everywhere."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "A Person"), ("EMAIL", "person@example.com"), ("DATE", "1577836800 +0000"))}
    done = subprocess.run(["git", *arguments], cwd=repo, input=given, env=os.environ | who | extra, check=True,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout.rstrip("\n")
