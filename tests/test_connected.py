"""The tools themselves, told by `sera connect` where to ask: each mends a checkout through our server and its key.

The engine is played. The tools are found on PATH, as tests/test_clients.py says.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sera_cli.agents.connect import writing
from sera_cli.agents.connect.starting import told
from sera_cli.agents.connect.wiring import Client, Target, wiring
from tests.conftest import commit
from tests.serving import agent, served
from tests.test_clients import BLOCK, BROKEN, MENDED, PLAIN, TASK, TRAINED, Played

pytestmark = pytest.mark.slow
pytest.importorskip("transformers", reason="needs the extra `train`, to read prompts")

KEY = "sesame"
HEADLESS: dict[Client, tuple[tuple[str, ...], list[str]]] = {
    "claude": (TRAINED, ["-p", TASK, "--allowedTools", "Bash Edit Read Write"]),
    "codex": (TRAINED, ["exec", "--dangerously-bypass-approvals-and-sandbox", TASK]),
    "opencode": (TRAINED, ["run", "--auto", "--title", "The shop", TASK]),
    "mini": (PLAIN, ["-t", TASK, "-y", "--exit-immediately", "-o", "../talk.json"]),
    "aider": (BLOCK, [
        "--edit-format", "diff", "--yes-always", "--no-auto-commits", "--no-check-update", "--no-show-release-notes",
        "--no-gitignore", "--no-pretty", "--map-tokens", "0", "--message", TASK, "shop.py",
    ]),
}  # fmt: skip
"""By tool: what the model says in turn, and the words that start it without anybody at a terminal."""


@pytest.mark.parametrize("way", ["once", "written"])
@pytest.mark.parametrize("tool", HEADLESS)
def test_a_tool_that_is_connected_asks_the_agent(tool: Client, way: str, tmp_path: Path) -> None:
    replies, words = HEADLESS[tool]
    engine = Played(replies, agent()._replace(context=200_000))
    home, shop = tmp_path / "home", tmp_path / "shop"
    home.mkdir()
    shop.mkdir()
    (shop / "shop.py").write_text(BROKEN)
    commit(shop)
    theirs = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), "a key for somebody else")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **theirs}
    with served(engine, agents=(engine.reads,), key=KEY) as url:
        found = wiring(tool, Target(agent="shop@1", url=url, context=200_000, keyed=True))
        if not shutil.which(found.bare[0]):
            pytest.skip(f"needs {found.bare[0]} on PATH")
        if way == "once":
            with told(found, KEY, tmp_path / "note", environ) as (start, given):
                done = started([*start, *words], shop, given)
        else:
            writing.write(found, tmp_path / "note", environ)
            keys = {"SERA_API_KEY": KEY, "HOSTED_VLLM_API_KEY": KEY}
            done = started([*found.command, *words], shop, environ | keys)
            writing.undo(tmp_path / "note")
            assert not any("shop@1" in file.read_text() for one in found.file if (file := one.path(environ)).exists())
    assert done.returncode == 0, done.stdout + done.stderr
    assert (shop / "shop.py").read_text() == MENDED, done.stdout + done.stderr
    assert len(engine.seen) >= len(replies)


def started(words: list[str], shop: Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words, cwd=shop, env=environ, text=True, capture_output=True, timeout=400, stdin=subprocess.DEVNULL
    )
