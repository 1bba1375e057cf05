"""Teachers as a run has them. The program that stands in for vLLM answers every call with its process number."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import Asked
from sera_cli.cli.specialize import _say_teacher
from sera_cli.cli.teaching import remote, served, teaching
from sera_cli.errors import Cancelled, ConfigError
from sera_cli.harness import strays
from sera_cli.harness.pace import Pace
from sera_cli.harness.vllm import engine, gpu
from sera_cli.types import Message
from tests.conftest import ROOT
from tests.test_engine import DOUBLE, marked, ours

ASKED: list[Message] = [{"role": "user", "content": "Go."}]
Opened = Callable[..., Job]


@pytest.fixture
def opened(repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A job on a repository of one file, its teacher a model in a folder."""
    monkeypatch.setenv("SERA_VLLM_CMD", " ".join(DOUBLE))
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(engine, "PAUSE", 0.01)
    repo = repository({"a.py": "def f():\n    return 1\n"})

    def make(teacher: str = "good", **settings: Any) -> Job:
        (tmp_path / teacher).mkdir(exist_ok=True)
        named = {"teacher.model": f"vllm:{tmp_path / teacher}", "student.model": "rehearsal"}
        flags = {**named, "rollout.sandbox": "folder", **settings}
        return open_job(Asked(repo, flags, "HEAD", "r", False, False, False))

    return make


def test_a_model_of_our_own_server_is_asked_by_the_name_of_its_folder(opened: Opened) -> None:
    job = opened()
    heard: list[str] = []
    with teaching(job, tell=heard.append) as teacher:
        model = teacher(0)
        assert model.name == "good"
        assert int(model.reply(ASKED, []).message["content"]) in ours()
    assert ours() == []
    assert "loads good" in (job.run.folder / "vllm.log").read_text()


def test_no_model_is_loaded_for_a_teacher_that_nobody_asks(opened: Opened) -> None:
    job = opened()
    with teaching(job):
        assert ours() == []
    assert not (job.run.folder / "vllm.log").exists()


def test_who_waits_for_a_model_to_load_stops_when_the_run_does(opened: Opened) -> None:
    with teaching(opened("late"), pace=Pace(cancelled=lambda: True)) as teacher, pytest.raises(Cancelled):
        teacher(0)
    assert ours() == []


def test_a_crash_of_the_server_is_no_error_of_the_call(opened: Opened) -> None:
    with teaching(opened()) as teacher:
        model = teacher(0)
        first = int(model.reply(ASKED, []).message["content"])
        os.kill(first, signal.SIGKILL)
        assert int(model.reply(ASKED, []).message["content"]) not in (first, 0)


def test_flags_of_the_users_come_last(opened: Opened) -> None:
    job = opened(**{"teacher.gpus": 2, "teacher.flags": "--max-model-len 65536 --x 'a b'"})
    assert served(job).flags[-6:] == ("--tensor-parallel-size", "2", "--max-model-len", "65536", "--x", "a b")
    assert served(opened(**{"privacy.offline": True})).offline


def test_flags_that_no_shell_would_take_are_refused(opened: Opened) -> None:
    with pytest.raises(ConfigError, match=r"teacher\.flags: No closing quotation; write it as you would in a shell"):
        opened(**{"teacher.flags": "'x"})


def test_a_run_does_not_begin_without_the_vllm_it_needs(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_VLLM_CMD", "/no/vllm")
    with pytest.raises(ConfigError, match="SERA_VLLM_CMD names /no/vllm, which is not there"):
        opened()


def test_flags_that_the_repository_brings_are_refused(
    repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SERA_VLLM_CMD", " ".join(DOUBLE))
    (tmp_path / "good").mkdir()
    repo = repository({"a.py": "", ".sera/config.toml": '[teacher]\nflags = "--trust-remote-code"\n'})
    flags = {"teacher.model": f"vllm:{tmp_path / 'good'}", "student.model": "rehearsal", "rollout.sandbox": "folder"}
    with pytest.raises(ConfigError, match=r"sets teacher\.flags and is part of the repository; say it yourself"):
        open_job(Asked(repo, flags, "HEAD", "r", False, False, False))


@pytest.mark.parametrize(("memory", "sent"), [(None, {}), (77, {"seed": 3})])
def test_a_vllm_without_a_gpu_is_sent_no_seed(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, memory: int | None, sent: dict[str, int]
) -> None:
    monkeypatch.setattr(gpu, "used", lambda: memory)
    with closing(remote(opened(), ("http://localhost/v1",))) as asked:
        assert asked.taken({"seed": 3}) == sent


def test_a_rehearsal_starts_nothing(opened: Opened) -> None:
    with teaching(opened(**{"teacher.model": "rehearsal"})) as teacher:
        assert teacher(0).name == "rehearsal"
        assert ours() == []


def test_a_teacher_behind_http_is_asked_where_it_is(opened: Opened) -> None:
    from tests.chat_server import completion, serving

    with serving(lambda body: completion({"content": body["model"]})) as server:
        job = opened(**{"teacher.model": "openai:m", "teacher.url": server.url})
        with teaching(job) as teacher:
            assert teacher(0).reply(ASKED, []).message["content"] == "m"
    assert json.dumps(server.asked[0]["messages"]) == json.dumps(ASKED)




def test_of_a_model_served_here_it_is_said_that_nothing_leaves(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    job = opened()
    _say_teacher(job)
    said = capsys.readouterr().err.splitlines()[0]
    assert said == f"{job.teacher} is served on this machine; nothing of repo leaves it."


def test_the_password_in_a_servers_address_is_not_shown(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    _say_teacher(opened(**{"teacher.model": "openai:m", "teacher.url": "http://ada:x8Kq2mZp4w@127.0.0.1:9/v1"}))
    said = capsys.readouterr().err
    assert "x8Kq2mZp4w" not in said
    assert "@127.0.0.1:9/v1 is sent parts of repo; nothing else leaves here." in said


def test_ctrl_c_while_the_server_comes_up_leaves_nothing_of_it(opened: Opened, example: Path) -> None:
    words = ["generate", str(example), "--run", "r", "--teacher", opened("slow").teacher, "--student", "rehearsal"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sera_cli", *words, "--sandbox", "folder"], env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    log = example / ".sera" / "runs" / "r" / "vllm.log"
    mark = f"{strays._space()} {process.pid} {strays._begun(process.pid)}"
    while not (log.exists() and "loads slow" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped: " in said and "Traceback" not in said
    assert marked(mark) == []
