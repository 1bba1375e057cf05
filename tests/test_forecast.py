"""What `--dry-run` foretells, beside what then happened."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli import profile, store
from sera_cli.cli.forecast import work
from sera_cli.cli.job import open_job
from sera_cli.cli.options import Asked
from sera_cli.config import home
from sera_cli.profile import Part, Profile
from sera_cli.runs import Run, settle
from sera_cli.svg.pipeline import Goal
from sera_cli.types import Sample, Task, Trajectory, Usage
from tests.conftest import commit

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def sera(captured: Captured, *arguments: object) -> dict[str, Any]:
    captured.readouterr()
    assert door.run([str(argument) for argument in (*arguments, "--json")]) == 0
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def made_of(folder: Path, package: str) -> Path:
    """A repository of one package of the standard library: real code, and there wherever Python is."""
    library = Path(json.__file__).parent.parent
    shutil.copytree(library / package, folder / package, ignore=shutil.ignore_patterns("__py*"))
    commit(folder)
    return folder


def true_tokens(run: Run) -> int:
    """All tokens of a run, as its records tell them."""
    used = [record.usage for path in (run.explored, run.reproduced) for record in store.scan(path, Trajectory)]
    used += [task.usage for task in store.scan(run.issues, Task)]
    whole = sum(used, Usage())
    return whole.prompt + whole.completion


ONE = Profile(
    explored=Part(records=10, rollouts=12, kept=8, usage=Usage(calls=10, prompt=1000), seconds=20, bytes=5000),
    issues=Part(records=8, kept=4, usage=Usage(prompt=80)),
    reproduced=Part(records=4, rollouts=4, kept=4, usage=Usage(prompt=400, cached=200), seconds=4, bytes=400),
    first=5, recalls=(2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
)  # fmt: skip
"""Of ten functions five give a first rollout, and two a second one of recall 0.5."""


def test_enough_functions_are_counted_for_the_rarer_kind() -> None:
    found = work(ONE, Goal(first=1, second=20, threshold=0.5), 10_000, Profile())
    assert found.seconds is not None
    functions = found.seconds / (2 + 0.4 * 1)
    assert 100 <= functions <= 115
    assert (found.first, found.second) == (round(1.2 * functions), round(0.4 * functions))
    assert found.usage.prompt == pytest.approx(functions * (100 + 0.8 * 10 + 0.4 * 100), abs=2)
    assert found.usage.cached == pytest.approx(functions * 0.4 * 50, abs=2)
    assert found.bytes == pytest.approx(functions * (500 + 0.4 * 100), abs=1)


def test_a_higher_threshold_takes_more_functions() -> None:
    half, whole = (work(ONE, Goal(first=1, second=20, threshold=recall), 10_000, Profile()) for recall in (0.5, 1.0))
    assert 200 <= whole.first / 1.2 <= 230
    assert half.first < whole.first


def test_no_more_functions_are_counted_than_there_are() -> None:
    assert work(ONE, Goal(first=1000, second=1000, threshold=0.5), 30, Profile()).first == 36
    assert work(ONE, Goal(first=1000, second=1000, threshold=0.5), 30, Profile()).teaching == pytest.approx(21, abs=1)
    hopeless = ONE.model_copy(update={"recalls": (4,) + (0,) * 10})
    assert work(hopeless, Goal(first=1, second=1, threshold=0.5), 30, Profile()).first == 36


def test_what_a_run_has_done_counts_towards_its_goal() -> None:
    rest = work(ONE, Goal(first=5, second=2, threshold=0.5), 10_000, ONE)
    assert (rest.first, rest.second, rest.usage, rest.seconds) == (12, 4, ONE.whole.usage, 0.0)
    more = work(ONE, Goal(first=5, second=22, threshold=0.5), 10_000, ONE)
    assert more.first == pytest.approx(1.2 * 110, rel=0.1)


def test_work_that_was_begun_and_not_ended_is_still_to_do() -> None:
    cut = ONE.model_copy(update={"reproduced": Part(), "recalls": (0,) * 11})
    assert work(ONE, Goal(first=5, second=2, threshold=0.5), 10_000, cut).second == 4


def test_without_data_of_its_own_a_repository_takes_no_rollouts(
    example: Path, capsys: Captured, tmp_path: Path
) -> None:
    (tmp_path / "general.jsonl").touch()
    mixed = ("--alpha", 0, "--general", tmp_path / "general.jsonl")
    plan = sera(capsys, "specialize", example, "--dry-run", "--samples", 9, "--sandbox", "folder", *mixed)
    assert (plan["samples"], plan["rollouts"], plan["tokens"]["total"]) == (9, 0, 0)


def test_nothing_is_to_be_done_for_nothing() -> None:
    assert work(ONE, Goal(first=0, second=0, threshold=0.5), 30, Profile()).rollouts == 0


def test_with_a_teacher_never_asked_the_papers_rollouts_are_counted(example: Path, capsys: Captured) -> None:
    plan = sera(capsys, "specialize", example, "--dry-run", "--teacher", "openai:glm-4.6", "--teacher-url",
                "https://api.example.com/v1", "--student", "s", "--samples", 8, "--sandbox", "folder")  # fmt: skip
    first, second, tokens = plan["first"], plan["second"], plan["tokens"]
    assert plan["from"] == "the SERA paper"
    assert tokens["cached"] == pytest.approx((first + second) * 748_881, rel=0.05)
    assert tokens["completion"] == pytest.approx((first + second) * 7_673, rel=0.15)
    assert plan["usd"] == pytest.approx((first + second) * 0.1139, rel=0.35)
    assert plan["gpu_hours"] == round(8 * 0.028, 2)
    assert plan["seconds"] is None
    assert plan["disk"] > (first + second) * 100_000


def test_an_unknown_price_is_not_nothing(example: Path, capsys: Captured) -> None:
    named = ("--teacher", "openai:mystery", "--student", "s", "--sandbox", "folder")
    assert sera(capsys, "generate", example, "--dry-run", *named)["usd"] is None
    assert door.run(["generate", str(example), "--dry-run", *named]) == 0
    assert "dollars    unpriced\n" in capsys.readouterr().err


def test_a_repository_with_too_few_functions_says_so(example: Path, capsys: Captured) -> None:
    named = ("generate", example, "--dry-run", "--samples", 500, "--sandbox", "folder")
    plan = sera(capsys, *named)
    assert (plan["wanted"], plan["functions"]) == (500, 18)
    assert 3 * 17 * 0.5 < plan["samples"] < 3 * 17 * 2
    assert door.run([str(word) for word in named]) == 0
    said = capsys.readouterr().err
    assert f"samples    {plan['samples']} of the 500 wanted; then the functions are used up\n" in said


def test_a_local_teacher_costs_gpu_hours_and_no_dollars(
    example: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_VLLM_CMD", sys.executable)
    named = ("--teacher", "vllm:some/model", "--student", "s", "--sandbox", "folder")
    plan = sera(capsys, "generate", example, "--dry-run", *named)
    assert plan["usd"] == 0.0
    assert plan["gpu_hours"] == pytest.approx(plan["rollouts"] * 0.06535, abs=0.01)


def test_a_verb_that_asks_no_teacher_says_so(example: Path, capsys: Captured) -> None:
    plan = sera(capsys, "mine", example, "--dry-run", "--sandbox", "folder")
    assert (plan["verb"], plan["functions"], plan["rollouts"], plan["tokens"]["total"]) == ("mine", 18, 0, 0)


def test_training_counts_the_samples_that_are_there(example: Path, capsys: Captured) -> None:
    named = ("--run", "r", "--sandbox", "folder")
    made = sera(capsys, "mine", example, *named)
    run = Run(folder=Path(made["run"]))
    job = open_job(Asked(example, {"rollout.sandbox": "folder"}, "HEAD", "r", False, True, True))
    settle(run, "generate", job.generation)
    one = Sample(id="s", messages=(), origin="first", kept=1, steps=1, tokens=1)
    heldout = one.model_copy(update={"id": "h", "heldout": True})
    store.write(run.samples, Sample, [one, one.model_copy(update={"id": "t"}), heldout])
    plan = sera(capsys, "train", example, "--dry-run", "--student", "some/model", *named)
    assert (plan["samples"], plan["wanted"], plan["heldout"]) == (2, 2, 1)
    assert (plan["functions"], plan["rollouts"], plan["gpu_hours"]) == (18, 0, round(2 * 0.028, 2))


def test_training_is_foretold_in_its_own_words_and_reads_no_code(example: Path, capsys: Captured) -> None:
    """A repository without a function is none to begin a rollout from, and may have samples all the same."""
    shutil.rmtree(example / "timesheet")
    commit(example)
    job = open_job(Asked(example, {"rollout.sandbox": "folder"}, "HEAD", "r", False, True, True))
    job.run.folder.mkdir(parents=True)
    settle(job.run, "generate", job.generation)
    one = Sample(id="s", messages=(), origin="first", kept=1, steps=1, tokens=1)
    line = ["train", str(example), "--dry-run", "--student", "some/model", "--run", "r", "--sandbox", "folder"]
    store.write(job.run.samples, Sample, [one, one.model_copy(update={"id": "h", "heldout": True})])

    assert door.run(line) == 0
    assert capsys.readouterr().err.splitlines()[-5:] == [
        f"run        {job.run.folder}", "student    some/model", "samples    1, 1 held out",
        "GPU-hours  0.0, as the paper's took", "Nothing was done. Leave out --dry-run to begin.",
    ]  # fmt: skip

    store.write(job.run.samples, Sample, [one.model_copy(update={"heldout": True})])
    assert door.run(line) == 1
    assert "6-samples.jsonl: no samples to train on; generate more" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(example: Path, capsys: Captured, tmp_path: Path) -> None:
    sera(capsys, "specialize", example, "--dry-run", "--sandbox", "folder")
    assert not (example / ".sera" / "runs").exists()
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_a_rehearsal_takes_what_was_foretold_from_another_repository(capsys: Captured, tmp_path: Path) -> None:
    """Before any run, and from the profile of a run elsewhere: within a quarter of the true count of tokens."""
    small = ("--samples", 40, "--seed", 1, "--sandbox", "folder", "-j", 2)
    one, other = (made_of(tmp_path / name, name) for name in ("email", "logging"))
    blind = sera(capsys, "generate", one, "--dry-run", *small)
    assert blind["from"] == "a rehearsal measured once"
    first = Run(folder=Path(sera(capsys, "generate", one, *small)["run"]))
    assert blind["tokens"]["total"] == pytest.approx(true_tokens(first), rel=0.25)

    profile.keep(home("data"), "rehearsal", first)
    told = sera(capsys, "generate", other, "--dry-run", *small)
    assert told["from"] == "1 earlier run with this teacher"
    second = Run(folder=Path(sera(capsys, "generate", other, *small)["run"]))
    assert told["tokens"]["total"] == pytest.approx(true_tokens(second), rel=0.25)

    again = sera(capsys, "generate", other, "--dry-run", *small)
    assert (again["from"], again["seconds"]) == ("this run so far", 0)
    assert again["tokens"]["total"] == true_tokens(second)
    assert again["done"]["rollouts"] == again["rollouts"]
