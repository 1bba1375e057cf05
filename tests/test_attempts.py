from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sera_cli.errors import ContextOverflow, SandboxError, SandboxGone, SeraError, Unreachable
from sera_cli.evaluate.attempts import Arena, Attempt, Narrow, attempted, attempts, solved
from sera_cli.harness.loop import Limits
from sera_cli.harness.sandbox import Sandbox
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.types import Task
from tests.rollouts import EDIT, exported
from tests.scripted import Scripted, calls

SUBMIT = calls("submit")


def task(name: str = "shop__cart-1") -> Task:
    return Task(id=name, repo="shop/cart", commit="c0ffee", statement="Totals are off.", source=name)


def arena(base: Path, *lines: object, **more: object) -> Arena:
    made = {"model": lambda seed: Scripted(*(lines or (EDIT, SUBMIT))), "limits": Limits(command_seconds=5.0)}  # type: ignore[arg-type]
    return Arena(**{**made, "sandbox": lambda attempt: FolderSandbox(base), **more})  # type: ignore[arg-type]


def test_all_tasks_are_tried_with_one_seed_before_any_is_with_the_next() -> None:
    found = attempts([task("a"), task("b")], [0, 1], {"model": "m"})
    assert [(one.name, one.seed) for one in found] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert len({one.id for one in found}) == 4
    assert all(one.task.id == one.id and one.task.source == one.name for one in found)


def test_an_attempt_is_another_where_the_model_the_seed_or_the_statement_is_another() -> None:
    first = attempts([task()], [0], {"model": "m"})[0].id
    assert attempts([task()], [0], {"model": "m"})[0].id == first
    assert attempts([task()], [0], {"model": "n"})[0].id != first
    assert attempts([task()], [1], {"model": "m"})[0].id != first
    assert attempts([task().model_copy(update={"statement": "Else."})], [0], {"model": "m"})[0].id != first


def test_an_attempt_is_a_rollout_under_its_own_id(tmp_path: Path) -> None:
    attempt = attempts([task()], [2], {})[0]
    done = attempted(attempt, 1, arena(exported(tmp_path)))
    assert (done.id, done.exit, done.task.source) == (attempt.id, "submitted", "shop__cart-1")
    assert done.patch.startswith("diff --git")


def test_seeds_differ_and_stay_the_same_when_an_attempt_is_made_again(tmp_path: Path) -> None:
    base, seeds = exported(tmp_path), []

    def model(seed: int) -> Scripted:
        seeds.append(seed)
        return Scripted(SUBMIT)

    one, two = attempts([task()], [0, 1], {})
    for attempt, number in ((one, 1), (one, 2), (two, 1)):
        attempted(attempt, number, arena(base, model=model))
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_place_that_cannot_be_had_breaks_the_attempt_and_nothing_else(tmp_path: Path) -> None:
    def nowhere(attempt: Attempt) -> Sandbox:
        raise SandboxError("no room left for a sandbox")

    done = attempted(attempts([task()], [0], {})[0], 3, arena(tmp_path, sandbox=nowhere))
    assert (done.exit, done.error, done.attempt, done.failed) == ("error", "no room left for a sandbox", 3, True)


@pytest.mark.parametrize("error", [SandboxGone("the engine is down"), Unreachable("nobody answers")])
def test_what_no_attempt_can_survive_ends_the_run(tmp_path: Path, error: SeraError) -> None:
    def gone(attempt: Attempt) -> Sandbox:
        raise error

    with pytest.raises(type(error)):
        attempted(attempts([task()], [0], {})[0], 1, arena(tmp_path, sandbox=gone))


def test_a_conversation_longer_than_allowed_is_an_overflow_that_hands_in_its_patch(tmp_path: Path) -> None:
    long = EDIT.model_copy(update={"usage": EDIT.usage.model_copy(update={"prompt": 500})})
    done = attempted(attempts([task()], [0], {})[0], 1, arena(exported(tmp_path), EDIT, long, context=100))
    assert (done.exit, len(done.steps)) == ("context", 1)
    assert done.patch.startswith("diff --git")
    assert done.policy.sampling == {"context": 100}


def test_a_narrow_model_counts_prompt_and_reply_together() -> None:
    fits = SUBMIT.usage.prompt + SUBMIT.usage.completion
    assert Narrow(Scripted(SUBMIT), fits).reply([], []) == SUBMIT
    with pytest.raises(ContextOverflow, match="the conversation has 12 tokens, and 11 are allowed"):
        Narrow(Scripted(SUBMIT), fits - 1).reply([], [])


def test_what_was_tried_is_found_again_and_what_broke_is_tried_again_when_asked(tmp_path: Path) -> None:
    base, file = exported(tmp_path), tmp_path / "solved.jsonl"
    asked: list[str] = []

    def sandbox(attempt: Attempt) -> Sandbox:
        asked.append(attempt.name)
        if attempt.name == "b" and asked.count("b") == 1:
            raise SandboxError("no room")
        return FolderSandbox(base)

    todo = attempts([task("a"), task("b")], [0], {})

    def go(*, retry: bool = False) -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            found = solved(file, todo, arena(base, sandbox=sandbox), pool, workers=2, retry_failed=retry)
            return [rollout.exit for _, rollout in found]

    assert go() == ["submitted", "error"]
    assert go() == ["submitted", "error"]
    assert go(retry=True) == ["submitted", "submitted"]
    assert sorted(asked) == ["a", "b", "b"]
