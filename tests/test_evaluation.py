"""Attempts at the tiny instance: validated, rolled out and graded, all for real but the model and the environment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sera_cli import store
from sera_cli.errors import ModelError, SandboxError
from sera_cli.evaluate.attempts import Arena, Attempt, attempts
from sera_cli.evaluate.bases import Standing
from sera_cli.evaluate.evaluation import Files, Judging, Trust, results
from sera_cli.evaluate.grade import Grade, grade
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.validate import Validation, validated
from sera_cli.harness.loop import Limits
from sera_cli.harness.model import Model
from sera_cli.harness.sandbox import Sandbox
from sera_cli.types import Task
from tests import tiny
from tests.scripted import Scripted, calls

pytest.importorskip("swebench")

FIX = calls("bash", command=f"cat > tally.py <<'END'\n{tiny.FIXED}END")
WRONG = calls("bash", command="echo '# nothing' >> tally.py")
SUBMIT = calls("submit")


class Bench:
    """The tiny instance in a place; `said` is what happened, in order."""

    def __init__(self, folder: Path) -> None:
        self.repo = tiny.repository(folder)
        self.instance = tiny.instance(self.repo)
        self.place = tiny.Here(self.repo, folder / "bases")
        self.files, self.cache = Files(folder=folder / "run"), folder / "cache"
        self.files.folder.mkdir()
        self.said: list[str] = []

    def validate(self, instance: Instance) -> Validation:
        self.said.append("validated")
        return validated(instance, self.place, logs=self.files.logs, cache=self.cache, again=True)

    def mark(self, instance: Instance, patch: str, attempt: Attempt) -> Grade:
        self.said.append("graded")
        return grade(instance, patch, self.place, logs=self.files.logs / str(attempt.seed), id=attempt.id)

    def arena(self, model: Callable[[int], Model], **more: Any) -> Arena:
        def sandbox(attempt: Attempt) -> Sandbox:
            self.said.append("tried")
            return self.place.sandbox(self.instance)

        return Arena(**{"model": model, "sandbox": sandbox, "limits": Limits(command_seconds=30.0), **more})

    def todo(self, seeds: int = 1) -> tuple[Attempt, ...]:
        one = self.instance
        task = Task(id=one.instance_id, repo=one.repo, commit=one.base_commit, statement=one.problem_statement,
                    source=one.instance_id)  # fmt: skip
        return attempts([task], range(seeds), {"model": "scripted"})

    def graded(self, *, seeds: int = 1, trust: dict[str, Any] | None = None, **more: Any) -> list[Grade]:
        told = Trust(**{"validate": self.validate, "mark": self.mark, **(trust or {})})
        judging = Judging(self.files, {tiny.ID: self.instance}, told, **more)
        with ThreadPoolExecutor(2) as pool:
            return [made for _, made in judging.graded(self.todo(seeds), pool, 2)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


def scripted(*lines: Any) -> Callable[[int], Model]:
    return lambda seed: Scripted(*lines)


def test_a_rollout_that_fixes_it_is_resolved_and_a_second_run_finds_all_of_it_again(bench: Bench) -> None:
    model = scripted(FIX, SUBMIT)
    first = bench.graded(arena=bench.arena(model))
    assert [(one.verdict, one.applied) for one in first] == [("resolved", True)]
    assert bench.said == ["validated", "tried", "graded"]
    assert (bench.files.logs / "0" / first[0].log).read_text().count("PASSED") == 5
    assert bench.graded(arena=bench.arena(model)) == first
    assert bench.said == ["validated", "tried", "graded"]


def test_an_instance_is_validated_once_however_many_seeds_there_are(bench: Bench) -> None:
    made = bench.graded(seeds=3, arena=bench.arena(scripted(WRONG, SUBMIT)))
    assert [one.verdict for one in made] == ["unresolved"] * 3
    assert [bench.said.count(what) for what in ("validated", "tried", "graded")] == [1, 3, 3]


def test_patches_that_somebody_made_are_graded_without_a_rollout(bench: Bench) -> None:
    assert [one.verdict for one in bench.graded(patches={tiny.ID: bench.instance.patch})] == ["resolved"]
    assert not bench.files.solved.read_text().count("\n") > 1
    found = results(bench.files, bench.todo(), lambda usage: 0.0)
    assert (found[tiny.ID][0].verdict, found[tiny.ID][0].score, found[tiny.ID][0].exit) == ("resolved", 1.0, "")


def test_no_patch_is_unresolved_and_a_missing_one_is_too(bench: Bench) -> None:
    assert [(one.verdict, one.reason) for one in bench.graded(patches={})] == [("unresolved", "no patch")]


def test_an_instance_that_its_own_fix_does_not_resolve_costs_no_rollout_until_it_is_asked_for_again(
    bench: Bench,
) -> None:
    good = bench.instance
    bench.instance = good.model_copy(update={"patch": tiny.patch(bench.repo, {"tally.py": tiny.HALF})})
    made = bench.graded(seeds=2, arena=bench.arena(scripted(FIX, SUBMIT)))
    assert {one.verdict for one in made} == {"unvalidated"}
    assert made[0].reason.startswith("its own fix does not resolve it: 1 test fails")
    assert bench.said == ["validated"]
    found = results(bench.files, bench.todo(2), lambda usage: 0.0)[tiny.ID]
    assert [(one.verdict, one.score) for one in found.values()] == [("unvalidated", None)] * 2
    assert bench.graded(seeds=2, arena=bench.arena(scripted(FIX, SUBMIT))) == made
    bench.instance = good
    again = bench.graded(seeds=2, arena=bench.arena(scripted(FIX, SUBMIT)), retry_failed=True)
    assert [(one.verdict, one.attempt) for one in again] == [("resolved", 2)] * 2


def test_a_rollout_that_broke_is_nobodys_failure_and_is_made_again_only_when_asked(bench: Bench) -> None:
    broken = bench.graded(arena=bench.arena(scripted(ModelError("the server said 500"))))
    assert [(one.verdict, one.reason) for one in broken] == [("infra", "the server said 500")]
    assert bench.graded(arena=bench.arena(scripted(FIX, SUBMIT))) == broken
    mended = bench.graded(arena=bench.arena(scripted(FIX, SUBMIT)), retry_failed=True)
    assert [(one.verdict, one.attempt) for one in mended] == [("resolved", 2)]
    found = results(bench.files, bench.todo(), lambda usage: 0.5)[tiny.ID][0]
    assert (found.verdict, found.exit, found.steps, found.dollars) == ("resolved", "submitted", 3, 0.5)


def test_a_sandbox_that_breaks_while_grading_keeps_the_rollout(bench: Bench) -> None:
    def gone(instance: Instance, patch: str, attempt: Attempt) -> Grade:
        raise SandboxError("no space left")

    made = bench.graded(arena=bench.arena(scripted(FIX, SUBMIT)), trust={"mark": gone})
    assert [(one.verdict, one.reason) for one in made] == [("infra", "no space left")]
    mended = bench.graded(arena=bench.arena(scripted(WRONG, SUBMIT)), retry_failed=True)
    assert [one.verdict for one in mended] == ["resolved"]
    assert bench.said.count("tried") == 1


class Bare(tiny.Here):
    """Its environments are gone when they are entered."""

    def sandbox(self, instance: Instance) -> Sandbox:
        return Standing(self._gone, self._maker)

    def _gone(self) -> AbstractContextManager[Path]:
        raise Unprepared("the image is gone")


def test_an_environment_that_is_gone_meanwhile_is_nobodys_failure_and_ends_nothing(bench: Bench) -> None:
    there = bench.place
    arena = bench.arena(scripted(FIX, SUBMIT))
    assert [one.verdict for one in bench.graded(arena=arena)] == ["resolved"]
    bench.place = Bare(bench.repo, bench.files.folder / "bases")
    made = bench.graded(seeds=2, arena=arena)
    assert [(one.verdict, one.reason) for one in made] == [("resolved", ""), ("unvalidated", "the image is gone")]
    bench.place = there
    again = bench.graded(seeds=2, arena=arena, retry_failed=True)
    assert [(one.verdict, one.attempt) for one in again] == [("resolved", 1), ("resolved", 2)]


class Changed(tiny.Here):
    """What its environments are made of is told by `made`."""

    made = "one"

    def prepare(self, instance: Instance) -> str:
        return self.made


def test_an_environment_that_is_another_one_is_trusted_after_it_was_tried(bench: Bench) -> None:
    place = bench.place = Changed(bench.repo, bench.files.folder / "bases")
    arena = bench.arena(scripted(FIX, SUBMIT))
    for seeds, made in ((1, "one"), (2, "one"), (3, "two")):
        place.made = made
        assert {one.verdict for one in bench.graded(seeds=seeds, arena=arena)} == {"resolved"}
    found = [*store.scan(bench.files.validated, Validation)]
    assert [(one.environment, one.attempt, one.valid) for one in found] == [("one", 1, True), ("two", 2, True)]


def test_a_rollout_that_ran_out_of_steps_hands_in_what_it_has(bench: Bench) -> None:
    arena = bench.arena(scripted(FIX, WRONG), limits=Limits(steps=2, command_seconds=30.0))
    assert [one.verdict for one in bench.graded(arena=arena)] == ["resolved"]
    assert results(bench.files, bench.todo(), lambda usage: None)[tiny.ID][0].exit == "limit"


def test_who_watches_hears_of_every_instance_and_every_grade_once(bench: Bench) -> None:
    heard: list[str] = []
    trust = {"on_validated": lambda one: heard.append(f"valid {one.valid}"),
             "on_graded": lambda attempt, made: heard.append(f"{attempt.seed} {made.verdict}")}  # fmt: skip
    bench.graded(seeds=2, arena=bench.arena(scripted(FIX, SUBMIT)), trust=trust)
    assert heard[0] == "valid True"
    assert sorted(heard[1:]) == ["0 resolved", "1 resolved"]
