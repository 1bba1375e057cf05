"""Agents on GPUs elsewhere: what is written is read by the tools it is for, and nothing leaves unasked."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sera_cli import config
from sera_cli.__main__ import run
from sera_cli.agents import deploy, registry
from sera_cli.agents.serving.stand import Served
from sera_cli.errors import ConfigError
from sera_cli.harness.wire import Wire
from sera_cli.types import AgentCard

CARD = AgentCard(
    name="My_Shop.v2", version=3, created="", base="Qwen/Qwen3-8B", method="lora", repository="shop", commit="c",
    alpha=1.0, samples=1, data_digest="d", recipe="r", teacher="rehearsal", context=32768, family="qwen3",
)  # fmt: skip


def adapter(folder: Path, base: str = CARD.base) -> Served:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"r": 33}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "metrics.jsonl").write_text("{}\n")
    return Served(CARD, folder, base, Wire(family="qwen3"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one whole model in it, and a folder to write into."""
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "sera"))
    monkeypatch.delenv("SERA_API_KEY", raising=False)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"x" * 1000)
    registry.register(config.home("data"), CARD.model_copy(update={"method": "full"}), tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_adapter_is_served_on_its_base_with_the_settings_of_its_card(tmp_path: Path) -> None:
    made = deploy.deployment(adapter(tmp_path / "a"), gpus=2)
    pairs = dict(pairwise(made.command))
    assert made.command[:3] == ("vllm", "serve", "Qwen/Qwen3-8B")
    assert (pairs["--max-model-len"], pairs["--max-lora-rank"], pairs["--lora-modules"]) == (
        "32768", "64", "My_Shop.v2@3=/agent")  # fmt: skip
    assert (pairs["--tool-call-parser"], pairs["--chat-template"]) == ("hermes", "/agent/chat_template.jinja")
    assert (pairs["--tensor-parallel-size"], pairs["--served-model-name"]) == ("2", "Qwen3-8B")
    flags = [word for word in made.command if word.startswith("--")]
    assert sorted(flags) == sorted({*flags})
    assert [place.there for place in made.places] == ["/agent"]
    assert (made.app, made.secret) == ("sera-my-shop-v2", "sera-my-shop-v2-key")


def test_a_base_that_is_on_no_hub_goes_along(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    made = deploy.deployment(adapter(tmp_path / "a", base=str(tmp_path / "base")))
    assert made.command[2] == "/base"
    assert [(place.here, place.there) for place in made.places] == [
        (str(tmp_path / "a"), "/agent"), (str(tmp_path / "base"), "/base")]  # fmt: skip


def test_a_whole_model_is_served_under_its_agents_name(tmp_path: Path) -> None:
    made = deploy.deployment(Served(CARD, tmp_path, "", Wire(family="qwen3")))
    assert (made.command[2], dict(pairwise(made.command))["--served-model-name"]) == ("/agent", "My_Shop.v2@3")
    assert "--enable-lora" not in made.command


@pytest.mark.parametrize("gpu", ["", "H100:0", "H100:9", "H100,A100", 'H100"'])
def test_a_gpu_that_is_none_is_said(gpu: str) -> None:
    with pytest.raises(ConfigError, match=r"name a kind of GPU, or several of one machine, as in H100 or H100:2"):
        deploy.counted(gpu)
    assert [deploy.counted(one) for one in ("H100", "A100-80GB:4", "H100!:8")] == [1, 4, 8]


def test_modal_reads_the_app_that_is_written(tmp_path: Path) -> None:
    """By Modal's own package, which builds the app's objects without a network."""
    modal = pytest.importorskip("modal", reason="needs Modal's package")
    made, text = deploy.modal(adapter(tmp_path / "a", base="Qwen/O'Qwen <é>"), "H100:2", ["hugging-face"])
    file = tmp_path / "written.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("written", file)
    assert spec and spec.loader
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    assert isinstance(app.app, modal.App) and app.app.name == "sera-my-shop-v2"
    runs = app.serve._spec_
    assert runs.gpus == "H100:2"
    assert sorted(runs.volumes) == ["/cache/huggingface", "/cache/vllm", "/weights"]
    assert len(runs.secrets) == 2
    assert list(made.command) == app.COMMAND
    assert dict(pairwise(app.COMMAND))["--lora-modules"] == "My_Shop.v2@3=/weights/My_Shop.v2-3/agent"
    assert str(tmp_path) not in text
    assert "sera-my-shop-v2-key" in file.read_text() and "--api-key" not in file.read_text()


def composed(folder: Path) -> Any:
    """The file as YAML has it."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    return yaml.safe_load((folder / "compose.yaml").read_text())


def test_a_folder_for_compose_holds_all_that_the_host_needs(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"y")
    made = deploy.deployment(adapter(tmp_path / "a", base=str(tmp_path / "base")), gpus=2)
    key = deploy.compose(made, tmp_path / "out")
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*")) == [
        ".env", "agent", "agent/adapter_config.json", "agent/chat_template.jinja", "base", "base/model.safetensors",
        "compose.yaml",
    ]  # fmt: skip
    assert (tmp_path / "out" / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out" / ".env").read_text().splitlines()[:2] == [
        "COMPOSE_PROJECT_NAME=sera-my-shop-v2", f"VLLM_API_KEY='{key}'"]  # fmt: skip
    assert len(key) == 32 and key not in (tmp_path / "out" / "compose.yaml").read_text()
    vllm = composed(tmp_path / "out")["services"]["vllm"]
    assert [*vllm["entrypoint"], *vllm["command"]] == list(made.command)
    assert vllm["volumes"][:2] == ["./agent:/agent:ro", "./base:/base:ro"]
    assert vllm["ports"] == ["${SERA_BIND:-127.0.0.1}:${SERA_PORT:-8000}:8000"]
    assert vllm["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]  # fmt: skip
    with pytest.raises(ConfigError, match="out is there already"):
        deploy.compose(made, tmp_path / "out")


def docker_compose() -> list[str]:
    """The words that start docker compose, as a plugin or by itself. Skips where there is none."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("needs docker compose")


def test_docker_compose_reads_the_folder_that_is_written(tmp_path: Path) -> None:
    """By its own parser, which needs no engine."""
    words = docker_compose()
    deploy.compose(made := deploy.deployment(adapter(tmp_path / "a")), tmp_path / "out", key="sesame")
    done = subprocess.run([*words, "config"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "VLLM_API_KEY: sesame" in done.stdout and made.command[-1] in done.stdout
    (tmp_path / "out" / ".env").write_text("VLLM_API_KEY=\n")
    done = subprocess.run([*words, "config"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode != 0 and "VLLM_API_KEY" in done.stderr


def test_without_yes_a_file_is_written_and_nothing_leaves(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", "modal"]) == 0
    assert capsys.readouterr().err == (
        "wrote My_Shop.v2-1-modal.py\n"
        "0.0 MB of weights and the card's settings would go to Modal, code and samples not\n"
        "next: sera deploy modal My_Shop.v2@1 --out My_Shop.v2-1-modal.py --yes\n"
    )
    file = home / "My_Shop.v2-1-modal.py"
    file.write_text(text := file.read_text() + "# mine\n")
    assert run(["deploy", "modal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] is False
    assert file.read_text() == text
    assert run(["deploy", "compose", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] > 1000
    assert (home / "My_Shop.v2-1-compose" / "agent" / "model.safetensors").exists()


@pytest.fixture
def program(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A program called modal that says what it was started with, and then does what the test says."""

    def make(then: str) -> Path:
        (home / "bin").mkdir()
        log = home / "log"
        (home / "bin" / "modal").write_text(
            f'#!/bin/sh\necho "$@" >> {log}\n'
            f'for word in "$@"; do case "$word" in *.json) cat "$word" >> {log};; esac; done\n{then}\n'
        )
        (home / "bin" / "modal").chmod(0o755)
        monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")
        return log

    return make


def test_with_yes_the_key_goes_by_a_file_and_the_app_is_deployed(
    program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = program("")
    monkeypatch.setenv("SERA_API_KEY", "sesame")
    assert run(["deploy", "modal", "--yes"]) == 0
    begun, rest = log.read_text().split('{"VLLM_API_KEY": "sesame"}')
    *made, kept = begun.splitlines()
    weights = registry.folder(config.home("data"), CARD.model_copy(update={"version": 1}))
    assert made == ["volume create sera-weights", f"volume put sera-weights {weights} /My_Shop.v2-1/agent"]
    assert kept.startswith("secret create sera-my-shop-v2-key --from-json ") and kept.endswith(".json --force")
    assert rest == "deploy My_Shop.v2-1-modal.py\n"
    log.unlink()
    monkeypatch.delenv("SERA_API_KEY")
    capsys.readouterr()
    assert run(["deploy", "modal", "--yes"]) == 0
    key = capsys.readouterr().err.partition("it is told only once: ")[2].splitlines()[0]
    assert f'{{"VLLM_API_KEY": "{key}"}}deploy' in log.read_text()
    log.unlink()
    assert run(["deploy", "modal", "--stop"]) == 0
    assert log.read_text() == "app stop sera-my-shop-v2 --yes\n"


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ('[ "$1" = deploy ] || { echo "Secret already exists" >&2; exit 1; }', 0, "the key of the earlier deployment"),
        ('echo "Token missing" >&2; exit 1', 3, "modal volume create ended with exit code 1: Token missing"),
        ('[ "$1" != secret ] || { echo No >&2; exit 1; }', 3, "modal secret create ended with exit code 1: No"),
        ('[ "$1" != deploy ] || exit 9', 3, "modal deploy ended with exit code 9"),
    ],
)
def test_what_modal_says_is_told(
    then: str, code: int, said: str, program: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    program(then)
    assert run(["deploy", "modal", "--yes"]) == code
    assert said in capsys.readouterr().err


def test_nothing_is_deployed_offline_or_without_modal(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(home))
    for words in (["--yes"], ["--stop"]):
        assert run(["deploy", "modal", *words]) == 2
        assert "there is no modal on PATH; run: pip install modal && modal setup" in capsys.readouterr().err
        monkeypatch.setenv("SERA_PRIVACY_OFFLINE", "true")
        assert run(["deploy", "modal", *words]) == 2
        assert "Modal is elsewhere, and privacy.offline is set" in capsys.readouterr().err
        monkeypatch.delenv("SERA_PRIVACY_OFFLINE")
    assert list(home.glob("*modal.py")) == []
