"""`sera serve` as a process: an agent of the registry, asked over HTTP, until Ctrl-C."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sera_cli import config
from sera_cli.__main__ import run
from sera_cli.agents import registry
from sera_cli.harness import tokens
from tests import families
from tests.adapters import random_adapter
from tests.by_heart import knowing
from tests.students import TOOLS, chat
from tests.test_chat import CARD

pytest.importorskip("transformers", reason="needs the extra `train`, to answer")

REPLY = '<think>\nI look.\n</think>\n\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls 0"}}\n</tool_call>'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an agent is registered that knows one conversation by heart."""
    place = tmp_path_factory.mktemp("served")
    card = CARD.model_copy(update={"method": "full", "context": 2000})
    registry.register(place / "home" / "data", card, knowing(place / "weights", REPLY))
    return place / "home"


@contextmanager
def serving(home: Path, *flags: str, agent: str = "shop") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the host and port that its first line names."""
    words = [sys.executable, "-m", "sera_cli", "serve", agent, "--backend", "here", "--port", "0", *flags]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "SERA_HOME": str(home)},
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        begin = f"{agent}@1 at http://"
        assert line.startswith(begin), process.stderr and process.stderr.read()
        yield process, line.strip().removeprefix(begin).removesuffix("/v1")
    finally:
        process.kill()
        process.communicate()


def asked(place: str, model: str = "", **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(place, timeout=60)
    body = {"messages": chat()[:2], "tools": TOOLS, "max_tokens": 120, "model": model}
    headers = {"Content-Type": "application/json", **headers}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_an_agent_answers_over_http_with_what_it_learned_until_ctrl_c(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERA_HOME", str(home))
    with serving(home) as (process, place):
        status, answer = asked(place)
        choice = answer["choices"][0]  # type: ignore[index]
        call = choice["message"]["tool_calls"][0]["function"]
        assert (status, call) == (200, {"name": "bash", "arguments": '{"command": "ls 0"}'})
        assert choice["message"]["reasoning_content"] == "I look."
        assert run(["agents", "list", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["served"] == [f"http://{place}"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, "Traceback" in err) == (130, "", False)
    assert run(["agents", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["served"] == []


def test_the_base_of_an_adapter_can_be_asked_beside_it(home: Path, tmp_path: Path) -> None:
    base = families.student("qwen3")
    card = CARD.model_copy(update={"name": "adapted", "base": base.base, "context": base.context})
    adapter = random_adapter(base, tmp_path / "adapter")
    for name in filter(lambda name: (Path(base.base) / name).is_file(), tokens.FILES):
        shutil.copyfile(Path(base.base) / name, adapter / name)
    registry.register(home / "data", card, adapter)
    with serving(home, agent="adapted") as (_, place):
        status, answer = asked(place, Path(base.base).name)
        assert (status, answer["model"]) == (200, Path(base.base).name)
        assert asked(place, "adapted@1")[0] == 200
        assert asked(place, "other")[0] == 404


def test_a_key_from_a_file_is_asked_for(home: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame\n")
    with serving(home, "--key-file", str(tmp_path / "key")) as (_, place):
        assert asked(place)[0] == 401
        assert asked(place, Authorization="Bearer sesame")[0] == 200


def test_an_address_that_others_reach_gets_a_key_made_for_it(home: Path) -> None:
    with serving(home, "--host", "0.0.0.0") as (process, place):
        port = place.rpartition(":")[2]
        assert asked(f"127.0.0.1:{port}")[0] == 401
        process.terminate()
        _, err = process.communicate()
    assert "so a key was made for this server: " in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent"], "no agent is called 'absent'"),
        (["shop", "--flags", "'"], "--flags: No closing quotation; write it as you would in a shell"),
        (["shop", "--backend", "magic"], "there is no backend 'magic'; take auto, vllm, here"),
        (["shop", "--host", "203.0.113.1"], "cannot listen at 203.0.113.1:8111: Cannot assign requested address"),
        (["shop", "--key-file", "/absent"], "the key cannot be read from /absent"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    words: list[str], said: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERA_HOME", str(home))
    assert run(["serve", *words]) == 2
    assert said in capsys.readouterr().err
    assert config.home("data") == home / "data"
