"""The main job, whole, through the door: real git, sandboxes, rollouts, TRL and registry; the student is tiny."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from sera_cli import __main__ as door
from sera_cli import runs, store
from sera_cli.agents import registry
from sera_cli.cli import job
from sera_cli.config import home
from sera_cli.errors import DataError
from sera_cli.harness.rehearsal import rehearsal
from sera_cli.types import Function, Sample, Task, Trajectory, Verdict
from tests.chat_server import Answer, Body, completion, serving
from tests.conftest import commit
from tests.students import FULL, reader

Captured = pytest.CaptureFixture[str]
KINDS = {
    "1-functions": Function, "2-explored": Trajectory, "3-issues": Task, "4-reproduced": Trajectory,
    "5-verdicts": Verdict, "6-samples": Sample,
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    recipe = tmp_path / "quick.toml"
    recipe.write_text(tomli_w.dumps(FULL.model_dump(exclude={"name"}) | {"epochs": 1}))
    monkeypatch.setenv("SERA_TRAIN_RECIPE", str(recipe))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


def road(repo: Path, *more: object, verb: str = "specialize") -> int:
    """The main job on a tiny student, as small as it gets: one that does not read a rollout whole."""
    tiny = ("--student", reader().base, "--min-ratio", 0, "--samples", 4)
    return sera(verb, repo, *tiny, "--sandbox", "folder", "-j", 2, *more)


def told(captured: Captured) -> dict[str, Any]:
    """The one document on stdout."""
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def ids(run: Path) -> dict[str, list[str]]:
    """The ids in each stage file, as they stand, sorted."""
    return {
        name: sorted(record.id for record in store.scan(run / f"{name}.jsonl", kind))  # type: ignore[type-var]
        for name, kind in KINDS.items()
    }


def test_a_repository_becomes_a_registered_agent(example: Path, capsys: Captured) -> None:
    (example / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person obtaining a copy")
    commit(example, "two")
    assert road(example, "--json", "--name", "clerk") == 0
    found = told(capsys)

    stages = found["stages"]
    assert stages["functions"] == 18
    assert stages["explored"] >= stages["issues"] >= stages["reproduced"] == stages["verified"] > 0
    assert stages["samples"] == 6
    assert sum(found["recall"]["histogram"]) <= stages["verified"]
    assert 0 <= found["recall"]["mean"] <= 1
    assert found["tokens"] > 0
    assert all(isinstance(value, float) for value in found["loss"].values())
    assert found["agent"] == "clerk@1"
    spend = found["spend"]
    assert spend["usd"] == 0.0
    assert spend["prompt_tokens"] > spend["cached_tokens"] > spend["completion_tokens"] > 0
    assert set(found["seconds"]) == {"mine", "generate", "student", "prepare", "train", "register"}

    card = registry.find(home("data"), "clerk")
    assert (card.repository, card.alpha, card.samples, card.teacher, card.rehearsal) == (
        "timesheet", 1.0, 4, "rehearsal", True,
    )  # fmt: skip
    assert card.data_license == "MIT"
    assert "No language model was asked" in card.note
    assert json.loads((Path(found["run"]) / "report.json").read_text()) == found


def test_the_same_command_goes_on_and_does_nothing_twice(example: Path, capsys: Captured) -> None:
    assert road(example, "--json") == 0
    first = told(capsys)
    before = ids(Path(first["run"]))
    assert road(example, "--json") == 0
    again = told(capsys)
    assert (again["run"], again["agent"], again["loss"]) == (first["run"], first["agent"], first["loss"])
    assert ids(Path(again["run"])) == before


def test_another_alpha_or_threshold_reuses_the_trajectories(example: Path, capsys: Captured, tmp_path: Path) -> None:
    assert road(example, "--json", "--run", "r") == 0
    first = told(capsys)
    paid = ("2-explored.jsonl", "3-issues.jsonl", "4-reproduced.jsonl", "5-verdicts.jsonl")
    before = [(Path(first["run"]) / name).read_bytes() for name in paid]
    general = tmp_path / "general.jsonl"
    general.write_bytes((Path(first["run"]) / "6-samples.jsonl").read_bytes())
    assert road(example, "--json", "--run", "r", "--alpha", 0.5, "--general", general, "--threshold", 0.25) == 0
    mixed = told(capsys)
    assert [(Path(first["run"]) / name).read_bytes() for name in paid] == before
    samples = store.read(Path(mixed["run"]) / "6-samples.jsonl", Sample).values()
    trained = [sample for sample in samples if not sample.heldout]
    assert sum(sample.origin == "general" for sample in trained) == len(trained) / 2
    assert mixed["agent"] == "timesheet@2"


def test_rollouts_that_the_student_could_read_little_of_are_left_out_unless_asked_for(
    example: Path, capsys: Captured
) -> None:
    assert road(example, verb="generate") == 0
    assert road(example, "--min-ratio", 0.99, verb="prepare") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: no samples to train on (")
    short = sum(map(int, re.findall(r"(\d+) (?:first|second): truncated below ratio[,)]", line)))
    assert line.endswith(f": {short} were dropped as truncated below ratio, see --min-ratio")
    assert road(example, "--json", verb="prepare") == 0
    found = told(capsys)
    assert found["stages"]["samples"] == 6
    assert not [why for why in found["dropped"] if why.endswith("ratio")]
    assert short > sum(found["dropped"][why] for why in found["dropped"] if why.endswith("not needed"))


def test_weights_of_a_training_cut_short_are_never_taken_for_those_of_other_settings(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert road(example, "--json", "--run", "r") == 0
    first = told(capsys)
    settle = runs.settle

    def cut(run: runs.Run, stage: str, settings: dict[str, Any], *, remake: bool = False) -> bool:
        if stage == "train":
            raise DataError("cut here")
        return settle(run, stage, settings, remake=remake)

    with monkeypatch.context() as at_the_end_of_training:
        at_the_end_of_training.setattr(runs, "settle", cut)
        assert road(example, "--run", "r", "--samples", 3) == 1
    capsys.readouterr()
    training = Path(first["run"]) / "training"
    assert road(example, "--run", "r") == 2
    assert f"{training}/checkpoint-" in (refused := capsys.readouterr().err)
    assert "is of another training: data (was" in refused
    shutil.rmtree(training)
    assert road(example, "--json", "--run", "r") == 0
    again = told(capsys)
    assert (again["loss"], again["agent"]) == (first["loss"], first["agent"])
    weights = [Path(first["run"]) / "adapter", registry.folder(home("data"), registry.find(home("data"), "timesheet"))]
    assert len({(folder / "model.safetensors").read_bytes() for folder in weights}) == 1


def test_alpha_zero_trains_on_general_data_alone_and_asks_no_teacher(
    example: Path, capsys: Captured, tmp_path: Path
) -> None:
    assert road(example, "--json", "--run", "r") == 0
    general = tmp_path / "general.jsonl"
    general.write_bytes((Path(told(capsys)["run"]) / "6-samples.jsonl").read_bytes())
    assert road(example, "--json", "--run", "zero", "--alpha", 0, "--general", general) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["stages"]["explored"], found["stages"]["samples"]) == (0, 4)
    assert {one.origin for one in store.read(Path(found["run"]) / "6-samples.jsonl", Sample).values()} == {"general"}
    assert found["loss"]["heldout_agent"] is None
    assert registry.find(home("data"), found["agent"]).alpha == 0


def test_general_data_are_read_through_before_a_teacher_is_asked(
    example: Path, capsys: Captured, tmp_path: Path
) -> None:
    general = tmp_path / "general.jsonl"
    general.write_text('{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n{}\n')
    assert road(example, "--run", "r", "--alpha", 0.5, "--general", general) == 1
    assert "general.jsonl:2: not a row of chat messages" in capsys.readouterr().err
    run = example / ".sera" / "runs" / "r"
    assert [path.name for path in run.glob("[0-9]*")] == ["1-functions.jsonl"]


def test_another_teacher_is_refused_for_an_existing_run_and_the_key_named(example: Path, capsys: Captured) -> None:
    assert road(example, "--run", "r", verb="mine") == 0
    assert road(example, "--run", "r", verb="generate") == 0
    capsys.readouterr()
    code = road(
        example, "--run", "r", "--teacher", "openai:glm", "--teacher-url", "http://127.0.0.1:9/v1", verb="generate"
    )
    assert code == 2
    assert 'teacher (was "rehearsal", now "openai:glm")' in capsys.readouterr().err


def test_the_verbs_walk_the_same_road_one_by_one(example: Path, capsys: Captured) -> None:
    for verb in ("mine", "generate", "prepare", "train", "mine"):
        assert road(example, "--json", verb=verb) == 0
        found = told(capsys)
    kept = json.loads((Path(found["run"]) / "report.json").read_text())
    assert (found["agent"], kept["agent"]) == (None, "timesheet@1")
    assert kept["loss"]["heldout_agent"] > 0
    assert set(kept["seconds"]) == {"mine", "generate", "student", "prepare", "train", "register"}
    assert road(example, "--json") == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    said = "A rehearsal: no language model is asked, and the agent will be a toy that proves the road."
    assert lines[0] == lines[-1] == said
    assert json.loads(captured.out)["agent"] == "timesheet@1"


@pytest.mark.parametrize(("verb", "before"), [("prepare", "generate"), ("train", "prepare")])
def test_a_verb_out_of_turn_says_which_comes_first(example: Path, capsys: Captured, verb: str, before: str) -> None:
    assert road(example, "--run", "r", verb=verb) == 2
    assert f"first: sera {before} '{example}' --run r" in capsys.readouterr().err
    assert not (example / ".sera").exists()


def test_a_run_of_another_commit_is_not_trained_on_under_this_one(example: Path, capsys: Captured) -> None:
    assert road(example, "--run", "r", verb="generate") == 0
    (example / "more.py").write_text("x = 1\n")
    commit(example, "two")
    assert road(example, "--run", "r", verb="prepare") == 2
    assert "run r was begun with other settings: commit (was " in capsys.readouterr().err
    assert road(example, "--run", "r", "--at", "HEAD~1", verb="prepare") == 0


@pytest.mark.parametrize("jobs", [1, 8])
def test_the_number_of_workers_leaves_no_trace(example: Path, capsys: Captured, jobs: int) -> None:
    found: list[dict[str, list[str]]] = []
    for run, workers in (("a", 2), ("b", jobs)):
        assert road(example, "--json", "--run", run, "-j", workers, verb="generate") == 0
        run_folder = Path(told(capsys)["run"])
        (run_folder / "6-samples.jsonl").touch()
        found.append(ids(run_folder))
    assert found[0] == found[1]
    assert len(set(found[0]["2-explored"])) == len(found[0]["2-explored"])


def test_with_a_gpu_the_student_that_fits_is_named(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_gpu", lambda: 24 * 2**30)
    assert road(example, "--dry-run") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "For a real run, with a student that this machine's GPU can train:"
    assert lines[2].endswith(" --teacher openai:MODEL --teacher-url URL --student Qwen/Qwen3-1.7B --method lora")


def test_a_dry_run_foretells_and_writes_nothing(example: Path, capsys: Captured) -> None:
    assert road(example, "--dry-run", "--json") == 0
    found = told(capsys)
    assert (found["functions"], found["samples"], found["teacher"], found["sandbox"]) == (18, 4, "rehearsal", "folder")
    assert not (example / ".sera" / "runs").exists()


def test_the_screen_says_what_happened_and_what_to_type_next(example: Path, capsys: Captured) -> None:
    assert road(example) == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0].startswith("A rehearsal: no language model is asked")
    assert lines[-1].startswith("A rehearsal: no language model is asked")
    assert lines[-3].startswith("For a real run")
    assert lines[-2].startswith(f"    sera specialize '{example}' --teacher openai:MODEL --teacher-url URL --student ")
    assert "Generation stopped because there is enough: " in captured.err
    assert "Agent timesheet@1 is registered. Next:\n    sera agents show timesheet@1\n" in captured.err
    assert f"    sera chat '{example}' -a timesheet -p " in captured.err
    for word in ("functions", "explored", "issues", "reproduced", "recall 0 |", "held out", "left out", "kept back"):
        assert word in captured.out


def over_http(body: Body) -> Answer:
    """The rehearsal teacher behind a real server: it sees what a model would be sent, and nothing else."""
    reply = rehearsal(body["seed"]).reply(body["messages"], body.get("tools", []))
    return completion(reply.message, prompt=100, cached=90, made=20)


def test_a_teacher_over_http_drives_a_whole_run(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame-open-now")
    with serving(over_http) as server:
        assert road(example, "--json", "--teacher", "openai:glm", "--teacher-url", server.url) == 0
    found = told(capsys)
    assert found["stages"]["samples"] == 6
    assert found["spend"]["usd"] == 0.0
    rollouts = store.read(Path(found["run"]) / "2-explored.jsonl", Trajectory).values()
    assert {rollout.policy.model for rollout in rollouts} == {"glm"}
    assert found["spend"]["prompt_tokens"] == 100 * len(server.asked)
    assert found["spend"]["cached_tokens"] == 90 * len(server.asked)
    assert set(server.keys) == {"Bearer sesame-open-now"}
    for file in Path(found["run"]).rglob("*"):
        assert not file.is_file() or b"sesame-open-now" not in file.read_bytes()
    card = registry.find(home("data"), found["agent"])
    assert card.teacher == "openai:glm" and "No language model" not in card.note


def test_a_refused_key_ends_with_4_and_what_was_done_is_kept(example: Path, capsys: Captured) -> None:
    asked = 0

    def soon_refused(body: Body) -> Answer:
        nonlocal asked
        asked += 1
        return over_http(body) if asked <= 60 else Answer(401, {"error": {"message": "key revoked"}})

    with serving(soon_refused) as server:
        arguments = ("--run", "r", "--teacher", "openai:glm", "--teacher-url", server.url)
        assert road(example, *arguments) == 4
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: the teacher refuses the key (401: key revoked); set OPENAI_API_KEY")
        kept = store.read(example / ".sera" / "runs" / "r" / "2-explored.jsonl", Trajectory)
        assert kept and not any(rollout.failed for rollout in kept.values())
        asked = -10_000
        assert road(example, *arguments, "--json") == 0
    assert set(kept) <= set(store.read(example / ".sera" / "runs" / "r" / "2-explored.jsonl", Trajectory))


def test_an_unreachable_teacher_ends_with_3(example: Path, capsys: Captured) -> None:
    arguments = ("--teacher", "openai:glm", "--teacher-url", "http://127.0.0.1:9/v1")
    assert road(example, *arguments) == 3
    assert "is it running? Check its URL (--teacher-url;" in capsys.readouterr().err.splitlines()[-1]


def test_a_key_in_the_environment_is_no_consent(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(over_http) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sesame-open-now")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert road(example, "--json", verb="generate") == 0
        assert server.asked == []


THEIRS = '[teacher]\nmodel = "openai:glm"\nurl = "http://127.0.0.1:9/v1"\n[rollout]\nsandbox = "folder"\n'
NAMED = ("--teacher", "openai:glm", "--teacher-url", "http://127.0.0.1:9/v1", "--student", "s", "--dry-run")


@pytest.mark.parametrize("way", ["", "..", "linked", "config is a link", "folder is a link", "at an older commit"])
def test_a_repository_cannot_name_who_is_sent_its_code(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    at = example
    (example / "conf").mkdir()
    (example / "conf" / "config.toml").write_text(THEIRS)
    match way:
        case "config is a link":
            (example / ".sera").mkdir()
            (example / ".sera" / "config.toml").symlink_to("../conf/config.toml")
        case "folder is a link":
            (example / ".sera").symlink_to("conf")
        case _:
            (example / "conf").rename(example / ".sera")
    commit(example, "two")
    if way == "..":
        monkeypatch.chdir(example.parent.parent)
        at = Path("..") / example.parent.parent.name / example.parent.name / example.name
    if way == "linked":
        at = example.parent / "link"
        at.symlink_to(example)
    older = ("--at", "HEAD~1") if way == "at an older commit" else ()
    assert sera("specialize", at, "--dry-run", "--student", "s", *older) == 2
    assert "sets teacher.model and is part of the repository; say it yourself" in capsys.readouterr().err
    assert sera("specialize", at, *NAMED, *older) == 2
    assert "sets rollout.sandbox and is part of the repository" in capsys.readouterr().err
    assert sera("specialize", at, *NAMED, *older, "--sandbox", "folder") == 0
    assert "openai:glm at http://127.0.0.1:9/v1 would be sent parts of " in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["[privacy]\noffline = false", "[cost]\nallow_unpriced = true", "[train]\nreport_to = 'wandb'"])
def test_a_repository_does_not_loosen_what_its_user_holds_to(
    example: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (example / ".sera").mkdir()
    (example / ".sera" / "config.toml").write_text(line + "\n")
    commit(example, "two")
    assert sera("specialize", example, "--dry-run") == 2
    assert "and is part of the repository; say it yourself" in capsys.readouterr().err


def test_a_config_that_only_the_user_has_may_name_a_teacher(example: Path) -> None:
    (example / ".sera").mkdir()
    (example / ".sera" / "config.toml").write_text(THEIRS)
    assert sera("specialize", example, "--dry-run", "--student", "s") == 0


def refused(capsys: Captured, *arguments: object) -> tuple[int, str]:
    """The exit code, and the last line of what was said."""
    code = sera(*arguments)
    return code, capsys.readouterr().err.splitlines()[-1]


Make = Callable[[dict[str, str]], Path]


def test_bad_input_is_one_line_that_says_what_to_do(
    example: Path, repository: Make, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "plain").mkdir()
    tests_only = repository({"tests/test_a.py": "def test_a():\n    x = 1\n    assert x\n"})
    assert refused(capsys, "specialize", tmp_path / "plain")[0] == 1
    for arguments, code, said in [
        ((tmp_path / "plain",), 1, "not a git repository"),
        ((tmp_path / "nowhere",), 1, "no such folder"),
        ((tests_only,), 1, "left"),
        ((example, "--alpha", 1.5), 2, "alpha"),
        ((example, "--alpha", 0.5), 2, "--general"),
        ((example, "--alpha", 0.5, "--general", tmp_path / "none.jsonl"), 2, "none.jsonl"),
        ((example, "--at", "nosuch"), 2, "nosuch"),
        ((example, "--run", "../x"), 2, "--run"),
        ((example, "--teacher", "gpt"), 2, "openai:MODEL"),
        ((example, "--teacher", "openai:m"), 2, "--student"),
        ((example, "--samples", -1), 2, "samples"),
    ]:
        found, line = refused(capsys, "specialize", *arguments)
        assert (found, line[:7]) == (code, "error: "), line
        assert said in line, line
    assert not (example / ".sera").exists()


def test_a_repository_without_code_is_told(repository: Make, capsys: Captured) -> None:
    without = repository({"notes.md": "Nothing to run.\n"})
    code, line = refused(capsys, "specialize", without)
    assert code == 1 and "no code" in line
    assert list((without / ".sera" / "runs").iterdir()) == []


def test_a_recipe_that_cannot_be_had_costs_no_rollout(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_TRAIN_RECIPE", "nosuch")
    assert road(example, "--run", "r") == 2
    assert "nosuch" in capsys.readouterr().err.splitlines()[-1]
    assert [file.name for file in (example / ".sera" / "runs" / "r").glob("*.jsonl")] == ["1-functions.jsonl"]


def test_a_student_that_cannot_be_had_costs_no_rollout(example: Path, capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert road(example, "--run", "r", "--student", tmp_path / "empty") == 3
    assert "empty is no model folder: it has no config.json" in capsys.readouterr().err
    assert [file.name for file in (example / ".sera" / "runs" / "r").glob("*.jsonl")] == ["1-functions.jsonl"]


def test_an_unknown_config_key_is_named_with_the_nearest(example: Path, capsys: Captured) -> None:
    (example / ".sera").mkdir()
    (example / ".sera" / "config.toml").write_text("[teacher]\nmodle = 'x'\n")
    code, line = refused(capsys, "specialize", example)
    assert code == 2 and "unknown key teacher.modle; the nearest known is teacher.model" in line


def test_a_torn_line_is_work_owed_and_a_broken_one_is_named(example: Path, capsys: Captured) -> None:
    assert road(example, "--json", verb="generate") == 0
    run = Path(told(capsys)["run"])
    (run / "6-samples.jsonl").touch()
    before = ids(run)
    torn = run / "4-reproduced.jsonl"
    torn.write_bytes(torn.read_bytes()[:-50])
    assert road(example, "--json", verb="generate") == 0
    capsys.readouterr()
    assert ids(run) == before
    torn.write_bytes(torn.read_bytes() + b'{"id": "x"}\n')
    code, line = refused(capsys, "generate", example, "--sandbox", "folder", "--samples", 4)
    assert code == 1 and "4-reproduced.jsonl:" in line and "remove this line" in line


def test_a_dirty_tree_a_submodule_a_single_commit_and_odd_bytes_are_all_right(
    example: Path, repository: Make, capsys: Captured
) -> None:
    inner = repository({"lib.py": "x = 1\n"})
    add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "vendor/inner"]
    subprocess.run(["git", *add], cwd=example, check=True, capture_output=True)
    (example / "latin.py").write_bytes("def f(x):\n    'é'\n    return x\n".encode("latin-1"))
    commit(example, "two")
    (example / "timesheet" / "billing.py").write_text("broken (")
    assert road(example, "--json") == 0
    captured = capsys.readouterr()
    assert "there are uncommitted changes; the repository is used as committed" in captured.err
    assert "submodules are left out: vendor/inner" in captured.err
    assert json.loads(captured.out)["stages"]["functions"] == 18
