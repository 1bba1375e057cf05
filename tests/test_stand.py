"""How vLLM is told to serve agents: one base, any number of adapters, and the settings of their cards."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sera_cli.agents.serving.stand import Served, bare, base_name, base_of, ordered
from sera_cli.errors import ConfigError
from sera_cli.harness.wire import Wire
from tests.test_chat import CARD


def adapter(folder: Path, version: int, *, rank: int = 32, base: str = "Qwen/Qwen3-8B", **card: Any) -> Served:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(f'{{"r": {rank}}}')
    made = CARD.model_copy(update={"version": version, "context": 32768, **card})
    return Served(made, folder, base, Wire(family="qwen3"))


def words(*agents: Served, flags: tuple[str, ...] = ()) -> list[str]:
    order = ordered(agents, Path("/log"), {"SERA_VLLM_CMD": "true", "PATH": "/bin:/usr/bin"}, flags=flags)
    return order.words(8000)


def test_adapters_of_one_base_share_a_server(tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "a", 1, rank=33), adapter(tmp_path / "b", 2, context=4096)
    told = words(one, two)
    assert told[:3] == ["true", "serve", "Qwen/Qwen3-8B"]
    assert told[told.index("--lora-modules") + 1 :][:2] == [f"shop@1={tmp_path}/a", f"shop@2={tmp_path}/b"]
    pairs = dict(pairwise(told))
    assert pairs["--max-lora-rank"] == "64"  # the next that it takes
    assert (pairs["--max-loras"], pairs["--max-model-len"], pairs["--tool-call-parser"]) == ("2", "32768", "hermes")
    assert pairs["--chat-template"] == f"{tmp_path}/a/chat_template.jinja"
    assert base_of([one, two]) == pairs["--served-model-name"] == "Qwen/Qwen3-8B"


def test_a_whole_model_is_served_under_its_agents_name(tmp_path: Path) -> None:
    whole = Served(CARD, tmp_path, "", Wire(family="qwen3-coder"))
    pairs = dict(pairwise(told := words(whole)))
    assert (told[2], pairs["--served-model-name"]) == (str(tmp_path), "shop@1")
    assert pairs["--tool-call-parser"] == "qwen3_coder"
    assert "--enable-lora" not in told
    assert base_of([whole]) == ""


def test_what_a_whole_model_was_made_of_is_served_as_the_agent_is_and_under_its_own_name(tmp_path: Path) -> None:
    base, weights, folder = tmp_path / "Coder-8B", tmp_path / "weights", tmp_path / "linked"
    for place in (base, weights, folder):
        place.mkdir()
    for place in (base, weights):
        (place / "chat_template.jinja").write_text(place.name)
    (base / "model.safetensors").write_text("base")
    agent = Served(CARD.model_copy(update={"base": str(base), "method": "full"}), weights, "", Wire())
    alone = bare(agent, base, folder)
    assert (alone.name, alone.weights, alone.adapter) == ("Coder-8B@0", folder, False)
    texts = {file.name: file.read_text() for file in folder.iterdir()}
    assert texts == {"model.safetensors": "base", "chat_template.jinja": "weights"}
    assert words(alone)[2] == str(folder)


def test_a_base_is_called_by_its_id_or_by_the_name_of_its_folder(tmp_path: Path) -> None:
    assert [base_name(one) for one in ("", "Qwen/Qwen3-8B", str(tmp_path))] == ["", "Qwen/Qwen3-8B", tmp_path.name]


def test_the_users_own_flags_come_last(tmp_path: Path) -> None:
    assert words(adapter(tmp_path / "a", 1), flags=("--max-model-len", "99"))[-2:] == ["--max-model-len", "99"]


def test_agents_of_several_bases_need_a_server_each(tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "a", 1), adapter(tmp_path / "b", 2, base="Qwen/Qwen3-32B")
    with pytest.raises(ConfigError, match=r"shop@1 and shop@2 are not adapters of one base.*start a server for each"):
        words(one, two)
