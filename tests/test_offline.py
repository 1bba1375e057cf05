"""A wall once built stands until the process ends, so each one is built in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.cli.job import open_job
from sera_cli.cli.options import Asked
from sera_cli.errors import ConfigError
from sera_cli.offline import QUIET, SEALED, Wall, hush, keep
from tests.chat_server import Answer, serving

ROOT = Path(__file__).parent.parent
REFUSED = "offline: no connection to {}; put what it would bring in place beforehand, or leave out --offline"


def behind(urls: list[str], program: str) -> str:
    """What a program prints behind the wall; an error is printed as its one line."""
    lines = [
        "import socket, sys", "from sera_cli import offline", "from sera_cli.errors import SeraError",
        f"offline.enforce({urls!r})", "try:", *(f"    {line}" for line in program.strip().split("\n")),
        "except SeraError as error:", "    print(error)",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("program", "host"), [
    ("socket.create_connection(('192.0.2.7', 443), 1)", "192.0.2.7"),
    ("socket.create_connection(('example.com', 443), 1)", "example.com"),
    ("socket.gethostbyname('example.com')", "example.com"),
    ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.7', 53))", "192.0.2.7"),
    ("socket.socket(socket.AF_INET6).connect(('2001:db8::1', 443))", "2001:db8::1"),
    ("import httpcore\nhttpcore.request('GET', 'https://example.com/')", "example.com"),
    ("import urllib.request\nurllib.request.urlopen('http://192.0.2.7/')", "192.0.2.7"),
    ("from huggingface_hub import constants as c, get_session\nc.HF_HUB_OFFLINE = False\n"
     "get_session().get(c.ENDPOINT)", "huggingface.co"),
])  # fmt: skip
def test_anybody_else_is_refused_in_one_line(program: str, host: str) -> None:
    assert behind(["https://api.teacher.test/v1"], program) == REFUSED.format(host)


def test_this_machine_is_reached_by_name_by_address_and_by_path(tmp_path: Path) -> None:
    with serving(lambda body: Answer(200, {"said": "hello"})) as server:
        port = server.url.split(":")[2].split("/")[0]
        program = f"""
import httpcore, json
for host in ("127.0.0.1", "localhost"):
    asked = httpcore.request("POST", f"http://{{host}}:{port}/v1/chat/completions", content=b"{{}}")
    print(json.loads(asked.content)["said"])
here = socket.socket(socket.AF_UNIX)
here.bind({str(tmp_path / "s")!r})
here.listen()
socket.socket(socket.AF_UNIX).connect({str(tmp_path / "s")!r})
print("path")
"""
        assert behind([], program).split() == ["hello", "hello", "path"]


def test_the_named_teacher_may_be_looked_up() -> None:
    program = "try:\n    socket.getaddrinfo('teacher.invalid', 80)\nexcept socket.gaierror:\n    print('asked for')"
    assert behind(["http://teacher.invalid:8000/v1"], program) == "asked for"


def test_the_addresses_of_the_teacher_are_those_that_its_name_was_looked_up_to(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.9", 443))])
    wall = Wall(["https://teacher.test/v1", "teacher-two.test"])
    with pytest.raises(ConfigError, match=r"no connection to 192\.0\.2\.9"):
        wall.audit("socket.connect", (None, ("192.0.2.9", 443)))
    wall.audit("socket.getaddrinfo", ("teacher.test", 443, 0, 0, 0))
    wall.look_up("teacher.test", 443)
    wall.audit("socket.connect", (None, ("192.0.2.9", 443)))
    wall.audit("socket.getaddrinfo", (b"teacher-two.test", 443, 0, 0, 0))
    with pytest.raises(ConfigError, match=r"no connection to 192\.0\.2\.10"):
        wall.audit("socket.connect", (None, ("192.0.2.10", 443)))


def test_an_address_that_only_begins_like_this_machine_is_refused() -> None:
    wall = Wall([])
    for host in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost"):
        wall.audit("socket.connect", (None, (host, 80)))
    for host in ("127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "::ffff:10.0.0.1"):
        with pytest.raises(ConfigError):
            wall.audit("socket.connect", (None, (host, 80)))


def test_children_are_told_to_stay_offline_and_quiet() -> None:
    program = "import os\nprint(*(os.environ[name] for name in ('HF_HUB_OFFLINE', 'DO_NOT_TRACK', 'PIP_NO_INDEX')))"
    child = f"import subprocess\nprint(subprocess.check_output([sys.executable, '-c', {program!r}], text=True))"
    assert behind([], child) == "1 1 1"
    assert set(QUIET) >= {"HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "VLLM_NO_USAGE_STATS"}
    assert SEALED["TRANSFORMERS_OFFLINE"] == "1"


def test_nobody_is_told_of_the_use_in_any_case() -> None:
    environ = {"DO_NOT_TRACK": "0"}
    hush(environ)
    assert environ["DO_NOT_TRACK"] == environ["VLLM_NO_USAGE_STATS"] == environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_losses_are_sent_to_wandb_only_where_the_user_says_so_and_never_offline() -> None:
    nobody: dict[str, str] = {}
    user = {"WANDB_MODE": "online"}
    hush(nobody)
    hush(user)
    assert (nobody["WANDB_MODE"], user["WANDB_MODE"], SEALED["WANDB_MODE"]) == ("offline", "online", "offline")


def test_an_environment_from_the_network_is_no_secret_to_keep() -> None:
    with pytest.raises(ConfigError, match="exclude one another"):
        keep(True, building=True)
    keep(False, building=True)


def test_a_student_that_is_not_here_is_refused_in_one_line(tmp_path: Path) -> None:
    program = f"""
import os
os.environ["HF_HOME"] = {str(tmp_path)!r}
from pathlib import Path
from sera_cli.train.student import student
student("Qwen/Qwen3-8B", cache=Path({str(tmp_path)!r}))
"""
    said = behind([], program)
    assert "\n" not in said
    assert said.startswith("Qwen/Qwen3-8B is no folder, and the hub cannot be asked for it (")
    assert said.endswith("; name a folder of this machine, or fetch the model where there is a network")


def test_an_environment_that_is_built_from_the_network_is_refused_under_offline(
    repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    flags = {"privacy.offline": True, "env.network": True}
    asked = Asked(repository({"a.py": ""}), flags, at="HEAD", run="r", retry_failed=False, dry_run=False, json=False)
    with pytest.raises(ConfigError, match=r"--offline and env\.network exclude one another"):
        open_job(asked)
