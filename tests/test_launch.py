import os
import re
import subprocess
from pathlib import Path

import pytest

from sera_cli import templates
from sera_cli.errors import ConfigError
from sera_cli.harness.vllm import launch

HERE = {"PATH": os.environ["PATH"], "SERA_VLLM_CMD": "env -u X true"}
LOADING = """\
Triton is installed, but doesn't include CPU backend.
(APIServer pid=1) INFO 11-20 14:07:19 [api_utils.py:347] version 0.32.0
(Worker pid=3) \rLoading shards:   0%|    | 0/2\rLoading shards:  50%|##  | 1/2

"""
WEIGHTS = """\
(Worker pid=3) ERROR 11-20 14:07:41 [multiproc_executor.py:953] Traceback (most recent call last):
(Worker pid=3) ERROR 11-20 14:07:41 [multiproc_executor.py:953] RuntimeError: Cannot find any model weights with `m`
(EngineCore pid=2) ERROR 11-20 14:07:43 [core.py:1510] Exception: WorkerProc initialization failed due to an exception \
in a background process. See stack trace for root cause.
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
[rank0]:[W1120 14:07:44] Warning: destroy_process_group() was not called
"""
COUNTED = """\
(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
(APIServer pid=1)   Value error, Invalid repository ID or local directory: 'm' [type=value_error, input_value=A]
(APIServer pid=1)     For further information visit a page
"""


@pytest.mark.parametrize(("log", "said"), [
    (WEIGHTS, "RuntimeError: Cannot find any model weights with `m`"),
    (COUNTED, "Value error, Invalid repository ID or local directory: 'm'"),
    ("usage: vllm serve\nvllm: error: unrecognized arguments: --bogus 3\n",
     "vllm: error: unrecognized arguments: --bogus 3"),
    ("\x1b[31mOSError: no such file\x1b[0m\n", "OSError: no such file"),
    ("RuntimeError: Engine core initialization failed. See root cause above.\n",
     "RuntimeError: Engine core initialization failed. See root cause above."),
    ("Killed\n\n", "Killed"), ("", ""),
])  # fmt: skip
def test_the_reason_is_found_in_the_log(log: str, said: str) -> None:
    assert launch.complaint(log) == said


def test_a_key_in_the_reason_is_not_passed_on() -> None:
    assert "ghp_" not in launch.complaint("ValueError: token ghp_" + "a1B2" * 9 + " is refused")


def test_the_last_line_is_what_stands_on_the_screen() -> None:
    assert launch.last_line(LOADING) == "Loading shards:  50%|##  | 1/2"
    assert launch.last_line("INFO:     Application startup complete.\n") == "Application startup complete."


def test_the_command_line_is_read_as_a_shell_would() -> None:
    assert launch.command(HERE | {"SERA_VLLM_CMD": "env 'A=b c' vllm"}) == ("env", "A=b c", "vllm")


def test_without_a_command_line_it_is_the_vllm_on_path(tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text("#!/bin/sh\n")
    (tmp_path / "vllm").chmod(0o755)
    assert launch.command({"PATH": str(tmp_path)}) == ("vllm",)


@pytest.mark.parametrize(("said", "text"), [
    ("", "there is no vllm: install vLLM"),
    ("/no/vllm", "SERA_VLLM_CMD names /no/vllm, which is not there: install vLLM"),
    ("vllm 'x", "SERA_VLLM_CMD: No closing quotation"),
])
def test_a_vllm_that_is_not_there_is_said_before_anything_starts(said: str, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        launch.command({"PATH": "/nowhere", "SERA_VLLM_CMD": said})


def test_a_folder_is_served_under_its_name_and_a_path_never_told(tmp_path: Path) -> None:
    (tmp_path / "GLM-4.5-Air").mkdir()
    found = launch.order(str(tmp_path / "GLM-4.5-Air"), tmp_path / "log", HERE, flags=("--seed", "1"))
    words = found.words(Path("/run/s"))
    assert words[:6] == ["env", "-u", "X", "true", "serve", str(tmp_path / "GLM-4.5-Air")]
    assert words[6:10] == ["--uds", "/run/s", "--served-model-name", "GLM-4.5-Air"]
    assert words[-6:] == ["--tool-call-parser", "glm45", "--reasoning-parser", "glm45", "--seed", "1"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no folder \./models/m to serve"):
        launch.order("./models/m", tmp_path / "log", HERE)


@pytest.mark.parametrize(("name", "parser"), [
    ("zai-org/GLM-4.5-Air", "glm45"), ("zai-org/GLM-4.6-FP8", "glm45"), ("zai-org/GLM-4.7", "glm47"),
    ("Qwen/Qwen3-32B", "hermes"), ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_coder"),
    ("openai/gpt-oss-120b", "openai"), ("mistralai/Devstral-Small-2507", "mistral"), ("somebody/some-model", "hermes"),
])
def test_the_parser_of_tool_calls_follows_the_model(name: str, parser: str) -> None:
    flags = launch.usual(name)
    assert flags[flags.index("--tool-call-parser") + 1] == parser


def test_only_a_model_that_thinks_has_its_thinking_taken_apart() -> None:
    assert "--reasoning-parser" in launch.usual("Qwen/Qwen3-8B")
    assert "--reasoning-parser" not in launch.usual("Qwen/Qwen3-4B-Instruct-2507")


def test_a_server_is_told_no_secret() -> None:
    told = {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "TOKENIZERS_PARALLELISM": "false",
        "OPENAI_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "k", "VLLM_API_KEY": "k", "DB_PASSWORD": "k", "PGPASSWORD": "k",
        "DATABASE_URL": "postgres://me:pw@host/db", "HF_TOKEN": "k", "HTTPS_PROXY": "http://me:pw@proxy:1",
        "no_proxy": "localhost",
    }  # fmt: skip
    kept = {"PATH", "CUDA_VISIBLE_DEVICES", "VLLM_CPU_KVCACHE_SPACE", "TOKENIZERS_PARALLELISM", "no_proxy"}
    added = {*launch.QUIET, "SERA_OWNER"}
    assert set(launch.environment(told, offline=True)) == kept | added | set(launch.OFFLINE)
    assert set(launch.environment(told, offline=False)) == kept | added | {"HF_TOKEN", "HTTPS_PROXY"}


def test_no_statistics_of_use_are_sent() -> None:
    told = launch.environment({"VLLM_NO_USAGE_STATS": "0"}, offline=False)
    assert (told["VLLM_NO_USAGE_STATS"], told["DO_NOT_TRACK"], told["HF_HUB_DISABLE_TELEMETRY"]) == ("1", "1", "1")


@pytest.mark.skipif(not os.environ.get("SERA_VLLM_CMD"), reason="needs vLLM: set SERA_VLLM_CMD")
def test_this_vllm_knows_every_flag_and_tool_parser_of_the_table() -> None:
    words = [*launch.command(os.environ), "serve", "--help=all"]
    known = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True).stdout
    table = templates.table("vllm.toml")
    parsers = re.search(r"--tool-call-parser \{([^}]*)\}", known)
    assert parsers is not None
    asked = {entry["flags"][entry["flags"].index("--tool-call-parser") + 1] for entry in table["model"]}
    assert asked <= set(re.sub(r"\s", "", parsers[1]).split(","))
    assert [flag for flag in ["--uds", *table["always"]] if flag.startswith("--") and flag not in known] == []
