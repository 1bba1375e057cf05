"""`sera agents export`: what it writes in each format, and what it refuses."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from sera_cli import __main__ as door
from sera_cli import config
from sera_cli.agents import registry
from sera_cli.agents.export import export
from sera_cli.agents.local import LocalModel
from sera_cli.agents.preflight import CONFIG, WEIGHTS, document
from sera_cli.errors import ModelError
from sera_cli.harness import wire
from sera_cli.harness.tokens import FILES
from sera_cli.types import AgentCard
from tests import families
from tests.adapters import random_adapter, rewritten
from tests.students import TOOLS, chat
from tests.test_registry import CARD, front

Captured = pytest.CaptureFixture[str]


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """An adapter as training leaves it."""
    base = families.student("qwen3")
    folder = random_adapter(base, tmp_path_factory.mktemp("agent") / "adapter")
    for name in FILES:
        if (Path(base.base) / name).is_file():
            shutil.copyfile(Path(base.base) / name, folder / name)
    (folder / "metrics.jsonl").write_text('{"student": "qwen3"}\n')
    (folder / "README.md").unlink()
    return folder


@pytest.fixture
def agent(weights, tmp_path, monkeypatch) -> AgentCard:
    """flask@1 in the registry, its base a folder of this machine; the working folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    base = families.folder("qwen3")
    return registry.register(config.home("data"), CARD.model_copy(update={"base": str(base), "context": 2048}), weights)


def test_a_merged_agent_is_a_whole_model_that_says_what_the_agent_says(agent, weights, capsys: Captured):
    assert sera("agents", "export", "flask", "--format", "merged") == 0

    out = Path("flask-1-merged")
    assert sorted(file.name for file in out.iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "sera.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert "wrote flask@1 to flask-1-merged, " in said
    assert re.search(r"its logits are 0\.\d\d% from those of what was trained, and 2% is allowed", said)
    options = {"name": "x", "context": 2048, "max_tokens": 20}
    merged, taught = LocalModel(str(out), **options), LocalModel(agent.base, weights, **options)
    assert merged.reply(chat()[:2], TOOLS).message == taught.reply(chat()[:2], TOOLS).message
    card = (out / "README.md").read_text(encoding="utf-8")
    assert front(card)["library_name"] == "transformers"
    assert "| weights | the adapter is merged into the base, in bfloat16: for this export |" in card


def test_what_was_written_is_told_as_one_document(agent, tmp_path, capsys: Captured):
    assert sera("agents", "export", "flask@1", "-f", "merged", "--out", tmp_path / "here", "--json") == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["agent"], said["format"], said["url"]) == ("flask@1", "merged", "")
    assert said["out"] == str(tmp_path / "here")
    assert said["bytes"] == sum(file.stat().st_size for file in (tmp_path / "here").iterdir())
    assert said["difference"]["precision"] == "float32"


def test_ollama_gets_a_modelfile_beside_the_merged_weights(agent, capsys: Captured):
    assert sera("agents", "export", "flask", "-f", "ollama") == 0

    text = Path("flask-1-ollama/Modelfile").read_text(encoding="utf-8")
    assert "\nFROM .\n" in text and 'PARAMETER stop "<|im_end|>"\nPARAMETER num_ctx 2048\n' in text
    assert Path("flask-1-ollama/model.safetensors").is_file()
    assert capsys.readouterr().err.endswith("next: cd flask-1-ollama && ollama create flask\n")


def test_the_hub_gets_the_adapter_as_it_is_and_no_path_of_this_machine(agent, weights, capsys: Captured):
    assert sera("agents", "export", "flask", "-f", "hf") == 0

    out = Path("flask-1-hf")
    names = {file.name for file in out.iterdir()}
    assert {CONFIG, WEIGHTS, "chat_template.jinja", "tokenizer.json", "README.md", "sera.json"} <= names
    assert {"card.toml", "metrics.jsonl"} & names == set()
    assert (out / WEIGHTS).read_bytes() == (weights / WEIGHTS).read_bytes()
    assert document(out / CONFIG)["base_model_name_or_path"] == "qwen3"
    assert front((out / "README.md").read_text(encoding="utf-8"))["library_name"] == "peft"
    told = document(out / "sera.json")
    assert (told["base"], told["repository"], told["data_digest"]) == ("qwen3", "flask", "abcdefabcdef")
    for file in out.iterdir():
        content = file.read_bytes()
        assert b"someone" not in content and os.fsencode(Path(agent.base).parent) not in content, file
    assert "its base, qwen3, is on no hub: --format merged writes a model that needs none" in capsys.readouterr().err


def test_a_whole_model_needs_no_base(weights, tmp_path):
    """Fully tuned, or merged when it was registered: its base may be gone."""
    base = Path(shutil.copytree(families.folder("qwen3"), tmp_path / "full"))
    (base / "chat_template.jinja").write_text(wire.template(), encoding="utf-8")
    for more in ({"method": "full"}, {"merged": "its rank is 600"}):
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        made = export(CARD.model_copy(update=more), base, "", out, format="merged", tell=lambda _: None)
        assert made.difference is not None and made.difference.agrees
        assert document(out / "config.json")["dtype"] == "bfloat16"


def test_a_folder_that_is_there_is_not_written_into(agent, tmp_path, capsys: Captured):
    (tmp_path / "here").mkdir()

    assert sera("agents", "export", "flask", "-f", "hf", "-o", "here") == 2
    assert capsys.readouterr().err == "error: here is there already; name a folder that is not, with --out\n"


def test_a_merge_that_changes_what_the_agent_says_leaves_nothing(weights, tmp_path):
    """Here peft leaves out most of the adapter, whose settings name fewer layers than its weights."""
    odd = rewritten(weights, tmp_path / "odd", target_modules=["q_proj"])
    out = tmp_path / "there" / "out"

    with pytest.raises(ModelError, match=r"is not the trained one: its logits are .* off, and 2% is what rounding"):
        export(CARD, odd, str(families.folder("qwen3")), out, format="merged", tell=lambda _: None)
    assert list((tmp_path / "there").iterdir()) == []


def test_an_adapter_that_cannot_be_merged_leaves_nothing(weights, tmp_path):
    odd = rewritten(weights, tmp_path / "odd", use_dora=True)
    out = tmp_path / "there" / "out"

    with pytest.raises(ModelError, match="was made with use_dora"):
        export(CARD, odd, str(families.folder("qwen3")), out, format="merged", tell=lambda _: None)
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("-f", "gguf"), "there is no format 'gguf'; take merged, ollama, hf"),
        (("-f", "hf", "--push", "flask"), "'flask' names no model of the hub; say OWNER/NAME"),
        (
            ("-f", "hf", "--push", "me/flask", "--offline"),
            "--push uploads, and privacy.offline is set; leave out one of the two",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(more, said, agent, tmp_path, capsys: Captured):
    assert sera("agents", "export", "flask", *more) == 2
    assert capsys.readouterr().err == f"error: {said}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_project_that_is_kept_offline_pushes_nothing(agent, tmp_path, capsys: Captured):
    (tmp_path / ".sera").mkdir()
    (tmp_path / ".sera" / "config.toml").write_text("[privacy]\noffline = true\n")

    assert sera("agents", "export", "flask", "-f", "hf", "--push", "me/flask") == 2
    assert "privacy.offline is set" in capsys.readouterr().err
