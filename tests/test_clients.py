"""The tools that people use, each as its registry has it, at work through our server: what each makes of a checkout.

The engine is played, so that what is tried is all that lies between a tool and an engine. The tools are found on PATH:
`pip install mini-swe-agent mcp`, `pip install aider-chat` and
`npm install @anthropic-ai/claude-code @openai/codex opencode-ai`.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sera_cli import git
from sera_cli.agents.serving.answer import Agent
from sera_cli.agents.serving.asked import Sampling
from sera_cli.agents.serving.engine import Piece, Prompt
from sera_cli.export import export
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.harness.tools import Toolbox
from sera_cli.types import ToolCall
from tests.conftest import commit
from tests.serving import agent, served

pytestmark = pytest.mark.slow
pytest.importorskip("transformers", reason="needs the extra `train`, to read prompts")

TASK = "The total of shop.py is one too low. Mend it."
BROKEN, MENDED = (f"def total(prices):\n    return sum(prices){wrong}\n" for wrong in (" - 1", ""))
ANSWERED = re.compile(r"<tool_response>\n(.*?)\n</tool_response>", re.DOTALL)
SHOP = "/testbed/shop.py"
EDITOR = "str_replace_editor"


def call(name: str, **arguments: object) -> str:
    said = json.dumps({"name": name, "arguments": arguments})
    return f"<think>\nI look.\n</think>\n\nNext.\n<tool_call>\n{said}\n</tool_call>"


CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (EDITOR, {"command": "view", "path": "/testbed"}),
    (EDITOR, {"command": "view", "path": SHOP}),
    (EDITOR, {"command": "str_replace", "path": SHOP, "old_str": "sum", "new_str": "max"}),
    (EDITOR, {"command": "undo_edit", "path": SHOP}),
    (EDITOR, {"command": "insert", "path": SHOP, "insert_line": 1, "new_str": "    prices = [*prices]"}),
    (EDITOR, {"command": "undo_edit", "path": SHOP}),
    (EDITOR, {"command": "str_replace", "path": SHOP, "old_str": "sum(prices) - 1", "new_str": "sum(prices)"}),
    (EDITOR, {"command": "view", "path": SHOP, "view_range": [2, -1]}),
    (EDITOR, {"command": "create", "path": "/testbed/__init__.py", "file_text": ""}),
    ("bash", {"command": "cd /testbed && rm __init__.py && python3 -B -c 'import shop; print(shop.total([1, 2]))'"}),
    ("bash", {"command": "true"}),
)
TRAINED = (*(call(name, **arguments) for name, arguments in CALLS), call("submit"))
"""What an agent says that works with the tools it was trained on."""

PLAIN = (
    call("bash", command="cat shop.py"), call("bash", command="sed -i 's/ - 1//' shop.py"),
    call("bash", command="echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
)  # fmt: skip
BLOCK = ("shop.py\n<<<<<<< SEARCH\n    return sum(prices) - 1\n=======\n    return sum(prices)\n>>>>>>> REPLACE\n",)


@dataclass
class Played:
    """Says its replies in turn: which one, the turns since the task tell, so that a client may ask again."""

    replies: tuple[str, ...]
    reads: Agent
    seen: list[str] = field(default_factory=list)

    def up(self) -> bool:
        return True

    async def write(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece]:
        self.seen.append(self.reads.tokenizer.decode(prompt.ids))
        past = self.seen[-1].rpartition(TASK)[2].count("<|im_start|>assistant\n") - 1
        says = self.replies[past]
        for start in range(0, len(says), 5):
            yield Piece(says[start : start + 5], 2)
        yield Piece("", 0)


def mended(place: Path, replies: tuple[str, ...], words: Iterable[str], **environ: str) -> list[str]:
    """Lets a client mend the shop, and what the model was shown last. $URL stands for the server's address.

    The client has a home of its own, and nothing of this process but its PATH.
    """
    words = tuple(words)
    if not shutil.which(words[0]):
        pytest.skip(f"needs {words[0]} on PATH")
    home, shop = place / "home", place / "shop"
    home.mkdir()
    shop.mkdir()
    (shop / "shop.py").write_text(BROKEN)
    commit(shop)
    export(git.open_repository(shop), place / "base")
    engine = Played(replies, agent()._replace(context=200_000))
    with served(engine, agents=(engine.reads,)) as url:
        told = {name: value.replace("$URL", url) for name, value in environ.items()}
        done = subprocess.run(
            [word.replace("$URL", url) for word in words], cwd=shop, text=True, capture_output=True, timeout=400,
            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **told},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (shop / "shop.py").read_text() == MENDED, done.stdout + done.stderr
    assert len(engine.seen) >= len(replies)
    return ANSWERED.findall(engine.seen[-1])


def as_trained(answers: list[str], place: Path) -> None:
    """What the model was told is to the letter what our own tools tell, whichever client did the work."""
    with FolderSandbox(place / "base") as sandbox:
        ours = Toolbox(sandbox)
        told = [ours.call(ToolCall(id="", name=name, arguments=json.dumps(given))).text for name, given in CALLS]
    assert answers == [f"OBSERVATION:\n{text}" for text in told]


def test_claude_code_mends_a_checkout_and_the_agent_sees_its_own_tools(tmp_path: Path) -> None:
    models = {f"ANTHROPIC_{name}MODEL": "shop@1" for name in (
        "", "DEFAULT_HAIKU_", "DEFAULT_SONNET_", "DEFAULT_OPUS_")}  # fmt: skip
    answers = mended(
        tmp_path, TRAINED, ["claude", "-p", TASK, "--allowedTools", "Bash Edit Read Write"], **models,
        ANTHROPIC_BASE_URL="$URL", ANTHROPIC_AUTH_TOKEN="none", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
    )  # fmt: skip
    as_trained(answers, tmp_path)


def test_codex_mends_a_checkout_and_the_agent_sees_its_own_tools(tmp_path: Path) -> None:
    provider = "{name='sera', base_url='$URL/v1', wire_api='responses'}"
    answers = mended(
        tmp_path, TRAINED,
        ["codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "-c", "model=shop@1", "-c",
         "model_provider=sera", "-c", f"model_providers.sera={provider}", TASK],
    )  # fmt: skip
    as_trained(answers, tmp_path)


def test_opencode_mends_a_checkout_and_the_agent_sees_its_own_tools(tmp_path: Path) -> None:
    config = {
        "model": "sera/shop@1", "small_model": "sera/shop@1", "autoupdate": False, "share": "disabled",
        "provider": {"sera": {
            "npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "$URL/v1", "apiKey": "none"},
            "models": {"shop@1": {"name": "shop", "limit": {"context": 32768, "output": 8192}}},
        }},
    }  # fmt: skip
    answers = mended(
        tmp_path, TRAINED, ["opencode", "run", "--auto", "--title", "The shop", TASK],
        OPENCODE_CONFIG_CONTENT=json.dumps(config), OPENCODE_DISABLE_MODELS_FETCH="1",
        OPENCODE_DISABLE_LSP_DOWNLOAD="1",
    )  # fmt: skip
    as_trained(answers, tmp_path)


def test_mini_swe_agent_mends_a_checkout(tmp_path: Path) -> None:
    answers = mended(
        tmp_path, PLAIN, ["mini", "-m", "openai/shop@1", "-t", TASK, "-y", "--exit-immediately", "-o", "../talk.json"],
        OPENAI_API_BASE="$URL/v1", OPENAI_API_KEY="none", LITELLM_LOCAL_MODEL_COST_MAP="True",
        MSWEA_COST_TRACKING="ignore_errors", MSWEA_CONFIGURED="true",
    )  # fmt: skip
    assert len(answers) == 2 and "return sum(prices) - 1" in answers[0]
    assert json.loads((tmp_path / "talk.json").read_text())["info"]["exit_status"] == "Submitted"


def test_aider_mends_a_checkout(tmp_path: Path) -> None:
    mended(
        tmp_path, BLOCK,
        ["aider", "--model", "openai/shop@1", "--edit-format", "diff", "--yes-always", "--no-auto-commits",
         "--no-check-update", "--no-show-model-warnings", "--no-show-release-notes", "--no-gitignore", "--no-pretty",
         "--map-tokens", "0", "--message", TASK, "shop.py"],
        OPENAI_API_BASE="$URL/v1", OPENAI_API_KEY="none", AIDER_ANALYTICS="false",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    )  # fmt: skip
