"""How the door builds a benchmark of a repository's past: what is asked for is settled, then the room does the work."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Any

from sera_cli.cli.bench import Wanted
from sera_cli.cli.evaluation.settling import Plan, plan_of
from sera_cli.cli.job import Job
from sera_cli.console import Board, board
from sera_cli.errors import DataError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.flaky import Tried
    from sera_cli.evaluate.instance import Instance
    from sera_cli.evaluate.own import Allowed
    from sera_cli.evaluate.replay.build import Row
    from sera_cli.evaluate.replay.candidates import Candidate, Dropped
    from sera_cli.harness.model import Teacher

@dataclass(frozen=True)
class Built:
    """What came of a build. `tried_and_dropped` had two parts and a statement, and still made no task."""

    repo: str
    project: Path
    commit: str
    since: str
    out: Path
    rows: tuple["Row", ...]
    dropped: tuple["Dropped", ...]
    tried_and_dropped: tuple["Dropped", ...]
    left: int
    venv: Path | None
    seconds: float
    agent: str = ""
    kept: Path | None = None
    """Where the tasks are that these took the place of."""

    @property
    def tasks(self) -> int:
        return len(self.rows)

    @property
    def changes(self) -> int:
        return self.tasks + len(self.dropped) + len(self.tried_and_dropped) + self.left

    def reasons(self) -> dict[str, int]:
        """How many changes were left out, by reason, most first."""
        counts = Counter(one.reason for one in (*self.dropped, *self.tried_and_dropped))
        return dict(counts.most_common()) | ({"not tried: --limit was reached": self.left} if self.left else {})

    def summary(self) -> str:
        flaky = sum(bool(row["replay"]["flaky"]) for row in self.rows)
        beside = f"; flaky tests were left out of {flaky}" if flaky else ""
        share = f"{100 * self.tasks / self.changes:.0f} %" if self.changes else "none"
        return f"{counted(self.tasks, 'task')}, {share} of the changes, in {self.seconds / 60:.1f} minutes{beside}"

    def command(self) -> str:
        """What to type to evaluate on it, in the environment that its tests were tried in."""
        project = quote(str(self.project))
        at_home = self.out.resolve() == (self.project / ".sera" / "bench" / "replay.jsonl").resolve()
        bench = f"replay -C {project}" if at_home else f"{quote(str(self.out))} --repos {project}"
        venv = f" --venv {quote(str(self.venv))}" if self.venv else ""
        return f"sera eval --agent {self.agent or 'NAME'} --bench {bench}{venv}"

    def document(self) -> dict[str, Any]:
        """What `--json` tells."""
        return {
            "repo": self.repo, "commit": self.commit, "since": self.since, "changes": self.changes,
            "tasks": self.tasks, "left_out": self.reasons(), "seconds": round(self.seconds, 1), "out": str(self.out),
            "kept": str(self.kept) if self.kept else None,
            "instances": [row["instance_id"] for row in self.rows],
            "dropped": [one._asdict() for one in (*self.dropped, *self.tried_and_dropped)],
        }


def build(wanted: Wanted) -> Built:
    """Builds the benchmark, and writes it whole. Raises SeraError; what was done until then is kept."""
    from sera_cli.cli.working import workers
    from sera_cli.evaluate.replay.build import Workshop, write_rows
    from sera_cli.evaluate.replay.build import build as tasks
    from sera_cli.runs import held, settle

    begun, plan = monotonic(), plan_of(wanted)
    job, stop = plan.job, threading.Event()
    with held(job.run), board() as shown, ExitStack() as stack:
        settle(job.run, "replay", job.generation)
        trying = _trying(plan, stop)
        able, dropped = _examined(plan, shown)
        teacher = stack.enter_context(_teaching(plan, stop, shown))
        pool = stack.enter_context(workers(_jobs(job), stop))
        shop = Workshop(
            job.checkout, plan.repo, plan.runner, job.run.folder, trying, pool, teacher,
            allowed=_allowed(plan), retry_failed=wanted.retry_failed,
        )  # fmt: skip
        rows, missed = _worked(tasks(shop, able), len(able), wanted.limit, shown)
        out = wanted.out or job.run.folder.parent / "replay.jsonl"
        kept = write_rows(out, rows) if rows else None
    left = len(able) - len(rows) - len(missed)
    return Built(
        plan.repo, wanted.repo, job.checkout.commit, plan.since, out, tuple(rows), tuple(dropped), tuple(missed),
        left, plan.wanted.venv, monotonic() - begun, plan.agent, kept,
    )  # fmt: skip


def _examined(plan: Plan, shown: Board) -> tuple[list["Candidate"], list["Dropped"]]:
    """What may become tasks, and what cannot; told apart by reading alone."""
    from sera_cli.evaluate.replay.candidates import Candidate, Dropped, candidates
    from sera_cli.evaluate.replay.history import changes

    past = changes(plan.job.checkout, since=plan.since, last=plan.last)
    if not past:
        raise DataError(_nothing(plan), plan.job.checkout.root)
    able: list[Candidate] = []
    dropped: list[Dropped] = []
    teaching = not plan.job.rehearsing
    for one in candidates(plan.job.checkout, past, plan.runner, plan.threads, teaching=teaching):
        able.append(one) if isinstance(one, Candidate) else dropped.append(one)
        shown("read", len(able) + len(dropped), len(past), f"{len(able)} with code, tests and a statement")
    return able, dropped


def _nothing(plan: Plan) -> str:
    """Why there is no change to look at."""
    if plan.since:
        return f"no commit is newer than {plan.since[:12]}; name an earlier one with --since"
    commit = plan.job.checkout.commit[:12]
    return f"commit {commit} has no past to make tasks of; if the clone is shallow: git fetch --unshallow"


def _worked(
    made: "Iterator[Row | Dropped]", total: int, limit: int, shown: Board
) -> tuple[list["Row"], list["Dropped"]]:
    rows: list[Row] = []
    missed: list[Dropped] = []
    shown("try", 0, total)
    for one in made:
        rows.append(one) if isinstance(one, dict) else missed.append(one)
        shown("try", len(rows) + len(missed), total, counted(len(rows), "task"))
        if limit and len(rows) == limit:
            break
    return rows, missed


@contextmanager
def _teaching(plan: Plan, stop: threading.Event, shown: Board) -> Iterator["Teacher | None"]:
    from sera_cli.cli import money
    from sera_cli.cli.teaching import teaching

    if plan.job.rehearsing:
        yield None
        return
    with (
        money.account(plan.job, stop.is_set) as account,
        teaching(plan.job, meter=account, tell=lambda text: shown("teacher", 0, note=text)) as teacher,
    ):
        yield teacher


def _jobs(job: Job) -> int:
    import os

    return job.config.rollout.jobs or max(1, (os.cpu_count() or 2) // 2)


def _allowed(plan: Plan) -> "Allowed":
    from sera_cli.evaluate.own import Allowed

    env, private = plan.job.config.env, plan.job.config.privacy
    return Allowed(venv=plan.wanted.venv, setup=env.setup, network=env.network, offline=private.offline)


def _trying(plan: Plan, stop: threading.Event) -> Callable[["Instance", Path], "Tried"]:
    """Runs the tests of a candidate: in an environment of the user's, in one that is built for its commit where that
    may use the network, else with what this machine has.
    """
    from sera_cli.cli.env import terms
    from sera_cli.config import home
    from sera_cli.evaluate import own
    from sera_cli.evaluate.flaky import tried

    job, wanted = plan.job, plan.wanted
    agreed = terms(job.config, job.checkout, job.run.name, job.run.folder / "environment.log", stop.is_set)
    place = own.place(
        job.checkout.root, plan.runner.language, _allowed(plan), home("cache") / "evaluate" / "bases",
        sandbox=job.config.rollout.sandbox, terms=agreed,
    )  # fmt: skip

    def trying(instance: "Instance", logs: Path) -> "Tried":
        return tried(instance, place, runs=wanted.runs, seconds=wanted.seconds, logs=logs)

    return trying
