"""Our verdict is the swebench package's on a real instance too, for its fix, nothing, and patches broken in ten ways.

Needs rows of SWE-bench, clones of their repositories and pip's network: SERA_BENCH_ROWS names a dataset file and
SERA_BENCH_REPOS the folder of the clones; SERA_BENCH_IDS, a glob, says which rows, one of pallets/flask without it;
SERA_BENCH_CACHE keeps the environments.
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from sera_cli import patch as diffs
from sera_cli.evaluate.grade import tested as ran
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.reading import chosen, instances
from sera_cli.evaluate.repositories import checkout
from sera_cli.evaluate.script import applying
from sera_cli.evaluate.venv import VenvPlace
from sera_cli.export import export

ROWS, REPOS = (os.environ.get(f"SERA_BENCH_{what}", "") for what in ("ROWS", "REPOS"))
IDS = os.environ.get("SERA_BENCH_IDS", "pallets__flask-*")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROWS and REPOS), reason="needs instances: set SERA_BENCH_ROWS and SERA_BENCH_REPOS"),
]
HANGS = 60.0
"""Seconds for the patch that never ends."""

ENDS = {
    "syntax error": "def broken(:\n",
    "fails at import": "raise RuntimeError('broken')\n",
    "leaves in the middle": "import os\nos._exit(3)\n",
    "kills the shell": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "never ends": "while True:\n    pass\n",
    "prints the end marker": "print('>>>>> End Test Output', flush=True)\n",
}
"""What stands at the end of a file that the fix changes, beside the fix. The package reads a log up to the first end
marker, or all of it where no result stands before that: what comes of the last one depends on how results are told.
"""

RESOLVED = ("the fix", "fixes and deletes the tests")


def broken(one: Instance, folder: Path) -> dict[str, str]:
    """Patches made of the fix of any instance in Python; `folder` is its repository, and stays as it is."""
    fixed = next(path for path in diffs.files(one.patch) if path.endswith(".py"))
    tests = [path for path in diffs.files(one.test_patch) if (folder / path).exists()]
    keep = "\n".join(applying(one.patch))
    made = {name: f"{keep}\nprintf %b {shlex.quote(text)} >>{fixed}" for name, text in ENDS.items()}
    made |= {
        "wrong fix": f"printf '# nothing\\n' >>{fixed}",
        "deletes the tests": f"rm {' '.join(tests)}",
        "edits the tests": "\n".join(f"printf 'def test_nothing(): pass\\n' >{path}" for path in tests),
        "fixes and deletes the tests": f"{keep}\nrm {' '.join(tests)}",
    }
    patches = {name: _diff(folder, script) for name, script in made.items()}
    return patches | {"does not apply": one.patch.replace(fixed, "not/there.py"), "no diff": "I give up.\n"}


def _diff(folder: Path, script: str) -> str:
    """What a script changes; the folder is put back."""
    whole = f"{script}\ngit add -A >&2; git diff --cached --no-renames HEAD; git reset -q --hard; git clean -fdq"
    whole = whole.replace("apply --verbose", "apply")
    return subprocess.run(["bash", "-c", whole], cwd=folder, stdout=subprocess.PIPE, check=True, text=True).stdout


def by_the_package(one: Instance, log: Path) -> bool:
    """What the package's functions say of a log, by its own maps."""
    from swebench.harness.grading import get_eval_report
    from swebench.harness.test_spec.test_spec import TestSpec

    spec = TestSpec(
        one.instance_id, one.repo, one.version, [], [], [], "x86_64", list(one.fail_to_pass), list(one.pass_to_pass),
        "py", {}, None,
    )  # fmt: skip
    prediction = {"instance_id": one.instance_id, "model_name_or_path": "x", "model_patch": "x"}
    return bool(get_eval_report(spec, prediction, str(log), True)[one.instance_id]["resolved"])


def test_our_verdict_is_the_packages(tmp_path: Path) -> None:
    place = VenvPlace(Path(REPOS), cache=Path(os.environ.get("SERA_BENCH_CACHE", tmp_path / "cache")))
    seen = {}
    for one in chosen(instances(ROWS), IDS):
        export(checkout(Path(REPOS), one.repo, one.base_commit), tmp_path / one.instance_id)
        patches = {"the fix": one.patch, "nothing": ""} | broken(one, tmp_path / one.instance_id)
        for name, patch in patches.items():
            seconds = HANGS if name == "never ends" else 1800.0
            log = tmp_path / "logs" / f"{one.instance_id}.{name}.log"
            got = ran(one, patch, place, log, seconds=seconds)
            ours, theirs = got.verdict == "resolved", not got.timed_out and by_the_package(one, log)
            seen[one.instance_id, name] = (got.verdict, got.reason)
            assert got.verdict in ("resolved", "unresolved"), got
            assert ours == theirs, got
            assert ours == (name in RESOLVED) or name == "prints the end marker", got
    for case, said in seen.items():
        print(case, said)
