"""Tools wired to an agent: what is printed, written and taken back, and one started together with its server."""

import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli import config
from sera_cli.__main__ import run
from sera_cli.agents import registry
from sera_cli.agents.connect import flat, jsonc, writing
from sera_cli.agents.connect.starting import attended, told
from sera_cli.agents.connect.wiring import CLIENTS, Client, Target, wiring
from sera_cli.agents.serving.standing import noted, where
from sera_cli.types import AgentCard
from tests.by_heart import knowing

CARD = AgentCard(
    name="shop", version=1, created="", base="rehearsal-1", method="full", repository="shop", commit="c", alpha=1.0,
    samples=1, data_digest="d", recipe="r", teacher="rehearsal", context=32768,
)  # fmt: skip
FILES = {
    "claude": ".claude/settings.json", "opencode": ".config/opencode/opencode.json", "codex": ".codex/sera.config.toml",
    "aider": ".aider.conf.yml", "mini": ".config/mini-swe-agent/.env", "zed": ".config/zed/settings.json",
}  # fmt: skip
BEFORE = {
    "claude": '{\n  "model": "opus",\n  "env": {"ANTHROPIC_MODEL": "opus", "A": "1"}\n}\n',
    "opencode": '{\n\t"theme": "dark", // at night\n\t"provider": {\n\t\t"other": {}, \n\t},\n}',
    "codex": 'model = "theirs"\n',
    "aider": "# mine\nmodel: gpt\nread:\n- A.md\n# the end",
    "mini": "OPENAI_API_KEY='k'\nMSWEA_MODEL_NAME='gpt'\r\n",
    "zed": '// Zed\n{\r\n  "agent": {\r\n    "dock": "left" /* here */\r\n  }\r\n}\r\n',
}
PLACES = ("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "CODEX_HOME", "MSWEA_GLOBAL_CONFIG_DIR", "SERA_API_KEY")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, with an agent in its registry."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "sera"))
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "weights").mkdir()
    registry.register(config.home("data"), CARD, tmp_path / "weights")
    return tmp_path


def target(**changed: Any) -> Target:
    return Target(agent="shop@1", url="http://127.0.0.1:8111", context=32768, keyed=False).model_copy(update=changed)


def held(tool: str, text: str) -> Any:
    """What a file says of the agent, read by the tool's own kind of reader where Python has one."""
    match tool:
        case "codex":
            return tomllib.loads(text)
        case "aider":
            yaml = pytest.importorskip("yaml", reason="needs PyYAML")
            return yaml.safe_load(text)
        case "mini":
            return dict(line.split("=", 1) for line in text.split() if "=" in line)
    return jsonc.get(text, ())


def test_what_claude_code_is_told_is_a_few_lines_for_a_shell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect", "claude"]) == 0
    out, err = capsys.readouterr()
    assert out == """\
unset ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN
export ANTHROPIC_AUTH_TOKEN=none
export ANTHROPIC_BASE_URL=http://127.0.0.1:8111
export ANTHROPIC_MODEL=shop@1
export ANTHROPIC_DEFAULT_OPUS_MODEL=shop@1
export ANTHROPIC_DEFAULT_SONNET_MODEL=shop@1
export ANTHROPIC_DEFAULT_HAIKU_MODEL=shop@1
export CLAUDE_CODE_SUBAGENT_MODEL=shop@1
export CLAUDE_CODE_MAX_CONTEXT_TOKENS=32768
export CLAUDE_CODE_AUTO_COMPACT_WINDOW=32768
export CLAUDE_CODE_MAX_OUTPUT_TOKENS=8192
export CLAUDE_CODE_ATTRIBUTION_HEADER=0
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
export CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1
claude
"""
    assert err == "note: shop@1 is not served yet; start it with: sera serve shop@1\n"


def test_a_context_that_a_tool_does_not_get_along_with_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.register(config.home("data"), CARD.model_copy(update={"name": "low", "context": 8192}), home / "weights")
    said = "note: Claude Code wants 24,576 tokens of context or it gives up, and low@1 reads 8,192; take mini, or "
    assert run(["connect", "claude", "--agent", "low"]) == 0
    assert said in capsys.readouterr().err
    for words in (["claude", "--agent", "shop"], ["mini", "--agent", "low"]):
        assert run(["connect", *words]) == 0
        assert "tokens of context" not in capsys.readouterr().err


def test_where_it_is_served_is_found_by_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with noted(config.home("data"), "http://0.0.0.0:4321", ["shop@1"]):
        assert run(["connect", "opencode", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["agent"], said["url"], said["keyed"]) == ("shop@1", "http://127.0.0.1:4321", True)
    assert said["files"][0]["settings"]["provider"]["sera"]["options"] == {
        "baseURL": "http://127.0.0.1:4321/v1", "apiKey": "{env:SERA_API_KEY}"}  # fmt: skip


@pytest.mark.parametrize("tool", CLIENTS)
def test_what_is_written_and_taken_back_leaves_every_byte_as_it_was(home: Path, tool: Client) -> None:
    file = home / FILES[tool]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(BEFORE[tool].encode())
    before = held(tool, BEFORE[tool])
    assert run(["connect", tool, "--write"]) == 0
    assert run(["connect", tool, "--write", "--url", "https://gpu.example:8443/v1/"]) == 0
    text = file.read_bytes().decode()
    assert "shop@1" in text and "https://gpu.example:8443" in text and "127.0.0.1" not in text
    assert {key for key in before if key not in held(tool, text)} == set()
    assert file.with_name(file.name + ".before-sera").read_bytes() == BEFORE[tool].encode()
    assert run(["connect", tool, "--undo"]) == 0
    assert file.read_bytes() == BEFORE[tool].encode()
    assert [one.name for one in home.rglob("*.before-sera")] == []
    assert run(["connect", tool, "--undo"]) == 2


@pytest.mark.parametrize("tool", CLIENTS)
def test_a_file_that_was_not_there_is_its_owners_alone_and_goes_again(home: Path, tool: Client) -> None:
    assert run(["connect", tool, "--write"]) == 0
    file = home / FILES[tool]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(["connect", tool, "--undo"]) == 0
    assert not file.exists()


@pytest.mark.parametrize("tool", ["claude", "opencode", "aider", "mini", "zed"])
def test_what_changed_since_stays_and_only_ours_goes(home: Path, tool: Client) -> None:
    file = home / FILES[tool]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(BEFORE[tool].encode())
    assert run(["connect", tool, "--write"]) == 0
    changed = file.read_bytes().decode()
    match tool:
        case "aider":
            changed += "\ndark-mode: true\n"
        case "mini":
            changed += "MSWEA_COST_TRACKING='default'\n"
        case _:
            changed = jsonc.put(changed, ("agent", "added"), True)
    file.write_bytes(changed.encode())
    assert run(["connect", tool, "--undo"]) == 0
    left = held(tool, file.read_bytes().decode())
    added = {
        "aider": {"dark-mode": True}, "mini": {"MSWEA_COST_TRACKING": "'default'"},
        "zed": {"agent": {"dock": "left", "added": True}},
    }.get(tool, {"agent": {"added": True}})  # fmt: skip
    assert left == held(tool, BEFORE[tool]) | added


@pytest.mark.parametrize(
    ("tool", "text", "why"),
    [
        ("claude", "{", "line 1 has '' where a key should be"),
        ("claude", '{"env": 3}', "env is not an object"),
        ("zed", "[]", "the whole is not an object"),
        ("opencode", '{"a": 1} x', "line 1 has ' x' where nothing more should be"),
        ("aider", "set-env: [A=1]\n", "it has set-env already"),
        ("aider", "{model: gpt}\n", "line 1 is '{model: gpt}', which is no setting"),
        ("mini", "A='one\ntwo'\n", "line 2 is \"two'\", which is no setting"),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left(
    home: Path, tool: str, text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / FILES[tool]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    assert run(["connect", tool, "--write"]) == 1
    assert f"cannot be changed safely: {why}; put the settings there by hand" in capsys.readouterr().err
    assert file.read_text() == text and not (config.home("data") / "connect").exists()


@pytest.mark.parametrize("tool", CLIENTS)
def test_a_key_is_printed_and_written_nowhere(
    home: Path, tool: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERA_API_KEY", "sesame-4711")
    for words in ([], ["--json"], ["--write"]):
        assert run(["connect", tool, *words]) == 0
    out, err = capsys.readouterr()
    assert "sesame" not in out + err and "SERA_API_KEY" in out + err
    read = (file.read_text(errors="replace") for file in home.rglob("*") if file.is_file())
    assert [text for text in read if "sesame" in text] == []


def test_a_link_of_somebodys_dotfiles_stays_a_link(home: Path) -> None:
    (home / "dotfiles").mkdir()
    (home / "dotfiles" / "claude.json").write_text("{}\n")
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").symlink_to(home / "dotfiles" / "claude.json")
    assert run(["connect", "claude", "--write"]) == 0
    assert (home / ".claude" / "settings.json").is_symlink()
    assert "shop@1" in (home / "dotfiles" / "claude.json").read_text()
    assert run(["connect", "claude", "--undo"]) == 0
    assert (home / "dotfiles" / "claude.json").read_text() == "{}\n"


def test_comments_stay_by_what_they_are_about() -> None:
    before = '{\n  // one\n  "a": 1, // of a\n  "b": {"c": []} // of b\n}\n'
    after = jsonc.put(jsonc.put(before, ("d", "e"), 2), ("b", "f"), "x")
    assert after == (
        '{\n  // one\n  "a": 1, // of a\n  "b": {"c": [], "f": "x"}, // of b\n  "d": {\n    "e": 2\n  }\n}\n'
    )
    assert jsonc.drop(after, ("d",)) == '{\n  // one\n  "a": 1, // of a\n  "b": {"c": [], "f": "x"} // of b\n}\n'
    assert jsonc.drop(before, ("a",)) == '{\n  // one\n // of a\n  "b": {"c": []} // of b\n}\n'


KEYS = st.sampled_from(["a", "b c", 'd"', "é"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(KEYS, below, max_size=3), max_leaves=6,
)  # fmt: skip
LAYOUTS: list[Callable[[Any], str]] = [
    lambda value: json.dumps(value),
    lambda value: json.dumps(value, indent="\t") + "\n",
    lambda value: json.dumps(value, indent=2).replace("\n", "\r\n"),
    lambda value: json.dumps(value, indent=2).replace("\n", "// , }\n").replace("{//", "{ //") + "/* the end */",
    lambda value: json.dumps(value, indent=2, separators=(" /* , */ ,", ":\n ")).replace("\n}", ",\n}", 0),
]


@given(st.dictionaries(KEYS, VALUES, max_size=3), st.sampled_from(LAYOUTS), st.lists(KEYS, min_size=1, max_size=3),
       VALUES)  # fmt: skip
def test_what_is_put_is_there_and_what_is_dropped_is_not_and_nothing_else_changes(
    value: dict[str, Any], layout: Callable[[Any], str], path: list[str], new: Any
) -> None:
    text = layout(value)
    assert jsonc.get(text, ()) == value
    expected = json.loads(json.dumps(value))
    inner = expected
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            with pytest.raises(ValueError, match="is not an object"):
                jsonc.put(text, path, new)
            return
    inner[path[-1]] = new
    changed = jsonc.put(text, path, new)
    assert jsonc.get(changed, ()) == expected
    del inner[path[-1]]
    assert jsonc.get(jsonc.drop(changed, path), ()) == expected


def test_a_flat_file_is_changed_where_the_key_stands() -> None:
    text = "a: 1\nlist:\n- x\n  y\n\n# mine\nb: 2"
    assert flat.get(text, ("list",), "yaml") == "- x\n  y"
    assert flat.put(text, ("list",), "3", "yaml") == "a: 1\nlist: 3\n\n# mine\nb: 2"
    assert flat.put(text, ("c",), "3", "yaml") == text + "\nc: 3\n"
    assert flat.drop(text, ("a",), "yaml") == "list:\n- x\n  y\n\n# mine\nb: 2"
    assert flat.put("export A=1\nB=2\n", ("A",), "'3'", "env") == "A='3'\nB=2\n"


def test_a_tool_that_is_started_once_hears_it_without_its_settings(home: Path) -> None:
    environ = {"HOME": str(home), "ANTHROPIC_API_KEY": "mine", "A": "1"}
    heard = {}
    for tool in ("claude", "opencode", "codex", "aider"):
        with told(wiring(tool, target(keyed=True)), "k", home / "note", environ) as (words, given):  # type: ignore[arg-type]
            heard[tool] = words, given
            if tool == "aider":
                assert json.loads(Path(words.pop()).read_text())["hosted_vllm/shop@1"]["max_input_tokens"] == 32768
    assert heard["claude"][0] == ["claude"]
    assert {name: heard["claude"][1].get(name) for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "A")} == {
        "ANTHROPIC_AUTH_TOKEN": "k", "ANTHROPIC_API_KEY": None, "A": "1"}  # fmt: skip
    assert json.loads(heard["opencode"][1]["OPENCODE_CONFIG_CONTENT"])["model"] == "sera/shop@1"
    assert heard["codex"][0][:5] == ["codex", "-c", 'model="shop@1"', "-c", 'model_provider="sera"']
    assert 'model_providers.sera.wire_api="responses"' in heard["codex"][0]
    assert heard["aider"][0] == ["aider", "--model", "hosted_vllm/shop@1", "--model-metadata-file"]
    assert heard["aider"][1]["HOSTED_VLLM_API_KEY"] == "k"
    assert not (home / "note").exists()


def test_zed_hears_it_by_its_settings_for_as_long_as_it_runs(home: Path) -> None:
    with told(wiring("zed", target()), "", home / "note", os.environ):
        assert "shop@1" in (home / FILES["zed"]).read_text()
    assert not (home / FILES["zed"]).exists()
    writing.write(wiring("zed", target()), home / "note", os.environ)
    with pytest.raises(writing.ConfigError, match="are written already"):  # noqa: SIM117
        with told(wiring("zed", target()), "", home / "note", os.environ):
            pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vim"], "there is no tool 'vim' to connect; take claude, opencode, codex, aider, mini or zed"),
        (["claude", "--write", "--undo"], "take one of --write, --undo and --launch"),
        (["claude", "--url", "ftp://x"], "'ftp://x' is no address of a server"),
        (["claude", "--url", 'http://x/"'], "is no address of a server"),
        (["claude", "--agent", "absent"], "no agent is called 'absent'"),
        (["claude", "--undo"], "nothing was written for it by --write"),
        (["claude", "--launch"], "there is no claude on PATH; Claude Code is installed so: npm install -g"),
    ],
)
def test_what_cannot_be_connected_is_one_line(
    home: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert run(["connect", *words]) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_is_the_tools_business_and_its_end_is_told() -> None:
    interrupt = "import os, signal, sys; os.kill(os.getppid(), signal.SIGINT); sys.exit(3)"
    assert attended([sys.executable, "-c", interrupt], os.environ) == 3
    assert attended(["sh", "-c", "kill -9 $$"], os.environ) == 137
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


CLIENT = """\
import http.client, json, os, sys
place = http.client.HTTPConnection(os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://"))
body = {"model": os.environ["ANTHROPIC_MODEL"], "max_tokens": 50, "messages": [{"role": "user", "content": "Go."}]}
def ask(key):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    place.request("POST", "/v1/messages", json.dumps(body), headers)
    answer = place.getresponse()
    return answer.status, json.loads(answer.read())
status, answer = ask(os.environ["ANTHROPIC_AUTH_TOKEN"])
open("heard", "w").write(json.dumps([sys.argv[1:], status, answer["content"][0]["text"], ask("none")[0]]))
sys.exit(7)
"""


def test_a_server_and_a_tool_start_together_and_end_together(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="needs the extra `train`, to answer")
    registry.register(config.home("data"), CARD, knowing(home / "taught", "Hello."))
    (home / "bin").mkdir()
    (home / "bin" / "claude").write_text(f"#!{sys.executable}\n{CLIENT}")
    (home / "bin" / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(home)
    assert run(["connect", "claude", "--launch", "--backend", "here", "--", "-p", "hi"]) == 7
    assert json.loads((home / "heard").read_text()) == [["-p", "hi"], 200, "Hello.", 401]
    assert where(config.home("data")) == {}
