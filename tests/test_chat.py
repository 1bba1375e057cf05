"""Chat, the turn and the command, with a scripted agent in place of the weights."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from sera_cli.__main__ import run
from sera_cli.agents.chat import turn
from sera_cli.agents.registry import register
from sera_cli.cli import chat
from sera_cli.cli.talk import commands
from sera_cli.cli.talk.answering import Setting, Who
from sera_cli.config import home
from sera_cli.errors import AuthError, ConfigError
from sera_cli.export import export
from sera_cli.git import open_repository
from sera_cli.harness.loop import Limits
from sera_cli.harness.money.prices import LOCAL
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.harness.tools import Toolbox
from sera_cli.types import AgentCard, Message, Reply
from tests.chat_server import Answer, completion, serving
from tests.conftest import commit
from tests.scripted import Scripted, calls, says

CARD = AgentCard(
    name="shop", version=1, created="", base="rehearsal-1", method="lora", repository="shop", commit="c", alpha=1.0,
    samples=1, data_digest="d", recipe="r", teacher="rehearsal", context=4096,
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    commit(folder)
    return folder


def let(monkeypatch: pytest.MonkeyPatch, agent: Scripted) -> None:
    def answering(name: str, setting: Setting, *, context: int = 0) -> AbstractContextManager[Who]:
        return nullcontext(Who(name or "shop@1", agent, context, price=LOCAL))

    monkeypatch.setattr(commands, "answering", answering)


EDIT = calls("str_replace_editor", command="str_replace", path="/testbed/a.py", old_str="x = 1", new_str="x = 2")
LOOK = calls("bash", command="cat a.py")
SUBMIT = calls("submit")
PATCH = ["-x = 1", "+x = 2"]


def test_a_prompt_gives_the_patch_and_leaves_the_files_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let(monkeypatch, Scripted(LOOK, EDIT, SUBMIT))
    assert run(["chat", str(repository), "-a", "shop", "-p", "Make x 2.", "--sandbox", "folder"]) == 0
    said = capsys.readouterr()
    assert [line for line in said.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")] == PATCH
    shown = said.err.splitlines()
    assert shown.index("$ cat a.py") < shown.index("    x = 1")
    assert (repository / "a.py").read_text() == "x = 1\n"
    applied = subprocess.run(["git", "-C", str(repository), "apply"], input=said.out, text=True, check=True)
    assert (applied.returncode, (repository / "a.py").read_text()) == (0, "x = 2\n")


def test_a_patch_beside_a_secret_fits_the_users_files(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "a.py").write_text('x = 1\npassword = "x8Kq2mZp4w"\n')
    commit(repository)
    let(monkeypatch, Scripted(LOOK, EDIT, SUBMIT))
    assert run(["chat", str(repository), "-a", "shop", "-p", "Make x 2.", "--sandbox", "folder"]) == 0
    said = capsys.readouterr()
    assert "x8Kq2mZp4w" not in said.err
    subprocess.run(["git", "-C", str(repository), "apply"], input=said.out, text=True, check=True)
    assert (repository / "a.py").read_text() == 'x = 2\npassword = "x8Kq2mZp4w"\n'


def test_with_json_each_thing_that_happens_is_a_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let(monkeypatch, Scripted(EDIT, says("That is all.")))
    assert run(["chat", str(repository), "-p", "Make x 2.", "--sandbox", "folder", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in told] == ["reply", "call", "result", "reply", "end"]
    assert (told[1]["id"], told[1]["arguments"]["old_str"]) == (told[2]["id"], "x = 1")
    assert (told[3]["text"], told[3]["problem"]) == ("That is all.", "")
    end = told[-1]
    assert (end["agent"], end["steps"], end["exit"]) == ("shop@1", 2, None)
    assert end["patch"].endswith("-x = 1\n+x = 2\n")
    assert end["usage"]["shop@1"]["prompt"] == 11


def test_a_prompt_that_comes_to_no_end_has_an_exit_code_of_its_own(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let(monkeypatch, Scripted(EDIT, LOOK))
    monkeypatch.setenv("SERA_ROLLOUT_STEPS", "3")
    assert run(["chat", str(repository), "-p", "Make x 2.", "--sandbox", "folder"]) == 1
    said = capsys.readouterr()
    assert said.out.endswith("-x = 1\n+x = 2\n")
    assert "the agent did not come to an end (limit); what it changed so far is there" in said.err


def test_an_error_is_the_last_event(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let(monkeypatch, Scripted(AuthError("the key was refused")))
    assert run(["chat", str(repository), "-p", "Make x 2.", "--sandbox", "folder", "--json"]) == 4
    said = capsys.readouterr()
    assert json.loads(said.out) == {"event": "error", "kind": "AuthError", "code": 4, "message": "the key was refused"}
    assert said.err.splitlines()[-1] == "error: the key was refused"


def test_json_without_a_prompt_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chat", str(repository), "--json"]) == 2
    assert capsys.readouterr().err == "error: --json tells what comes of a prompt; say what to do with --prompt\n"


@pytest.mark.parametrize("lines", ['[rollout]\nsandbox = "folder"\n', "[env]\nnetwork = true\n"])
def test_a_repository_cannot_let_the_agent_out(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: str
) -> None:
    let(monkeypatch, Scripted())
    (repository / ".sera").mkdir()
    (repository / ".sera" / "config.toml").write_text(lines)
    commit(repository)
    assert run(["chat", str(repository), "-p", "Make x 2."]) == 2
    assert "is part of the repository; say it yourself, with" in capsys.readouterr().err


@pytest.mark.parametrize("lines", ['[teacher]\nurl = "http://192.0.2.7/v1"\n', '[teacher]\nflags = "--x"\n'])
def test_a_repository_cannot_say_where_code_and_keys_go(
    repository: Path, capsys: pytest.CaptureFixture[str], lines: str
) -> None:
    (repository / ".sera").mkdir()
    (repository / ".sera" / "config.toml").write_text(lines)
    commit(repository)
    assert run(["chat", str(repository), "-m", "openai:some", "-p", "Make x 2.", "--sandbox", "folder"]) == 2
    assert "is part of the repository; say it yourself, with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--here", "-p", "x"], "--here asks about each command and edit, and nobody is at the terminal; leave it out"),
        (["--here", "--at", "HEAD~0"], "--here works on the files as they are, not at HEAD~0; leave one of the two"),
        (["--here", "--yolo"], "--yolo asks for nothing, so it is for the sandbox; leave it out here"),
        (["--resume", "last"], "no conversation is kept in"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    repository: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["chat", str(repository), *options]) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_what_is_set_to_be_offline_is_so_in_a_chat_too(repository: Path, tmp_path: Path) -> None:
    program = """
import socket, sys
from sera_cli.__main__ import run
from sera_cli.cli.talk import commands
commands.answering = lambda *_, **__: socket.create_connection(("192.0.2.7", 443), 1)
sys.exit(run(["chat", sys.argv[1], "-p", "x", "--sandbox", "folder"]))
"""
    environment = os.environ | {"SERA_PRIVACY_OFFLINE": "true", "SERA_HOME": str(tmp_path)}
    command = [sys.executable, "-c", program, str(repository)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 2
    assert "error: offline: no connection to 192.0.2.7; " in done.stderr


def message(text: str) -> Answer:
    usage = {"input_tokens": 10, "output_tokens": 3}
    said = [{"type": "text", "text": text}]
    return Answer(200, {"id": "m", "content": said, "stop_reason": "end_turn", "usage": usage})


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_model_behind_an_api_answers_as_an_agent_does(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    answer = completion({"content": "Done."}) if kind == "openai" else message("Done.")
    with serving(lambda _: answer) as server:
        monkeypatch.setenv(f"{kind.upper()}_API_KEY", "key-of-a-test")
        monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
        options = ["-m", f"{kind}:some", "--url", server.url, "-p", "What is x?", "--sandbox", "folder"]
        assert run(["chat", str(repository), *options]) == 0
    assert server.asked[0]["stream"] is True
    assert "Done." in capsys.readouterr().err.splitlines()


def test_a_limit_of_dollars_holds_in_a_chat(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-a-test")
    monkeypatch.setenv("SERA_COST_MAX", "0.5")
    options = ["-m", "openai:some", "-p", "What is x?", "--sandbox", "folder"]
    with serving(lambda _: completion({"content": "Done."})) as server:
        home("config").mkdir(parents=True)
        (home("config") / "prices.toml").write_text("[some]\ninput = 100000\ncached = 0\noutput = 0\n")
        assert run(["chat", str(repository), *options, "--url", server.url]) == 5
        assert server.asked == []
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: $0.00 of $0.50 are spent, and the next call may")
    assert run(["chat", str(repository), *options[:1], "openai:other", *options[2:]]) == 2
    assert "nobody has said what openai:other costs, so --max-cost cannot hold it" in capsys.readouterr().err


def test_a_model_of_our_own_server_answers_and_the_server_is_gone_afterwards(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double = Path(__file__).parent / "vllm_double.py"
    monkeypatch.setenv("SERA_VLLM_CMD", f"{shlex.quote(sys.executable)} {shlex.quote(str(double))}")
    assert run(["chat", str(repository), "-m", "vllm:fine", "-p", "Who are you?", "--sandbox", "folder"]) == 0
    said = capsys.readouterr().err.splitlines()
    (process,) = [line for line in said if line.isdigit()]
    assert not (Path("/proc") / process).exists()


def test_lines_of_a_pipe_are_turns_of_one_conversation(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    agent = Scripted(says("Hello."), EDIT, says("Done."))
    let(monkeypatch, agent)
    (tmp_path / "said").write_text("Who are you?\n\nMake x 2.\n")
    with (tmp_path / "said").open() as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        assert run(["chat", str(repository), "--sandbox", "folder"]) == 0
    assert [message["role"] for message in agent.heard[1]] == ["system", "user", "assistant", "user"]
    assert agent.heard[1][-1]["content"] == "Make x 2."
    assert (shown := capsys.readouterr().err.splitlines()).count("Hello.") == 1
    assert not any("tool call" in line for line in shown)
    kept = repository / ".sera" / "chat.patch"
    assert kept.read_text().endswith("-x = 1\n+x = 2\n")
    assert shown[-1] == (
        f"what was changed is in {kept}; take it over with: git -C {repository} apply {kept}")


SLASHES = ("/add a.py none.py", "Make x 2.", "/diff", "/cost", "/save fix", "/resume", "/nothing", "/undo", "/diff")


def test_slash_commands_work_in_a_pipe_too(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    let(monkeypatch, Scripted(EDIT, says("Done.")))
    (tmp_path / "said").write_text("\n".join(SLASHES))
    with (tmp_path / "said").open() as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        assert run(["chat", str(repository), "--sandbox", "folder", "--context", "8000"]) == 0
    shown = capsys.readouterr().err.splitlines()
    assert "Here are lines 1 to 1 of /testbed/a.py, which has 1:" in shown
    assert "The path /testbed/none.py does not exist." in shown
    assert shown.count("+x = 2") == 2
    assert "shop@1: 11 tokens read, 5 of them cached, 3 written, $0.0000" in shown
    assert "context: about 1 of 8,000 (0 %) tokens" in shown
    assert "1 fix  Make x 2." in shown
    assert "there is no /nothing; /help tells what there is" in shown
    assert shown[-2:] == ["taken back: Make x 2.; /redo puts it back", "nothing is changed"]


def typed(
    lines: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What is shown of a chat that is told these lines by a pipe."""
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert run(["chat", str(repository), "--sandbox", "folder"]) == 0
    return capsys.readouterr().err.splitlines()


def test_another_model_takes_over_and_knows_what_was_said(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Scripted(says("I am the first.")), Scripted(says("I am the second."))
    closed: list[str] = []

    @contextmanager
    def answering(name: str, setting: Setting, *, context: int = 0) -> Iterator[Who]:
        if name == "none":
            raise ConfigError("there is no agent called none")
        yield Who(name or "first", second if name else first, context, price=LOCAL)
        closed.append(name or "first")

    monkeypatch.setattr(commands, "answering", answering)
    shown = typed("Hello\n/model none\n/model second\nWho?\n/model\n", repository, monkeypatch, capsys)
    assert [line for line in shown if line.startswith(("I am", "error", "second"))] == [
        "I am the first.", "error: there is no agent called none", "second answers from now on", "I am the second.",
        "second answers. /model NAME takes another: no agents yet, or openai:, anthropic: or vllm:MODEL"]
    assert [message["content"] for message in second.heard[0][2:]] == ["I am the first.", "Who?"]
    assert closed == ["first", "second"]


def test_what_was_changed_in_the_copy_is_committed_in_the_checkout_and_an_old_chat_taken_up(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("user.name", "A Person"), ("user.email", "person@example.com")):
        subprocess.run(["git", "config", name, value], cwd=repository, check=True)
    let(monkeypatch, Scripted(EDIT, says("Done.")))
    shown = typed("Make x 2.\n/commit Two it is\n/diff\n/commit\n/save two\n", repository, monkeypatch, capsys)
    assert (repository / "a.py").read_text() == "x = 2\n"
    log = subprocess.run(["git", "log", "-1", "--format=%s"], cwd=repository, capture_output=True, text=True)
    assert log.stdout == "Two it is\n"
    assert shown.count("nothing is changed") == 2
    let(monkeypatch, agent := Scripted(says("As before.")))
    shown = typed("/resume two\nWhat did I say?\n/think\n/add\n/quit\nnot heard\n", repository, monkeypatch, capsys)
    assert shown[:2] == ["note: commands are not isolated from this machine here; see `sera doctor`",
                         "going on with two: Make x 2."]
    assert agent.heard[0][-1]["content"] == "What did I say?"
    assert "Make x 2." in agent.heard[0][1]["content"]
    assert shown[-2:] == ["thinking is shown as it comes", "error: say which file: /add PATH"]
    assert len(agent.heard) == 1


def test_an_answer_in_words_ends_the_turn_and_stays_in_the_conversation(repository: Path, tmp_path: Path) -> None:
    export(open_repository(repository), tmp_path / "base")
    messages: list[Message] = []
    heard: list[str] = []
    with FolderSandbox(tmp_path / "base") as sandbox:
        toolbox = Toolbox(sandbox)
        agent = Scripted(LOOK, says("It is 1."), SUBMIT)
        first = list(turn("What is x?", agent, toolbox, messages, Limits(), on_reply=lambda _: heard.append("reply")))
        assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
        assert (len(first), heard) == (2, ["reply", "reply"])
        second = list(turn("Submit.", agent, toolbox, messages, Limits(), on_reply=lambda _: heard.append("reply")))
    assert messages[5] == {"role": "user", "content": "Submit."}
    assert second[-1].exit == "submitted"


def test_ctrl_c_gives_no_half_patch_to_a_pipe(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: list[Message]) -> Reply:
        raise KeyboardInterrupt

    let(monkeypatch, Scripted(EDIT, interrupted))
    assert run(["chat", str(repository), "-p", "Make x 2.", "--sandbox", "folder"]) == 130
    assert capsys.readouterr().out == ""


def test_a_bare_repository_is_left_as_it_is(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    before = sorted(path.name for path in bare.iterdir())
    let(monkeypatch, Scripted(EDIT, says("Done.")))
    assert run(["chat", str(bare), "-p", "Make x 2.", "--sandbox", "folder"]) == 0
    assert capsys.readouterr().out.endswith("-x = 1\n+x = 2\n")
    assert sorted(path.name for path in bare.iterdir()) == before
    assert run(["chat", str(bare), "--here"]) == 2
    assert "--here needs a checkout, and this repository is bare" in capsys.readouterr().err


def test_without_a_name_the_only_agent_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigError, match="no agents yet; make one with: sera specialize REPO"):
        chat.chosen("")
    (tmp_path / "weights").mkdir()
    register(home("data"), CARD, tmp_path / "weights")
    register(home("data"), CARD, tmp_path / "weights")
    assert chat.chosen("").version == 2
    register(home("data"), CARD.model_copy(update={"name": "web"}), tmp_path / "weights")
    with pytest.raises(ConfigError, match="say which agent: --agent shop or web"):
        chat.chosen("")
