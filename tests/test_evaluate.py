"""`sera eval` as a person types it: the tiny instance, real sandboxes and tests, a scripted model behind real HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli import store
from sera_cli.agents import registry
from sera_cli.cli.chat import chosen
from sera_cli.cli.evaluation import evaluating
from sera_cli.errors import ConfigError
from sera_cli.evaluate.grade import Grade
from sera_cli.evaluate.report import read
from sera_cli.harness.sandbox import bubblewrap
from sera_cli.harness.vllm import launch
from sera_cli.types import Trajectory
from tests import tiny
from tests.chat_server import Answer, Body, Server, completion, serving
from tests.conftest import ROOT

pytest.importorskip("swebench")
pytestmark = pytest.mark.skipif(bool(bubblewrap.probe()), reason=f"needs bubblewrap: {bubblewrap.probe()}")

Captured = pytest.CaptureFixture[str]
FIX = f"cat > tally.py <<'END'\n{tiny.FIXED}END"
WRONG = "echo '# nothing' >> tally.py"


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def known_instances(own_home: Path, one_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was validated once need not be in every test."""
    monkeypatch.setenv("SERA_HOME", str(one_home))


class Place:
    """A folder with a project to type commands in, clones, and a dataset of `count` instances that are alike."""

    def __init__(self, folder: Path, count: int = 1, **changed: Any) -> None:
        self.project, self.repos, self.dataset = folder / "project", folder / "clones", folder / "tiny.jsonl"
        self.project.mkdir()
        repo = tiny.repository(self.repos)
        config = tiny.row(repo)["install_config"] | {"test_cmd": tiny.COMMAND}
        rows = [tiny.row(repo, **{"instance_id": f"tiny__tally-{number}", "install_config": config, **changed})
                for number in range(1, count + 1)]  # fmt: skip
        self.dataset.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def words(self, *more: object) -> list[str]:
        where = ["-C", self.project, "--dataset", self.dataset, "--repos", self.repos, "--venv", sys.prefix]
        return ["eval", *map(str, [*where, "-j", 2, *more])]

    def sera(self, *more: object) -> int:
        return door.run(self.words(*more))

    def folder(self, name: str = "") -> Path:
        """The evaluation of that name, or the only one there is."""
        found = self.project / ".sera" / "evals"
        return found / name if name else next(found.iterdir())


def says(command: str) -> Answer:
    name, arguments = ("submit", {}) if command == "submit" else ("bash", {"command": command})
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return completion({"content": "", "tool_calls": [call]})


def scripted(*commands: str) -> Callable[[Body], Answer]:
    """The first command in the first turn, and so on; then it submits."""

    def answer(body: Body) -> Answer:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return says(commands[turn] if turn < len(commands) else "submit")

    return answer


def absent(environ: Mapping[str, str]) -> tuple[str, ...]:
    raise ConfigError("there is no vllm")


def dear(prompt: int, *, more: int = 0, made: int = 3) -> Callable[[Body], Answer]:
    """Fixes it; so many tokens are in a prompt, `more` of them in each further turn, and `made` in a reply."""

    def answer(body: Body) -> Answer:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        told = scripted(FIX)(body)
        assert isinstance(told.body, dict)
        told.body["usage"] |= {"prompt_tokens": prompt + more * turn, "completion_tokens": made}
        return told

    return answer


def model(server: Server) -> list[str]:
    return ["--model", "openai:glm", "--url", server.url]


def verdicts(place: Place, name: str = "") -> dict[str, str]:
    return dict(read(place.folder(name)).totals["instances"])


def test_the_gold_patch_resolves_and_an_empty_one_does_not(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, 2)
    assert place.sera("--predictions", "gold", "--limit", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    counts = {
        "resolved": 1, "unresolved": 0, "infra": 0, "unvalidated": 0, "total": 1,
        "instances": {"tiny__tally-1": "resolved"},
    }  # fmt: skip
    assert {key: told[key] for key in counts} == told["seeds"]["0"] == counts
    assert (told["score"], told["reasons"]) == (1.0, {"unvalidated": {}, "infra": {}})
    assert told["interval"]["low"] <= 1.0 == told["interval"]["high"]
    assert told["report"] == str(place.folder() / "report.json")
    assert place.sera("--predictions", "empty", "--instances", "*-1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["instances"] == {"tiny__tally-1": "unresolved"}


def test_predictions_of_a_file_are_graded_and_what_does_not_match_is_said(tmp_path: Path, capsys: Captured) -> None:
    place, file = Place(tmp_path, 3), tmp_path / "preds.json"
    gold = json.loads(place.dataset.read_text().splitlines()[0])["patch"]
    file.write_text(json.dumps({
        "tiny__tally-1": {"model_patch": gold, "model_name_or_path": "glm"}, "tiny__tally-2": {"model_patch": None},
        "other__x-1": {"model_patch": gold},
    }))  # fmt: skip
    assert place.sera("--predictions", file, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["instances"] == {"tiny__tally-1": "resolved", "tiny__tally-2": "unresolved"}
    assert "note: 1 prediction left out, for no such instance is chosen: other__x-1, say" in told.err
    assert "note: 1 instance left out, for which nothing is predicted" in told.err
    assert read(place.folder()).model.startswith("glm ")


def test_a_model_behind_http_solves_instances_and_a_second_run_asks_it_nothing(
    tmp_path: Path, capsys: Captured
) -> None:
    place = Place(tmp_path, 3)
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server), "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["resolved"], told["total"], set(told["instances"].values())) == (3, 3, {"resolved"})
        asked = len(server.asked)
        assert asked == 9
        assert place.sera(*model(server), "--json") == 0
        assert (json.loads(capsys.readouterr().out), len(server.asked)) == (told, asked)
    folder = place.folder()
    rows = [json.loads(line) for line in (folder / "preds-0.jsonl").read_text().splitlines()]
    assert [row["instance_id"] for row in rows] == ["tiny__tally-1", "tiny__tally-2", "tiny__tally-3"]
    assert {row["model_name_or_path"] for row in rows} == {"openai:glm"}
    assert all(row["model_patch"].startswith("diff --git a/tally.py b/tally.py") for row in rows)
    trace = json.loads((folder / "trajs" / "0" / "tiny__tally-2" / "tiny__tally-2.traj.json").read_text())
    assert (trace["info"]["exit_status"], trace["info"]["submission"]) == ("Submitted", rows[1]["model_patch"])
    report = read(folder)
    one = report.results["tiny__tally-1"][0]
    assert (report.bench, report.model, report.seeds) == ("tiny", "openai:glm", (0,))
    assert (one.verdict, one.score, one.exit, one.steps, one.tokens.prompt) == ("resolved", 1.0, "submitted", 3, 30)
    assert report.summary["mean"] == 1.0


def test_nothing_of_the_fix_can_be_seen_in_a_rollout(tmp_path: Path) -> None:
    place = Place(tmp_path)
    looks = "git log --all --oneline | wc -l; git tag; ls /testbed; cat /testbed/tests/test_tally.py; ls " + str(
        place.repos)  # fmt: skip
    with serving(scripted(looks, WRONG)) as server:
        assert place.sera(*model(server)) == 0
    seen = next(iter(store.read(place.folder() / "solved.jsonl", Trajectory).values())).messages[3]["content"]
    assert seen.splitlines()[1] == "1"
    assert "v2" not in seen and "taken_away" not in seen and "tiny__tally" not in seen.splitlines()[-1].split(":")[0]
    assert verdicts(place) == {"tiny__tally-1": "unresolved"}


def test_more_seeds_and_more_instances_go_on_with_what_there_is(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, 2)
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server), "--limit", "1") == 0
        assert place.sera(*model(server), "--seeds", "2", "--json") == 0
    told = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert (told["resolved"], told["total"]) == (4, 4)
    assert told["seeds"]["1"]["instances"] == {"tiny__tally-1": "resolved", "tiny__tally-2": "resolved"}
    records = list(store.scan(place.folder() / "graded.jsonl", Grade))
    assert (len(records), len({one.id for one in records})) == (4, 4)
    assert {body["seed"] for body in server.asked} == {body["seed"] for body in server.asked[:3]} | {
        body["seed"] for body in server.asked[3:]}  # fmt: skip
    assert len({body["seed"] for body in server.asked}) == 4


def test_a_narrower_second_look_tells_what_was_asked_and_takes_nothing_back(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, 2)
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server), "--seeds", "2") == 0
        kept = {name: (place.folder() / name).read_bytes() for name in ("report.json", "preds-1.jsonl")}
        capsys.readouterr()
        assert place.sera(*model(server), "--instances", "*-2", "--json") == 0
        assert json.loads(capsys.readouterr().out)["instances"] == {"tiny__tally-2": "resolved"}
    assert {name: (place.folder() / name).read_bytes() for name in kept} == kept
    report = read(place.folder())
    assert (report.seeds, report.totals["total"], report.summary["attempts"]) == ((0, 1), 4, 4)
    assert len((place.folder() / "instances.jsonl").read_text().splitlines()) == 2


def test_patches_that_were_graded_before_stay_in_the_report(tmp_path: Path) -> None:
    place = Place(tmp_path, 2)
    for number in (1, 2):
        assert place.sera("--predictions", "gold", "--instances", f"*-{number}") == 0
    assert verdicts(place) == {"tiny__tally-1": "resolved", "tiny__tally-2": "resolved"}
    assert len((place.folder() / "preds-0.jsonl").read_text().splitlines()) == 2


def test_an_evaluation_is_not_gone_on_with_under_other_settings(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path)
    assert place.sera("--predictions", "empty", "--run", "mine") == 0
    assert place.sera("--predictions", "gold", "--run", "mine") == 2
    told = capsys.readouterr().err
    assert 'run mine was begun with other settings: predictions (was "empty", now "gold")' in told


def test_a_server_that_breaks_is_no_failure_of_the_model(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path)
    with serving(lambda body: Answer(400, {"error": {"message": "this model is being moved"}})) as server:
        assert place.sera(*model(server), "--json") == 1
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert (said["instances"], said["score"], said["interval"]) == ({"tiny__tally-1": "infra"}, None, None)
    assert "this model is being moved" in said["reasons"]["infra"]["tiny__tally-1"]
    assert "error: nothing was graded: 1 attempt broke; mend that, then --retry-failed" in told.err
    assert read(place.folder()).results["tiny__tally-1"][0].score is None
    assert not (place.folder() / "preds-0.jsonl").exists()
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server)) == 1
        assert place.sera(*model(server), "--retry-failed") == 0
    assert verdicts(place) == {"tiny__tally-1": "resolved"}


def test_a_run_in_which_everything_breaks_is_stopped_and_says_what_to_do(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "HOPELESS", 3)
    place = Place(tmp_path)
    with serving(lambda body: Answer(400, {"error": {"message": "this model is being moved"}})) as server:
        assert place.sera(*model(server), "--seeds", "9", "-j", "1") == 1
        assert len(server.asked) < 9
    assert "3 attempts in a row broke; the last: " in capsys.readouterr().err
    assert read(place.folder()).totals["infra"] >= 3


def test_an_agent_of_the_registry_is_served_for_as_long_as_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_home: Path
) -> None:
    """One that knows a single reply by heart, the fix; so it has one step."""
    pytest.importorskip("transformers", reason="needs the extra `train`, to answer")
    from tests.by_heart import knowing
    from tests.test_chat import CARD

    monkeypatch.setattr(launch, "command", absent)
    call = json.dumps({"name": "bash", "arguments": {"command": FIX}})
    weights = knowing(tmp_path / "weights", f"<think>\nI know it.\n</think>\n\n<tool_call>\n{call}\n</tool_call>")
    card = CARD.model_copy(update={"method": "full", "context": 32_000, "name": "tally"})
    registry.register(one_home / "data", card, weights)
    place = Place(tmp_path)
    assert place.sera("--agent", "tally", "--steps", "1", "--temperature", "0") == 0
    one = read(place.folder()).results["tiny__tally-1"][0]
    assert (one.verdict, one.exit, one.steps, one.dollars) == ("resolved", "limit", 1, 0.0)
    solved = next(iter(store.read(place.folder() / "solved.jsonl", Trajectory).values()))
    assert (solved.policy.model, solved.steps[0].reply.message["reasoning_content"]) == ("tally@1", "I know it.")
    for seeds in (2, 1):
        assert place.sera("--agent", "tally", "--steps", "1", "--temperature", "0", "--seeds", seeds) == 0
        assert [(one.seeds, one.mean) for one in chosen("tally").evaluations] == [(2, 1.0)]


def test_the_card_tells_of_a_whole_benchmark_wherever_its_limit_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_home: Path
) -> None:
    pytest.importorskip("transformers", reason="needs the extra `train`, to answer")
    from tests.by_heart import knowing
    from tests.test_chat import CARD

    monkeypatch.setattr(launch, "command", absent)
    card = CARD.model_copy(update={"method": "full", "context": 32_000, "name": "limited"})
    registry.register(one_home / "data", card, knowing(tmp_path / "weights", "I know nothing."))
    place = Place(tmp_path, count=2)
    words = ("--agent", "limited", "--steps", "1")
    assert place.sera(*words, "--limit", 1) == 0
    (place.project / ".sera" / "config.toml").write_text("[eval]\nlimit = 1\n")
    assert place.sera(*words) == 0
    assert place.sera(*words, "--limit", 0, "--instances", "*-1") == 0
    assert chosen("limited").evaluations == ()
    assert place.sera(*words, "--limit", 2) == 0
    assert [(one.who, one.tasks, one.mean) for one in chosen("limited").evaluations] == [("", 2, 0.0)]


def test_the_own_past_is_tried_with_what_is_on_this_machine(tmp_path: Path, capsys: Captured) -> None:
    repo = tiny.repository(tmp_path)
    config = tiny.row(repo)["install_config"] | {"test_cmd": tiny.COMMAND}
    bench = repo / ".sera" / "bench" / "replay.jsonl"
    bench.parent.mkdir(parents=True)
    bench.write_text(json.dumps(tiny.row(repo, install_config=config)) + "\n")
    with serving(scripted(FIX)) as server:
        assert door.run(["eval", "--bench", "replay", "-C", str(repo), *model(server)]) == 0
    assert "openai:glm on replay: 1 instance\n" in capsys.readouterr().out
    folder = next((repo / ".sera" / "evals").iterdir())
    assert read(folder).totals["instances"] == {tiny.ID: "resolved"}
    assert json.loads((folder / "settings.json").read_text())["stages"]["eval"]["environment"] == "local"


def test_an_agent_that_was_taught_on_the_fix_is_told_apart(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, one_home: Path
) -> None:
    pytest.importorskip("transformers", reason="needs the extra `train`, to answer")
    from tests.by_heart import knowing
    from tests.test_chat import CARD

    monkeypatch.setattr(launch, "command", absent)
    repo = tiny.repository(tmp_path)
    fix, base = tiny._git(repo, "rev-parse", "HEAD"), tiny._git(repo, "rev-parse", "HEAD~1")
    config = tiny.row(repo)["install_config"] | {"test_cmd": tiny.COMMAND}
    bench = repo / ".sera" / "bench" / "replay.jsonl"
    bench.parent.mkdir(parents=True)
    bench.write_text(json.dumps(tiny.row(repo, install_config=config, replay={"commit": fix})) + "\n")
    weights = knowing(tmp_path / "weights", "I know nothing.")
    for name, commit in (("late", fix), ("early", base)):
        card = CARD.model_copy(update={"method": "full", "context": 32_000, "name": name, "commit": commit})
        registry.register(one_home / "data", card, weights)
        assert door.run(["eval", "-C", str(repo), "--bench", "replay", "--agent", name, "--steps", "1"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "late@1 was taught on a tree that has the fixes of 1 of these 1 tasks" in told
    assert "early@1 was taught" not in told


def test_a_secret_of_the_own_past_is_not_shown(tmp_path: Path) -> None:
    """Told by its name in one file, it is known by itself in another; also where the tasks are in a file elsewhere."""
    repo, secret = tiny.repository(tmp_path), "zk4" + "Qm2x9Lr7tVh"
    tiny._write(repo, {"deploy.env": f"PASSWORD={secret}\n", "notes.txt": f"we say {secret} then\n"})
    for command in (["checkout", "-q", "HEAD~1"], ["add", "-A"], ["commit", "-q", "-m", "Note it"]):
        tiny._git(repo, *command)
    config = tiny.row(repo)["install_config"] | {"test_cmd": tiny.COMMAND}
    head = tiny._git(repo, "rev-parse", "HEAD")
    bench = tmp_path / "elsewhere.jsonl"
    bench.write_text(json.dumps(
        tiny.row(repo, install_config=config, base_commit=head, replay={"environment": "here"})) + "\n")
    with serving(scripted("cat notes.txt")) as server:
        words = ["--bench", str(bench), "-C", str(repo), "--repos", str(tmp_path), "--environment", "local"]
        assert door.run(["eval", *words, *model(server)]) == 0
    said = server.asked[1]["messages"][-1]["content"]
    assert secret not in said and "we say [redacted:" in said


def test_a_copy_of_the_repository_beside_the_users_packages_is_told(tmp_path: Path, capsys: Captured) -> None:
    place, own = Place(tmp_path), tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", own], check=True)
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server), "--venv", own) == 0
        assert "has a copy" not in capsys.readouterr().err
        (next(own.glob("lib/python3*/site-packages")) / "tally.py").write_text(tiny.FIXED)
        assert place.sera(*model(server), "--venv", own) == 0
    assert f"note: {own} has a copy of tally.py, in which" in " ".join(capsys.readouterr().err.split())


def test_what_is_tried_unconfined_is_said_to_be(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_ROLLOUT_SANDBOX", "folder")
    place = Place(tmp_path)
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server)) == 0
    assert "note: the folder sandbox keeps nobody from the network" in capsys.readouterr().err


def test_ctrl_c_ends_at_once_tells_what_there_is_and_is_gone_on_from(tmp_path: Path) -> None:
    place, asked, sleeping = Place(tmp_path), threading.Event(), scripted("sleep 600")
    with serving(lambda body: (asked.set(), sleeping(body))[1]) as server:
        words = [sys.executable, "-m", "sera_cli", *place.words(*model(server), "-j", "1")]
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "k"},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        assert asked.wait(120)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, "Traceback" in err) == (130, "", False)
    assert read(place.folder()).results == {}
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server)) == 0
    assert set(verdicts(place).values()) == {"resolved"}


def test_what_its_own_fix_does_not_resolve_is_told_apart_and_never_counted(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, FAIL_TO_PASS=json.dumps(["tests/test_tally.py::test_no_such"]))
    assert place.sera("--predictions", "gold") == 1
    told = capsys.readouterr()
    assert "its own fix does not resolve it: 1 test fails: tests/test_tally.py::test_no_such" in told.out
    assert "no instance has an environment in which its own fix passes" in told.err
    report = read(place.folder())
    assert list(report.unvalidated) == ["tiny__tally-1"]
    assert (report.totals["unvalidated"], report.totals["unresolved"], report.summary["mean"]) == (1, 0, None)


def test_kill_nine_loses_nothing(tmp_path: Path) -> None:
    """Killed while the second instance is being solved; the next run asks only for what is owed."""
    place, solved, go_on = Place(tmp_path, 2), threading.Event(), threading.Event()
    place.dataset.write_text("".join(
        line.replace(tiny.STATEMENT[:20], f"{number}: {tiny.STATEMENT[:20]}") + "\n"
        for number, line in enumerate(place.dataset.read_text().splitlines(), 1)))  # fmt: skip
    script = scripted(FIX)

    def answer(body: Body) -> Answer:
        if "2: The total" in body["messages"][1]["content"]:
            solved.set()
            go_on.wait(60)
        return script(body)

    environ = os.environ | {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "k"}
    with serving(answer) as server:
        words = [sys.executable, "-m", "sera_cli", *place.words(*model(server)), "-j", "1"]
        process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert solved.wait(120)
        process.kill()
        process.communicate()
        go_on.set()
        before = len(server.asked)
        assert len(list(store.scan(place.folder() / "graded.jsonl", Grade))) == 1
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(server.asked) == before + 3
    assert set(verdicts(place).values()) == {"resolved"}
    assert len(list(store.scan(place.folder() / "solved.jsonl", Trajectory))) == 2
    assert len(list(store.scan(place.folder() / "graded.jsonl", Grade))) == 2


def test_a_limit_of_money_keeps_what_was_done_and_tells_it(
    tmp_path: Path, capsys: Captured, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(own_home))
    prices = own_home / "config" / "prices.toml"
    prices.parent.mkdir(parents=True)
    prices.write_text('["glm"]\ninput = 0\ncached = 0\noutput = 100\n')
    place = Place(tmp_path, 2)
    with serving(dear(10, made=1000)) as server:
        assert place.sera(*model(server), "-j", "1", "--max-cost", "1.2") == 5
    assert "all is kept" in capsys.readouterr().err
    report = read(place.folder())
    assert verdicts(place) == {"tiny__tally-1": "resolved"}
    assert report.results["tiny__tally-1"][0].dollars == 0.3


def test_a_dry_run_says_what_is_left_and_writes_nothing(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, 2)
    assert place.sera("--model", "openai:gpt-5", "--seeds", "3", "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dry_run"], told["instances"], told["attempts"], told["left"]) == (True, 2, 6, 6)
    assert (told["environment"], told["by"], told["tokens"] > 100_000) == ("local", "the SERA paper", True)
    assert not (place.project / ".sera").exists()


def test_a_submission_has_a_log_and_a_trace_of_every_instance(tmp_path: Path, capsys: Captured) -> None:
    place, out = Place(tmp_path, 2), tmp_path / "20261120_glm"
    with serving(scripted(FIX)) as server:
        assert place.sera(*model(server), "--submission", out) == 0
    assert f"the submission is in {out}" in "".join(capsys.readouterr().err.splitlines())
    assert sorted(path.name for path in (out / "trajs").iterdir()) == [
        "tiny__tally-1.traj.json", "tiny__tally-2.traj.json"]  # fmt: skip
    logs = out / "logs" / "tiny__tally-1"
    assert "PASSED" in (logs / "test_output.txt").read_text()
    assert tiny.COMMAND in (logs / "eval.sh").read_text().splitlines()
    assert json.loads((logs / "report.json").read_text())["tiny__tally-1"]["tests_status"]["FAIL_TO_PASS"]["success"]
    assert "2 of 2 instances resolved" in (out / "README.md").read_text()
    assert len((out / "all_preds.jsonl").read_text().splitlines()) == 2


def test_why_it_is_not_resolved_is_told(tmp_path: Path, capsys: Captured) -> None:
    place, file = Place(tmp_path), tmp_path / "preds.jsonl"
    file.write_text(json.dumps({"instance_id": "tiny__tally-1", "model_patch": tiny.BROKEN["does not apply"]}))
    assert place.sera("--predictions", file) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "instance not resolved tiny__tally-1 the patch does not apply: patch failed: tally.py:1" in told


def test_another_environment_is_another_evaluation(tmp_path: Path) -> None:
    place = Place(tmp_path)
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    assert place.sera("--predictions", "gold") == 0
    assert place.sera("--predictions", "gold", "--venv", other) == 0
    assert len(list((place.project / ".sera" / "evals").iterdir())) == 2


def test_the_context_can_be_made_smaller_and_its_overflow_hands_in_what_there_is(tmp_path: Path) -> None:
    place = Place(tmp_path)

    with serving(dear(1000, more=1000)) as server:
        assert place.sera(*model(server), "--context", "1500") == 0
    one = read(place.folder()).results["tiny__tally-1"][0]
    assert (one.verdict, one.exit, one.steps) == ("resolved", "context", 1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--bench", "swe-verifed", "--model", "rehearsal"], 2, "no benchmark is called swe-verifed; the nearest is "
         "swe-verified; known: swe-verified"),
        (["--model", "rehearsal"], 2, "say what to evaluate on: --bench swe-verified"),
        (["--bench", "no.jsonl", "--model", "rehearsal"], 1, "no.jsonl: there is no such file"),
        (["--bench", "tiny.jsonl"], 2, "say who is to be evaluated: --agent NAME, or --model "
         "rehearsal, openai:, anthropic: or vllm:MODEL, or base:AGENT"),
        (["--bench", "tiny.jsonl", "--agent", "shop", "--model", "rehearsal"], 2, "name one: --agent or --model"),
        (["--bench", "nope", "--model", "rehearsal"], 2, "no benchmark is called nope; known: swe-verified"),
        (["--bench", "tiny.jsonl", "--model", "glm"], 2, "--model glm: use rehearsal, openai:"),
        (["--bench", "tiny.jsonl", "--agent", "nobody"], 2, "no agent is called 'nobody'"),
        (["--bench", "tiny.jsonl", "--model", "rehearsal", "--predictions", "gold"], 2,
         "leave out --agent and --model"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--environment", "vm"], 2, "no environment is called vm"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--environment", "venv"], 2,
         "say where they are with --repos"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--instances", "x*"], 2, "no instance is called x*"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--seeds", "2"], 2, "leave out --seeds and --context"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--repos", "clones", "--any-python", "--environment",
          "local"], 2, "--any-python has no say in environment local; leave it out, or say --environment venv"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--repos", "clones", "--venv", "x", "--environment",
          "venv"], 2, "--venv has no say in environment venv; leave it out, or say --environment local"),
        (["--bench", "soft", "--dataset", "soft.jsonl", "--model", "rehearsal", "--submission", "x"], 2,
         "soft is no benchmark with a leaderboard; leave out --submission"),
        (["--bench", "replay", "--model", "rehearsal", "--submission", "x"], 2, "leave out --submission"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--submission", "x"], 2,
         "--predictions gold are nobody's to submit; leave out --submission"),
        (["--bench", "tiny.jsonl", "--predictions", "no.jsonl"], 2, "name one, or say gold or empty"),
        (["--bench", "gone.jsonl", "--predictions", "no.jsonl"], 2, "--predictions no.jsonl: there is no such file"),
        (["--bench", "tiny.jsonl", "--predictions", "gold", "--repos", "nowhere"], 2,
         "--repos nowhere: there is no such folder; name the one that holds the clones"),
        (["--bench", "gone.jsonl", "--model", "rehearsal", "--repos", "tiny.jsonl", "--dry-run"], 2,
         "--repos tiny.jsonl: there is no such folder"),
        (["--bench", "broken.jsonl", "--predictions", "gold"], 1, "broken.jsonl:1: not JSON"),
        (["--bench", "short.jsonl", "--predictions", "gold"], 1, "short.jsonl:1: the row of x lacks repo"),
        (["--bench", "replay", "--model", "rehearsal"], 2,
         "has no replay benchmark yet; make it with: sera bench build"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_line(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, told: str
) -> None:
    Place(tmp_path).project.rmdir()
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "short.jsonl").write_text('{"instance_id": "x"}\n')
    monkeypatch.chdir(tmp_path)
    assert door.run(["eval", *words]) == code
    assert told in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / ".sera").exists()


def test_a_repository_that_is_not_among_the_clones_is_unvalidated(tmp_path: Path, capsys: Captured) -> None:
    place = Place(tmp_path, repo="tiny/other")
    assert place.sera("--predictions", "gold") == 1
    assert "tiny/other is not there; clone it as" in capsys.readouterr().out
