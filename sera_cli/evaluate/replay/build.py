"""From candidates to a benchmark: tests are tried, a teacher writes statements that are wanting, rows are made."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from sera_cli.errors import DataError, SeraError
from sera_cli.evaluate import own
from sera_cli.evaluate.flaky import Tried
from sera_cli.evaluate.instance import InstallConfig, Instance
from sera_cli.evaluate.own import NOTHING, Allowed
from sera_cli.evaluate.places import Unprepared
from sera_cli.evaluate.replay.candidates import Candidate, Dropped
from sera_cli.evaluate.replay.inside import putting
from sera_cli.evaluate.replay.leaks import fresh
from sera_cli.evaluate.replay.statement import finished, write
from sera_cli.evaluate.runners.runner import Runner, Tree
from sera_cli.evaluate.script import script
from sera_cli.git import Checkout, blobs, tracked
from sera_cli.harness.model import Teacher
from sera_cli.harness.sandbox import ROOT
from sera_cli.store import atomically, grow
from sera_cli.types import Record, Usage, seed_of

Row = dict[str, Any]


class Trial(Record):
    """What a candidate's tests did. `error` says why they could not be tried at all: that work is still owed."""

    tried: Tried = Tried()
    config: InstallConfig = InstallConfig()
    error: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.error)


class Statement(Record):
    """What a teacher wrote; without a text `reason` says why, and `error` why it was not asked to the end."""

    text: str = ""
    reason: str = ""
    error: str = ""
    usage: Usage = Usage()

    @property
    def failed(self) -> bool:
        return bool(self.error)


@dataclass(frozen=True)
class Workshop:
    """What a build works with: the repository, called `repo` (owner/name), what runs its tests, where its files lie.

    `trying` runs the tests of an instance, and is told where its logs belong; `allowed` says in which environment.
    """

    checkout: Checkout
    repo: str
    runner: Runner
    folder: Path
    trying: Callable[[Instance, Path], Tried]
    pool: Executor
    teacher: Teacher | None = None
    allowed: Allowed = NOTHING
    retry_failed: bool = False

    @property
    def trials(self) -> Path:
        return self.folder / "tried.jsonl"

    @property
    def statements(self) -> Path:
        return self.folder / "statements.jsonl"


def build(shop: Workshop, candidates: Iterable[Candidate]) -> Iterator[Row | Dropped]:
    """A row for each candidate that makes a task, in their order; Dropped for another. What was done before is kept."""
    trials: dict[str, Trial] = {}
    work = partial(_tried, shop)

    def good() -> Iterator[Candidate]:
        for one, trial in grow(shop.trials, Trial, candidates, work, shop.pool, retry_failed=shop.retry_failed):
            trials[one.id] = trial
            yield one

    for one, said in _stated(shop, good(), trials):
        trial = trials.pop(one.id)
        if reason := trial.error or trial.tried.reason:
            yield _dropped(one, reason, trial)
        elif not said.text:
            yield Dropped(one.commit, one.title, said.reason or "no statement could be had", said.error)
        else:
            yield row(shop, one, trial, said.text)


def write_rows(path: Path, rows: Iterable[Row]) -> Path | None:
    """A benchmark as a file, in SWE-bench's schema, one row a line; it appears whole.

    Tasks that it takes the place of stay in a file beside it, which is returned; None where there were none, or where
    all of them are among the new ones.
    """
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    old = _bytes(path)
    kept = _free(path) if set(old.splitlines(keepends=True)) - set(lines) else None
    if kept:
        atomically(kept, old)
    atomically(path, b"".join(lines))
    return kept


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); name another file with --out", path) from error


def _free(path: Path) -> Path:
    """A name beside it that nobody has: `replay.jsonl.old`, else `replay.jsonl.old2` and so on."""
    names = (path.with_name(f"{path.name}.old{number if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not name.exists())


def row(shop: Workshop, one: Candidate, trial: Trial, statement: str) -> Row:
    """A task in SWE-bench's words: lists as JSON in a string, as its own files have them. `replay` is ours."""
    made = instance(shop, one, trial.config, statement)
    return {
        "repo": shop.repo, "instance_id": made.instance_id, "base_commit": one.base, "patch": one.parts.patch,
        "test_patch": one.parts.test_patch, "problem_statement": statement, "hints_text": "",
        "created_at": one.created, "version": made.version, "FAIL_TO_PASS": json.dumps(trial.tried.fail_to_pass),
        "PASS_TO_PASS": json.dumps(trial.tried.pass_to_pass), "environment_setup_commit": one.base, "image": "",
        "eval_script": made.eval_script, "install_config": trial.config.model_dump(mode="json"),
        "replay": {
            "commit": one.commit, "statement": one.source or "teacher", "flaky": trial.tried.flaky,
            "left_out": one.parts.left_out, "inside": one.parts.inside_patch, "seconds": trial.seconds,
            "environment": shop.allowed.environment, "setup": shop.allowed.setup,
        },
    }  # fmt: skip


def instance(shop: Workshop, one: Candidate, config: InstallConfig, statement: str = "") -> Instance:
    """The candidate as what an environment and a trial know; its script runs the test files of the change alone, and
    puts those tests first that stand in files of code.
    """
    bare = Instance(
        instance_id=f"{shop.repo.replace('/', '__')}-{one.commit[:10]}", repo=shop.repo, base_commit=one.base,
        problem_statement=statement, patch=one.parts.patch, test_patch=one.parts.test_patch,
        version=config.python or config.language, fail_to_pass=(), pass_to_pass=(),
        environment_setup_commit=one.base, created_at=one.created, install_config=config, row={},
    )  # fmt: skip
    before = (*putting(one.parts.inside), *config.eval_commands)
    first, _, rest = script(bare, config.test_cmd, before).partition("\n")
    return bare.model_copy(update={"eval_script": f"{first}\n[ ! -d {ROOT} ] || cd {ROOT}\n{rest}"})


def tree(checkout: Checkout) -> Tree:
    """The files of a commit as a runner asks for them."""
    files = {file.path: file.blob for file in tracked(checkout) if not file.symlink}

    def text(path: str) -> str:
        found = blobs(checkout, [files[path]]) if path in files else ()
        return "".join(content.decode("utf-8", "replace") for _, content in found)

    return Tree(frozenset(files), text)


def _tried(shop: Workshop, one: Candidate, attempt: int) -> Trial:
    begun = monotonic()
    there = tree(shop.checkout.model_copy(update={"commit": one.base}))
    command = shop.runner.command(there, one.parts.tests)
    config = own.config(shop.runner, there, shop.allowed, one.created).model_copy(update={"test_cmd": command})
    try:
        tried, error = shop.trying(instance(shop, one, config), shop.folder / "logs" / one.commit[:10]), ""
    except SeraError as broken:
        if broken.ends_run:
            raise
        tried, error = Tried(detail=str(broken)), _kind(broken)
    seconds = round(monotonic() - begun, 1)
    return Trial(id=one.id, attempt=attempt, tried=tried, config=config, error=error, seconds=seconds)


def _kind(broken: SeraError) -> str:
    return "has no environment" if isinstance(broken, Unprepared) else "could not be tried"


def _stated(
    shop: Workshop, candidates: Iterable[Candidate], trials: dict[str, Trial]
) -> Iterator[tuple[Candidate, Statement]]:
    """Each candidate with its statement; the teacher is asked for those that have none and whose tests are good."""
    if shop.teacher is None:
        for one in candidates:
            yield one, Statement(id=one.id, text=one.statement)
        return

    def work(one: Candidate, attempt: int) -> Statement:
        trial = trials[one.id]
        if one.statement or trial.error or trial.tried.reason:
            return Statement(id=one.id, attempt=attempt, text=one.statement)
        return _written(shop, one, attempt)

    def fits(one: Candidate, said: Statement) -> bool:
        """What was passed over because its tests could not be tried is to be written once they were."""
        trial = trials[one.id]
        return bool(said.text or said.reason or said.error or trial.error or trial.tried.reason)

    yield from grow(
        shop.statements, Statement, candidates, work, shop.pool, retry_failed=shop.retry_failed, fits=fits)


def _written(shop: Workshop, one: Candidate, attempt: int) -> Statement:
    assert shop.teacher is not None
    new = fresh(shop.checkout, one.base, one.parts)
    try:
        model = shop.teacher(seed_of("replay", one.id, attempt))
        text, reason, usage = write(model, one.change, one.parts, new)
    except SeraError as broken:
        if broken.ends_run:
            raise
        return Statement(id=one.id, attempt=attempt, error=str(broken))
    said = finished(text, new) if text else ""
    return Statement(id=one.id, attempt=attempt, text=said, reason=reason, usage=usage)


def _dropped(one: Candidate, reason: str, trial: Trial) -> Dropped:
    return Dropped(one.commit, one.title, reason, trial.tried.detail)
