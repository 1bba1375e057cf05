"""The launcher, with a program that stands in for vLLM; and with vLLM itself where SERA_VLLM_CMD names one."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sera_cli.errors import Cancelled, ConfigError, Late, Unreachable
from sera_cli.harness import strays
from sera_cli.harness.pace import Pace
from sera_cli.harness.vllm import engine, gpu
from sera_cli.harness.vllm.engine import Engine, serving
from sera_cli.harness.vllm.launch import Order
from tests.conftest import ROOT

DOUBLE = (sys.executable, str(ROOT / "tests" / "vllm_double.py"))
GUARD = 60.0
"""Seconds after which a test gives up hope."""

DRIVER = """
import sys
from itertools import pairwise
from pathlib import Path
from sera_cli.harness.vllm.engine import serving
from sera_cli.harness.vllm.launch import Order
order = Order(command=tuple(sys.argv[2:]), model="good", name="good", log=Path(sys.argv[1]))
with serving(order) as engine:
    print(engine.socket, flush=True)
    input()
"""


@pytest.fixture
def order(tmp_path: Path) -> Callable[[str], Order]:
    """What to serve, by the name of what the double does."""
    return lambda kind: Order(command=DOUBLE, model=kind, name=kind, log=tmp_path / "run" / "vllm.log")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PAUSE", 0.01)
    monkeypatch.setattr(engine, "NOTICE", 2.0)


def ask(place: Path) -> dict[str, Any]:
    import httpcore

    with httpcore.ConnectionPool(uds=str(place)) as pool:
        return dict(json.loads(pool.request("GET", engine.URL).content))


def eventually(so: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def marked(mark: str) -> list[int]:
    """Processes that live and carry this mark."""
    return [pid for pid in strays._living() if strays._begun(pid) and strays._owner(pid) == mark]


def ours() -> list[int]:
    return marked(strays.mark()[strays.VARIABLE])


def test_a_server_is_there_until_it_is_left_and_then_nothing_of_it(order: Callable[[str], Order]) -> None:
    with serving(order("good")) as up:
        assert up.starts == 1
        assert ask(up.socket)["words"][:2] == ["serve", "good"]
        assert len(ours()) == 3  # guard, server, and its child
    assert ours() == []
    log = order("good").log.read_text().splitlines()
    assert log[0].startswith("# 20") and " serve good --uds /" in log[0]


def test_who_waits_hears_what_the_log_says(order: Callable[[str], Order]) -> None:
    heard: list[str] = []
    with serving(order("late"), tell=heard.append):
        assert any(line.endswith(" s  loads late") for line in heard) and "vLLM answers" in heard


def test_a_log_that_says_nothing_new_is_not_told_at_every_look(
    order: Callable[[str], Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sera_cli.harness.vllm.engine.SAME", math.inf)
    heard: list[str] = []
    with serving(order("late"), tell=heard.append):
        lines = [line.partition(" s  ")[2] for line in heard if " s  " in line]
    assert "loads late" in lines
    assert all(one != other for one, other in pairwise(lines))


def test_a_server_is_told_no_key(order: Callable[[str], Order], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdefghij")
    with serving(order("good")) as up:
        names = ask(up.socket)["environment"]
    assert "OPENAI_API_KEY" not in names and "VLLM_NO_USAGE_STATS" in names


def test_a_model_that_cannot_be_loaded_is_one_line_with_the_log(order: Callable[[str], Order]) -> None:
    wanted = order("broken")
    with pytest.raises(Unreachable) as raised, serving(wanted):
        raise AssertionError("never served")
    assert str(raised.value) == (
        "vLLM cannot serve broken (exit code 1): RuntimeError: Cannot find any model weights with `here`; "
        f"its log: {wanted.log}"
    )
    assert ours() == []


def test_a_server_that_does_not_come_up_is_given_up(order: Callable[[str], Order]) -> None:
    said = r"was not ready after 1 seconds: loads slow; its log: "
    with pytest.raises(Unreachable, match=said), serving(order("slow"), ready=1.0):
        raise AssertionError("never served")
    assert ours() == []


def test_a_command_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    wanted = Order(command=("no-such-command",), model="m", name="m", log=tmp_path / "log")
    said = "cannot start no-such-command: No such file or directory; its log"
    with pytest.raises(Unreachable, match=said), serving(wanted):
        raise AssertionError("never served")


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    wanted = Order(command=DOUBLE, model="good", name="good", log=tmp_path / "log")
    with pytest.raises(Unreachable, match=r"vLLM cannot be started: Is a directory: .*log"), serving(wanted):
        raise AssertionError("never served")


def test_a_server_that_crashes_comes_back_at_the_same_address(order: Callable[[str], Order]) -> None:
    heard: list[str] = []
    with serving(order("good"), tell=heard.append) as up:
        first = ask(up.socket)["pid"]
        os.kill(first, signal.SIGKILL)
        assert up.again(1, time.monotonic() + GUARD, Pace())
        assert up.starts == 2
        assert ask(up.socket)["pid"] != first
        assert len(ours()) == 3  # the first one's child is gone too
    assert "vLLM crashed (exit code 137): loads good; it is started again (1 of 3)" in heard


def test_a_server_that_hangs_is_started_again(
    order: Callable[[str], Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HUNG", 0.5)
    monkeypatch.setattr(engine, "NOTICE", GUARD)
    heard: list[str] = []
    with serving(order("good"), tell=heard.append) as up:
        os.kill(ask(up.socket)["pid"], signal.SIGSTOP)
        assert up.again(1, time.monotonic() + GUARD, Pace())
        assert up.starts == 2
    assert "vLLM has not answered for 0 seconds; it is started again (1 of 3)" in heard


def test_a_server_that_crashes_again_and_again_is_given_up(order: Callable[[str], Order]) -> None:
    said = r"^vLLM crashed \(exit code 9\): loads short; its log: "
    with pytest.raises(Unreachable, match=said), serving(order("short")) as up:
        while up.again(up.starts, time.monotonic() + GUARD, Pace()):
            pass
        eventually(lambda: bool(up.problem))
        raise Unreachable("nobody answered")  # as a teacher's client would say
    assert order("short").log.read_text().count("loads short") == engine.RESTARTS + 1


def test_a_call_that_failed_while_the_server_stands_is_not_worth_another(order: Callable[[str], Order]) -> None:
    with serving(order("good")) as up:
        assert not up.again(up.starts, time.monotonic() + GUARD, Pace())


@pytest.mark.parametrize(("pace", "error"), [
    (Pace(clock=lambda: 10.0), Late), (Pace(cancelled=lambda: True), Cancelled),
])
def test_who_waits_for_a_server_stops_in_time(
    order: Callable[[str], Order], monkeypatch: pytest.MonkeyPatch, pace: Pace, error: type[Exception]
) -> None:
    monkeypatch.setattr(engine, "PAUSE", GUARD)
    with serving(order("good")) as up:
        os.kill(ask(up.socket)["pid"], signal.SIGKILL)
        with pytest.raises(error):
            up.again(1, 9.0, pace)


def test_other_users_of_the_machine_do_not_reach_it_and_nothing_of_its_place_is_left(
    order: Callable[[str], Order]
) -> None:
    with serving(order("good")) as up:
        words, folder = ask(up.socket)["words"], up.socket.parent
        assert "--port" not in words and words[words.index("--uds") + 1] == str(up.socket)
        assert (folder.stat().st_mode & 0o777, folder.stat().st_uid) == (0o700, os.geteuid())
    assert not folder.exists()


def test_a_place_too_deep_for_a_socket_is_told(
    order: Callable[[str], Order], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(ConfigError, match="set TMPDIR to a shorter path"), serving(order("good")):
        raise AssertionError("never served")
    assert list(deep.iterdir()) == []


def test_memory_that_was_in_use_before_is_what_it_waits_for(
    order: Callable[[str], Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int | None] = []
    monkeypatch.setattr(gpu, "used", lambda: 77)
    monkeypatch.setattr(gpu, "given_back", lambda before: waited.append(before) or True)
    with serving(order("good")):
        assert waited == []
    assert waited == [77]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another sera that serves something."""
    words = [sys.executable, "-c", DRIVER, str(tmp_path / "log"), *DOUBLE]
    process = subprocess.Popen(
        words, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def mark_of(process: subprocess.Popen[str]) -> str:
    return f"{strays._space()} {process.pid} {strays._begun(process.pid)}"


def test_when_sera_is_killed_its_server_ends_by_itself(driver: subprocess.Popen[str]) -> None:
    assert driver.stdout is not None and driver.stdout.readline().endswith("/socket\n")
    mark = mark_of(driver)
    assert len(marked(mark)) == 3
    driver.kill()
    eventually(lambda: marked(mark) == [])


def test_when_the_guard_is_killed_too_what_is_left_can_be_swept(driver: subprocess.Popen[str]) -> None:
    assert driver.stdout is not None and driver.stdout.readline()
    mark = mark_of(driver)
    guard = next(pid for pid in marked(mark) if "guard.py" in strays._command(pid))
    os.kill(guard, signal.SIGKILL)
    driver.kill()
    driver.wait()
    left = marked(mark)
    assert len(left) == 2
    assert {stray.pid for stray in strays.sweep()} >= set(left)
    eventually(lambda: marked(mark) == [])


def test_an_engine_stops_while_it_loads_and_whoever_waits_for_it_goes(order: Callable[[str], Order]) -> None:
    begun, ended = Engine(order("slow"), engine.unheard, GUARD), threading.Event()

    def wait() -> None:
        with pytest.raises(Cancelled):
            begun.ready(Pace())
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    eventually(lambda: len(ours()) == 3)
    begun.stop()
    assert ours() == []
    assert ended.wait(GUARD)


def test_an_engine_that_nobody_needed_stops_too(order: Callable[[str], Order]) -> None:
    with serving(order("good"), lazily=True) as up:
        assert ours() == []
    assert up.starts == 0
