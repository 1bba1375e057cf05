"""`sera eval --bench soft`: a model answers the project's soft tasks, over HTTP and in this process, and is resumed."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli import store
from sera_cli.agents import registry
from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation import sitting
from sera_cli.cli.evaluation import soft as tasks
from sera_cli.cli.evaluation.exam import settled
from sera_cli.config import home
from sera_cli.evaluate.soft import Exam, read, write
from sera_cli.runs import Run, settle
from sera_cli.types import Function, Trajectory
from tests.chat_server import Answer, Body, completion, serving
from tests.rollouts import rollout, task
from tests.scripted import calls
from tests.test_chat import CARD

Captured = pytest.CaptureFixture[str]


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


def told(captured: Captured) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def pupil(body: Body) -> Answer:
    """Appends `y = 1` whatever it is asked, looks at its patch, and hands it in."""
    steps = sum(message["role"] == "assistant" for message in body["messages"])
    reply = calls("submit") if steps else calls("bash", command="echo y = 1 >> a.py")
    return completion(reply.message, prompt=100, cached=0, made=10)


SAID = ("--model", "openai:pupil", "--seeds", 2, "-j", 2)


def test_a_model_is_scored_by_the_lines_it_finds_again_and_a_second_run_asks_nothing(
    shop: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_ROLLOUT_SANDBOX", "folder")
    with serving(pupil) as server:
        words = ("eval", "-C", shop, "--bench", "soft", *SAID, "--url", server.url)
        assert sera(*words, "--json") == 0
        asked = len(server.asked)
        found = told(capsys)
        assert sera(*words) == 0
        assert len(server.asked) == asked > 0
    assert (found["scored"], found["infra"], found["total"], found["recall"]) == (4, 0, 4, 0.5)
    assert found["note"].startswith("Recall is a proxy: ")
    screen = capsys.readouterr()
    assert "mean recall 50.0 %, 95 % interval over tasks " in screen.out
    assert "Recall is a proxy: " in screen.err

    folder = next((shop / ".sera" / "evals").iterdir())
    report = json.loads((folder / "report.json").read_text())
    assert (report["bench"], report["model"], report["score"]) == ("soft", "openai:pupil", "recall")
    assert {name: {seed: one["score"] for seed, one in row.items()} for name, row in report["results"].items()} == {
        "t1": {"0": 1.0, "1": 1.0}, "t2": {"0": 0.0, "1": 0.0}}
    assert json.loads((folder / "preds-0.jsonl").read_text().splitlines()[0])["instance_id"] == "t1"
    assert (folder / "trajs" / "1" / "t2" / "t2.traj.json").is_file()


def test_a_narrower_second_look_takes_nothing_back(
    shop: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_ROLLOUT_SANDBOX", "folder")
    with serving(pupil) as server:
        words = ("eval", "-C", shop, "--bench", "soft", "--url", server.url, "--model", "openai:pupil", "--json")
        assert sera(*words, "--seeds", 2) == 0
        file = next((shop / ".sera" / "evals").iterdir()) / "report.json"
        whole = file.read_bytes()
        capsys.readouterr()
        assert sera(*words, "--limit", 1) == 0
    assert (told(capsys)["total"], file.read_bytes()) == (1, whole)


def test_an_evaluation_that_was_cut_anywhere_ends_the_same(
    shop: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_ROLLOUT_SANDBOX", "folder")
    with serving(pupil) as server:
        words = ("eval", "-C", shop, "--bench", "soft", *SAID, "--url", server.url, "--json")
        assert sera(*words) == 0
        whole = told(capsys)
        file = next((shop / ".sera" / "evals").iterdir()) / "solved.jsonl"
        rows = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(rows[:3]) + rows[3][:50])
        asked = len(server.asked)
        assert sera(*words) == 0
        assert (asked, len(server.asked) - asked) == (12, 6)  # three steps of each rollout: submitting takes two
    assert told(capsys) == whole
    assert len(store.read(file, Trajectory)) == 4


def test_a_server_that_is_gone_counts_for_nothing_and_ends_non_zero(
    shop: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_ROLLOUT_SANDBOX", "folder")
    with serving(lambda body: Answer(401, {"error": {"message": "no"}})) as server:
        assert sera("eval", "-C", shop, "--bench", "soft", *SAID, "--url", server.url) == 4
    assert "error: " in capsys.readouterr().err


def test_an_agent_is_not_asked_about_what_its_run_taught_it(shop: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "weights").mkdir()
    registry.register(home("data"), CARD.model_copy(update={"data_digest": "its own"}), tmp_path / "weights")
    for name, data, heldout in (("its", "its own", True), ("another", "other", False)):
        run = Run(folder=shop / ".sera" / "runs" / name)
        run.folder.mkdir(parents=True)
        settle(run, "train", {"data": data})
        plain = {"path": "a.py", "line": 1, "end_line": 2, "signature": "()"}
        store.write(run.functions, Function, [
            Function(id="1", name="f1", heldout=heldout, **plain), Function(id="2", name="f2", **plain)])
    exam, _ = sitting._untaught(settled(Wanted(shop, {}, bench="soft", agent="shop", seeds=2)))
    assert [(one.name, one.seed) for one in exam.todo] == [("t1", 0), ("t1", 1)]
    assert [one.instance_id for one in exam.instances] == ["t1"]
    assert "note: 1 task left out: rollouts that shop@1 learned from began there, or" in capsys.readouterr().err


def test_an_agent_is_not_asked_for_a_change_that_its_run_saw_made_elsewhere(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    registry.register(home("data"), CARD.model_copy(update={"data_digest": "its own"}), tmp_path / "weights")
    run = Run(folder=shop / ".sera" / "runs" / "its")
    run.folder.mkdir(parents=True)
    settle(run, "train", {"data": "its own"})
    store.write(run.reproduced, Trajectory, [rollout("r1", "+++ b/a.py\n+y = 2\n")])
    exam, known = sitting._untaught(settled(Wanted(shop, {}, bench="soft", agent="shop")))
    assert [one.instance_id for one in exam.instances] == ["t1"]
    assert not known(exam.instances[0].row)


def test_patches_cannot_be_graded_by_tests_that_are_not_there(shop: Path, capsys: Captured) -> None:
    assert sera("eval", "-C", shop, "--bench", "soft", "--predictions", "gold") == 2
    assert "error: soft tasks have no tests to grade patches by" in capsys.readouterr().err


def test_a_task_at_a_commit_that_is_not_there_is_one_line(shop: Path, capsys: Captured) -> None:
    write(tasks.at(shop), Exam(tasks=(task("t1", commit="0" * 40, gold="+y\n"),), about={}))
    assert sera("eval", "-C", shop, "--bench", "soft", "--model", "rehearsal") == 2
    told = f"error: soft tasks begin at commit 000000000000, which {shop} does not have; fetch it"
    assert capsys.readouterr().err.splitlines()[-1] == told


def test_where_there_are_no_tasks_yet_the_teacher_of_the_settings_writes_them(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("ROLLOUT_SANDBOX", "folder"), ("EVAL_HELDOUT", "20"), ("EVAL_LIMIT", "2")):
        monkeypatch.setenv(f"SERA_{name}", value)
    words = ("eval", "-C", example, "--bench", "soft", "--model", "rehearsal", "--json")
    assert sera(*words, "--dry-run") == 2
    assert "soft.jsonl is not there; " in capsys.readouterr().err
    assert sera(*words) == 0
    captured = capsys.readouterr()
    assert "no soft tasks yet: rehearsal writes them" in captured.err
    assert json.loads(captured.out)["scored"] == 2
    assert read(tasks.at(example)).about["teacher"] == "rehearsal"


@pytest.mark.parametrize("more", [(), ("--predictions", "gold"), ("--model", "rehearsal", "--submission", "folder")])
def test_no_tasks_are_written_for_what_is_refused_anyway(example: Path, more: tuple[str, ...]) -> None:
    assert sera("eval", "-C", example, "--bench", "soft", *more) == 2
    assert not tasks.at(example).parent.exists()
