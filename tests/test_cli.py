"""The door, as a person meets it: `run` is what `sera` does with its arguments, signals apart."""

import inspect
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from sera_cli import __main__ as door
from sera_cli import __version__, config, knobs
from sera_cli.agents import registry
from sera_cli.cli import options, runs
from sera_cli.cli.app import app
from sera_cli.errors import AuthError, BudgetReached, ConfigError, DataError, SandboxError, SeraError
from sera_cli.store import write
from sera_cli.types import AgentCard, Function, Sample

ROOT = Path(__file__).parent.parent
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path_factory.mktemp("home")))


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


def card(name: str = "shop", note: str = "") -> AgentCard:
    return AgentCard(
        name=name, version=0, created="2026-01-02T03:04:05Z", base="rehearsal-1", method="lora",
        repository="/home/me/shop", commit="0123456789abcdef", alpha=1.0, samples=40, data_digest="d" * 12,
        recipe="rehearsal", teacher="rehearsal", context=4096, rehearsal=True, scores={"loss_last": 0.25}, note=note,
    )


def registered(folder: Path, *cards: AgentCard) -> None:
    weights = folder / "weights"
    weights.mkdir()
    (weights / "adapter_config.json").write_text("{}")
    for one in cards:
        registry.register(config.home("data"), one, weights)


def sample(ident: str, *, kept: int = 3, heldout: bool = False) -> Sample:
    messages = ({"role": "user", "content": "Mend [it].", "train": False},
                {"role": "assistant", "content": "Mended.", "train": True})
    return Sample(id=ident, messages=messages, origin="first", kept=kept, steps=3, tokens=100, heldout=heldout)


def a_run(project: Path, name: str = "shop-01234567") -> Path:
    (project / ".git").mkdir(parents=True, exist_ok=True)
    folder = project / ".sera" / "runs" / name
    folder.mkdir(parents=True)
    function = Function(id="f" * 12, path="a.py", name="f", line=1, end_line=3, signature="f()")
    write(folder / "1-functions.jsonl", Function, [function])
    write(folder / "6-samples.jsonl", Sample, [sample("aaaa11112222"), sample("bbbb11112222", kept=2, heldout=True)])
    return folder


def test_the_version_is_one_line(capsys: Captured) -> None:
    assert sera("--version") == 0
    assert capsys.readouterr().out == f"sera {__version__}\n"


def test_help_opens_no_room() -> None:
    code = (
        "import sys\n"
        "from sera_cli.__main__ import run\n"
        "run(['--help'])\n"
        "heavy = {'pydantic', 'torch', 'transformers', 'trl', 'peft', 'datasets', 'httpcore', 'git', 'docker',\n"
        "         'jinja2', 'platformdirs', 'tenacity', 'unidiff', 'prompt_toolkit', 'tomli_w', 'numpy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "doctor" in done.stdout


@pytest.mark.parametrize("words", [(), ("agents",)])
def test_a_command_left_open_is_answered_with_help(words: tuple[str, ...], capsys: Captured) -> None:
    assert sera(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(" ".join(["Usage: sera", *words, "[OPTIONS] COMMAND [ARGS]..."]))


def test_a_mistyped_command_is_one_line_with_the_nearest(capsys: Captured) -> None:
    assert sera("docter") == 2
    assert capsys.readouterr().err == "error: No such command 'docter'. Did you mean 'doctor'?; see `sera --help`\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SeraError("it broke"), 1), (ConfigError("it broke"), 2), (DataError("it broke"), 1),
        (AuthError("it broke"), 4), (SandboxError("it broke"), 1), (BudgetReached("it broke"), 5),
    ],
)
def test_what_we_foresaw_is_one_line_and_its_code(
    error: SeraError, code: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    assert sera("doctor") == code
    assert capsys.readouterr() == ("", "error: it broke\n")


def test_with_json_an_error_is_the_one_document(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, DataError("torn\nand worn", Path("a.jsonl"), 7))
    assert sera("doctor", "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "error": {"kind": "DataError", "code": 1, "message": "a.jsonl:7: torn; and worn"}}
    assert said.err == "error: a.jsonl:7: torn; and worn\n"


@pytest.mark.parametrize(("number", "why"), [
    (28, "No space left on device"), (37, "No locks available"), (24, "Too many open files"),
])
def test_what_a_system_refuses_is_one_line(
    number: int, why: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OSError(number, why, "/runs/x"))
    assert sera("doctor") == 1
    assert capsys.readouterr().err == (
        f"error: /runs/x: {why}; mend that and run the same command again, what was done is kept\n")


def test_training_without_its_packages_is_one_line(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ModuleNotFoundError("No module named 'trl'", name="trl"))
    assert sera("doctor") == 1
    assert capsys.readouterr().err == "error: trl is not installed; run: pip install 'sera[train]'\n"
    failing(monkeypatch, ModuleNotFoundError("No module named 'sera_cli.gone'", name="sera_cli.gone"))
    with pytest.raises(ModuleNotFoundError):
        sera("doctor")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        sera("doctor")


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Has `sera doctor` end in `error`."""

    def examine() -> None:
        raise error

    monkeypatch.setattr("sera_cli.cli.doctor.examine", examine)


SLEEPER = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests under nohup has it ignored
from sera_cli import __main__ as door
from sera_cli.cli import doctor
door.GOING_ON = {goes_on}
def examine():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        {tidy}
doctor.examine = examine
door.main(["doctor"])
"""


def interrupted(tidy: str, *numbers: int, goes_on: bool = True) -> tuple[int, str]:
    """The exit status and stderr of a command that is sent these signals, one by one, after it has begun."""
    code = SLEEPER.format(tidy=tidy, goes_on={"doctor"} if goes_on else set())
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        for number in numbers:
            assert running.stdout.readline().startswith("begun")
            running.send_signal(number)
        _, said = running.communicate(timeout=30)
    return running.returncode, said


def test_ctrl_c_ends_with_130_and_one_line() -> None:
    code, said = interrupted("pass", signal.SIGINT)
    assert (code, said) == (130, f"\n{door.STOPPED}\n")


def test_of_a_command_that_goes_on_from_nothing_it_is_not_said_that_it_goes_on() -> None:
    assert interrupted("pass", signal.SIGINT, goes_on=False) == (130, "\nstopped (again: at once)\n")
    assert door.GOING_ON.isdisjoint(("chat", "serve", "connect", "deploy", "doctor"))
    assert set(typer.main.get_group(app).commands) >= door.GOING_ON


def test_sigterm_ends_with_143_and_the_same_line() -> None:
    code, said = interrupted("pass", signal.SIGTERM)
    assert (code, said) == (143, f"\n{door.STOPPED}\n")
    assert len(door.STOPPED) < 80


def test_a_terminal_that_is_gone_leaves_time_to_tidy_up() -> None:
    code, said = interrupted("__import__('os').write(2, b'tidied')", signal.SIGHUP)
    assert (code, said) == (129, f"\n{door.STOPPED}\ntidied")


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    tidy = "print('begun to tidy', flush=True); time.sleep(60)"
    code, said = interrupted(tidy, signal.SIGINT, signal.SIGINT)
    assert (code, said) == (130, f"\n{door.STOPPED}\n")


@pytest.mark.parametrize(
    "code",
    [
        "from sera_cli.__main__ import main; main(['config', 'show', '--json'])",
        "from sera_cli import console; console.exactly('+x\\n' * 100_000)",
    ],
)
def test_a_reader_that_leaves_early_hears_no_complaint(code: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_what_stdout_has_no_letters_for_is_escaped(tmp_path: Path) -> None:
    patch = "".join(f"--- a/{name}\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n" for name in ("é", "日"))
    (tmp_path / "a.patch").write_text(patch, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sera_cli", "data", "recall", tmp_path / "a.patch", tmp_path / "a.patch"], cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()[-2:]] == ["\\xe9", "\\u65e5"]


def test_where_stdout_takes_no_more_the_error_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sera_cli", "config", "show", "--json"], cwd=ROOT, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: No space left on device")


def test_every_flag_of_a_knob_is_an_option_of_the_road() -> None:
    flags = {knobs.flag_of(field).removeprefix("--").replace("-", "_") for _, field in knobs.knobs()} - {""}
    assert flags <= set(inspect.signature(options.ask).parameters)
    asked = options.ask(Path(), alpha=0.5, teacher="rehearsal", general=["/a b/g.jsonl", "ai2/sera@v1.0"], jobs=2)
    assert {key for key, _ in knobs.knobs()} >= set(asked.flags)
    settings = asked.settings()
    assert settings.config.mix == knobs.Mix(alpha=0.5, general="'/a b/g.jsonl' ai2/sera@v1.0")
    assert (settings.origins["rollout.jobs"], settings.origins["mix.general"]) == ("--jobs", "--general")


def test_a_general_file_is_taken_from_the_folder_the_command_was_typed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert options.ask(Path(), general=["g.jsonl"]).flags["mix.general"] == str(tmp_path / "g.jsonl")


def test_init_writes_a_config_that_git_ignores_and_keeps_an_edited_one(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    assert sera("init", tmp_path / "src") == 0
    written = tmp_path / ".sera" / "config.toml"
    assert capsys.readouterr().out == f"{written}\n"
    assert (tmp_path / ".sera" / ".gitignore").read_text() == "*\n"
    written.write_text("[mix]\nalpha = 0.75\n")
    assert sera("init", tmp_path) == 2
    assert capsys.readouterr().err == f"error: {written} is there already; --force writes over it\n"
    assert config.resolve(tmp_path).config.mix.alpha == 0.75
    assert sera("init", tmp_path, "--force") == 0
    assert config.resolve(tmp_path).config.mix.alpha == 1.0


def test_config_show_tells_values_and_where_they_come_from(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / ".sera").mkdir()
    (tmp_path / ".sera" / "config.toml").write_text('[teacher]\nmodel = "openai:glm"\n')
    assert sera("config", "show", tmp_path, "--origin") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["teacher.model", '"openai:glm"', str(tmp_path / ".sera" / "config.toml")] in rows
    assert ["rollout.steps", "115", "default"] in rows
    assert sera("config", "show", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["teacher"]["model"] == "openai:glm"


def test_config_path_names_the_files(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / ".git").mkdir()
    assert sera("config", "path", tmp_path) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path}/.sera/config.toml (not there)\n{os.environ['SERA_HOME']}/config/config.toml (not there)\n")


@pytest.mark.parametrize("words", [(), ("agents",), ("runs",), ("data",), ("deploy",), ("env",), ("config",)])
def test_no_command_is_told_of_in_half_a_sentence(words: tuple[str, ...], capsys: Captured) -> None:
    assert sera(*words, "--help") == 0
    told = capsys.readouterr().out.partition("Commands:\n")[2]
    assert told and "..." not in told


@pytest.mark.parametrize("words", [("config", "show"), ("runs", "list", "-C"), ("clean",), ("init",)])
def test_a_project_that_is_not_there_is_told_from_an_empty_one(
    words: tuple[str, ...], tmp_path: Path, capsys: Captured
) -> None:
    assert sera(*words, tmp_path / "shp") == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/shp: no such folder; name that of a project\n"


def test_runs_list_counts_what_each_stage_made(tmp_path: Path, capsys: Captured) -> None:
    folder = a_run(tmp_path)
    assert sera("runs", "list", "-C", tmp_path, "--json") == 0
    stages = {"functions": 1, "explored": 0, "issues": 0, "reproduced": 0, "verdicts": 0, "samples": 2}
    [said] = json.loads(capsys.readouterr().out)
    assert (said["name"], said["path"], said["stages"]) == ("shop-01234567", str(folder), stages)
    assert (said["state"], said["holder"], said["adapter"], said["age"] < 600) == ("stopped", "", False, True)
    assert said["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    assert sera("runs", "list", "-C", tmp_path) == 0
    assert "shop-01234567" in capsys.readouterr().out


def test_a_project_without_runs_is_told_how_to_begin_one(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / ".git").mkdir()
    assert sera("runs", "list", "-C", tmp_path) == 0
    assert capsys.readouterr() == ("", "no runs here yet; begin one with: sera specialize REPO\n")
    assert sera("runs", "show", "x", "-C", tmp_path) == 2
    assert capsys.readouterr().err == "error: no run 'x' here; there are none yet\n"


def test_a_mistyped_run_is_told_the_nearest(tmp_path: Path, capsys: Captured) -> None:
    a_run(tmp_path)
    assert sera("runs", "show", "shop-0123456", "-C", tmp_path) == 2
    assert capsys.readouterr().err == "error: no run 'shop-0123456' here; the nearest is shop-01234567\n"


def test_runs_show_holds_the_settings_and_the_report(tmp_path: Path, capsys: Captured) -> None:
    folder = a_run(tmp_path)
    (folder / "settings.json").write_text('{"sera": 1, "stages": {"mine": {"seed": 3}}}')
    report = {
        "agent": "shop@1", "recall": {"mean": 0.5}, "seconds": {"mine": 1.2, "train": 60.6},
        "loss": {"first": 2.0, "last": 1.25, "heldout_base": None, "heldout_agent": None},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    assert sera("runs", "show", folder.name, "-C", tmp_path, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["settings"], said["report"]) == ({"mine": {"seed": 3}}, report)
    assert sera("runs", "show", folder.name, "-C", tmp_path) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in ("mine seed 3", "mean recall 0.5", "loss first 2.000, last 1.250", "agent shop@1",
                "seconds mine 1, train 61"):
        assert row.split() in rows


def test_runs_rm_deletes_only_after_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_run(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert sera("runs", "rm", folder.name, "-C", tmp_path) == 1
    assert folder.is_dir()
    assert sera("runs", "rm", folder.name, "-C", tmp_path, "--yes") == 0
    assert not folder.exists()


def test_a_torn_line_is_not_counted_as_a_record(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"sera": 1}\n{}\n{}\n{"to')
    assert runs.count(tmp_path / "x.jsonl") == 2


def test_agents_are_listed_shown_found_and_removed(tmp_path: Path, capsys: Captured) -> None:
    registered(tmp_path, card(), card(), card("web"))
    assert sera("agents", "list", "--json") == 0
    assert [row["agent"] for row in json.loads(capsys.readouterr().out)] == ["shop@1", "shop@2", "web@1"]
    assert sera("agents", "list") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[2] == ["shop@2", "shop", "01234567", "rehearsal-1", "lora", "40", "1.0", "rehearsal", "2026-01-02"]
    assert sera("agents", "path", "shop") == 0
    newest = Path(capsys.readouterr().out.strip())
    assert newest == config.home("data") / "agents" / "shop" / "2"
    assert (newest / "adapter_config.json").is_file()
    assert sera("agents", "rm", "shop", "-y") == 2
    assert capsys.readouterr().err == "error: shop has several versions (shop@1, shop@2); say which one\n"
    assert sera("agents", "rm", "shop@2", "-y") == 0
    assert not newest.exists()
    assert sera("agents", "rm", "web", "-y") == 0
    capsys.readouterr()
    assert sera("agents", "list", "--json") == 0
    assert [row["agent"] for row in json.loads(capsys.readouterr().out)] == ["shop@1"]


def test_an_agents_card_is_shown_line_by_line(tmp_path: Path, capsys: Captured) -> None:
    registered(tmp_path, card(note="a toy that proves the road"))
    assert sera("agents", "show", "shop") == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"agent shop@1", "alpha 1.0", "loss last 0.250", "note a toy that proves the road"} <= set(said)


def test_without_agents_the_way_to_one_is_said(capsys: Captured) -> None:
    assert sera("agents", "list") == 0
    assert capsys.readouterr().err == "no agents yet; make one with: sera specialize REPO\n"
    assert sera("agents", "show", "shop") == 2


def test_every_command_explains_itself(capsys: Captured) -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups if group.typer_instance}
    verbs = [[command.name or command.callback.__name__] for command in app.registered_commands if command.callback]
    verbs += [[str(name), command.name or command.callback.__name__] for name, group in groups.items()
              for command in group.registered_commands if command.callback]
    assert len(verbs) > 10
    for verb in verbs:
        assert sera(*verb, "--help") == 0
        said = capsys.readouterr().out
        assert "Usage: sera " + " ".join(verb) in said
        assert len(said.splitlines()[2].strip()) > 10


