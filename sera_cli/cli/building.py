"""How the door builds a benchmark of a repository's past: what is asked for is settled, then the room does the work."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from sera_cli.cli.bench import Wanted
from sera_cli.cli.job import Job
from sera_cli.console import Board, board, say
from sera_cli.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sera_cli.config import Config
    from sera_cli.evaluate.flaky import Tried
    from sera_cli.evaluate.instance import Instance
    from sera_cli.evaluate.replay.build import Row
    from sera_cli.evaluate.replay.candidates import Candidate, Dropped
    from sera_cli.evaluate.replay.statement import Thread
    from sera_cli.evaluate.runners.runner import Runner
    from sera_cli.git import Checkout
    from sera_cli.harness.model import Teacher

LAST = 200
"""Commits that are looked at where nobody says since when."""


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
    seconds: float

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
        return f"{self.tasks} tasks, {share} of the changes, in {self.seconds / 60:.1f} minutes{beside}"

    def document(self) -> dict[str, Any]:
        """What `--json` tells."""
        return {
            "repo": self.repo, "commit": self.commit, "since": self.since, "changes": self.changes,
            "tasks": self.tasks, "left_out": self.reasons(), "seconds": round(self.seconds, 1), "out": str(self.out),
            "instances": [row["instance_id"] for row in self.rows],
            "dropped": [one._asdict() for one in (*self.dropped, *self.tried_and_dropped)],
        }


@dataclass(frozen=True)
class Plan:
    """What a build is about, settled before anything is written."""

    wanted: Wanted
    job: Job
    repo: str
    since: str
    last: int
    runner: "Runner"
    threads: dict[int, "Thread"]


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
        able, dropped = _examined(plan, shown)
        teacher = stack.enter_context(_teaching(plan, stop, shown))
        pool = stack.enter_context(workers(_jobs(job), stop))
        shop = Workshop(
            job.checkout, plan.repo, plan.runner, job.run.folder, _trying(plan, stop), pool, teacher,
            retry_failed=wanted.retry_failed,
        )  # fmt: skip
        rows, missed = _worked(tasks(shop, able), len(able), wanted.limit, shown)
        out = wanted.out or job.run.folder.parent / "replay.jsonl"
        if rows:
            write_rows(out, rows)
    left = len(able) - len(rows) - len(missed)
    return Built(
        plan.repo, wanted.repo, job.checkout.commit, plan.since, out, tuple(rows), tuple(dropped), tuple(missed),
        left, monotonic() - begun,
    )  # fmt: skip


def plan_of(wanted: Wanted) -> Plan:
    """Checks what can be checked beforehand. Raises ConfigError, DataError or SeraError; writes nothing."""
    from sera_cli import git, offline
    from sera_cli.cli.teaching import addresses
    from sera_cli.cli.trust import must_be_the_users, opening
    from sera_cli.config import resolve
    from sera_cli.evaluate.replay.build import tree
    from sera_cli.evaluate.runners import choose

    found = resolve(wanted.repo, wanted.flags)
    checkout = git.open_repository(wanted.repo, wanted.at)
    runner = choose(tree(checkout), wanted.runner)
    if runner is None:
        raise DataError("no tests are there that sera can run; name what runs them with --runner", checkout.root)
    repo = wanted.name or _called(checkout)
    since, last = _since(wanted, checkout)
    teacher = wanted.flags.get("teacher.model") or ""
    if teacher == "rehearsal":
        raise ConfigError("a rehearsal writes no statements of changes; name a teacher, or leave out --teacher")
    decides = _decides(wanted, found.config, checkout, runner.name) | {
        "repo": repo, "since": since, "last": last, "teacher": teacher}
    job = _job(wanted, found.config, checkout, teacher, decides)
    risky = ["teacher.model", "teacher.url", "teacher.flags"] if teacher else []
    risky += ["rollout.sandbox"] if found.config.rollout.sandbox == "folder" else []
    must_be_the_users([*risky, *opening(found.config)], found.origins, checkout, wanted.repo)
    offline.keep(found.config.privacy.offline, addresses(job), building=found.config.env.network)
    return Plan(wanted, job, repo, since, last, runner, _threads(wanted.issues))


def _decides(wanted: Wanted, config: "Config", checkout: "Checkout", runner: str) -> dict[str, Any]:
    from sera_cli import ignore, templates
    from sera_cli.types import digest

    issues = digest(wanted.issues.read_text(encoding="utf-8", errors="replace")) if wanted.issues else ""
    return {
        "commit": checkout.commit, "runner": runner, "runs": wanted.runs, "issues": issues,
        "prompts": templates.fingerprint("bench/*.md"), "ignored": digest(ignore.rules(checkout)),
        "environment": str(wanted.venv.absolute()) if wanted.venv else "network" if config.env.network else "here",
        "setup": config.env.setup, "seconds": wanted.seconds,
    }  # fmt: skip


def _job(wanted: Wanted, config: "Config", checkout: "Checkout", teacher: str, decides: dict[str, Any]) -> Job:
    """The build as other verbs know their work: what a teacher and its ledger are made from."""
    from sera_cli.cli.options import Asked
    from sera_cli.config import home
    from sera_cli.runs import Run, default_name, named

    at_home = home("data") / "bare" / decides["repo"].replace("/", "__")
    root = checkout.root if (checkout.root / ".git").exists() else at_home
    name = wanted.run or default_name(decides["repo"].rpartition("/")[2], checkout.commit, decides)
    run = Run(folder=root / ".sera" / "bench" / named(root, name).name)
    asked = Asked(wanted.repo, wanted.flags, wanted.at, wanted.run, wanted.retry_failed, False, wanted.json)
    return Job(asked, config, checkout, run, teacher or "rehearsal", decides)


def _called(checkout: "Checkout") -> str:
    """`owner/name` as the address of its origin ends, else the folder's name, whose owner is `local`."""
    import re

    from sera_cli.plumbing import run

    said = run(checkout.root, "config", "--get", "remote.origin.url").stdout.decode("utf-8", "replace").strip()
    found = re.search(r"([\w.-]+)[/:]([\w.-]+?)(?:\.git)?/?$", said) if "://" in said or "@" in said else None
    if found:
        return f"{found[1]}/{found[2]}"
    owner, _, name = checkout.name.rpartition("__")
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "repository"
    return f"{owner or 'local'}/{plain}"


def _since(wanted: Wanted, checkout: "Checkout") -> tuple[str, int]:
    """The commit before which nothing counts, and how many commits are looked at; 0: all since then."""
    from sera_cli import git

    if wanted.since and wanted.agent:
        raise ConfigError("say --since or --agent, not both")
    if wanted.since:
        return git.open_repository(checkout.root, wanted.since).commit, wanted.last
    if (wanted.agent or not wanted.last) and (commit := _learnt_at(wanted.agent, checkout)):
        return commit, wanted.last
    say(f"note: the last {wanted.last or LAST} commits are looked at; an agent that was trained at the newest of them "
        "has seen what they did (sera specialize --at REV leaves room)", prose=True)
    return "", wanted.last or LAST


def _learnt_at(agent: str, checkout: "Checkout") -> str:
    """The commit of the agent, or of the newest one of this repository; empty where there is none."""
    from sera_cli.agents.registry import agents, find
    from sera_cli.config import home
    from sera_cli.plumbing import run

    own = [card for card in agents(home("data")) if card.repository == checkout.name]
    card = find(home("data"), agent) if agent else max(own, key=lambda one: one.created, default=None)
    if card is None:
        return ""
    called = f"{card.name}@{card.version}"
    if run(checkout.root, "cat-file", "-e", f"{card.commit}^{{commit}}").returncode:
        raise ConfigError(f"{called} was made at {card.commit[:12]}, which is not in {checkout.root}; say --since REV")
    if card.commit == checkout.commit:
        raise ConfigError(
            f"{called} was made at {card.commit[:12]}, and nothing is newer: make one with sera specialize --at REV, "
            "or say --since REV or --last N")
    say(f"changes that are newer than {called}, made at {card.commit[:12]}")
    return card.commit


def _threads(path: Path | None) -> dict[int, "Thread"]:
    """The issues and pull requests of a file, by number."""
    from sera_cli.evaluate.replay.statement import Thread
    from sera_cli.svg.demonstrations import issue_text, threads

    if path is None:
        return {}
    return {
        row["number"]: Thread(issue_text(row | {"pull_request": None}), bool(row.get("pull_request")))
        for row in threads(path) if isinstance(row.get("number"), int)
    }


def _examined(plan: Plan, shown: Board) -> tuple[list["Candidate"], list["Dropped"]]:
    """What may become tasks, and what cannot; told apart by reading alone."""
    from sera_cli.evaluate.replay.candidates import Candidate, Dropped, candidates
    from sera_cli.evaluate.replay.history import changes

    past = changes(plan.job.checkout, since=plan.since, last=plan.last)
    if not past:
        raise DataError(f"no commit is newer than {plan.since[:12]}; name an earlier one with --since",
                        plan.job.checkout.root)
    able: list[Candidate] = []
    dropped: list[Dropped] = []
    teaching = not plan.job.rehearsing
    for one in candidates(plan.job.checkout, past, plan.runner.is_test, plan.threads, teaching=teaching):
        able.append(one) if isinstance(one, Candidate) else dropped.append(one)
        shown("read", len(able) + len(dropped), len(past), f"{len(able)} with code, tests and a statement")
    return able, dropped


def _worked(
    made: "Iterator[Row | Dropped]", total: int, limit: int, shown: Board
) -> tuple[list["Row"], list["Dropped"]]:
    rows: list[Row] = []
    missed: list[Dropped] = []
    shown("try", 0, total)
    for one in made:
        rows.append(one) if isinstance(one, dict) else missed.append(one)
        shown("try", len(rows) + len(missed), total, f"{len(rows)} tasks")
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


def _trying(plan: Plan, stop: threading.Event) -> Callable[["Instance", Path], "Tried"]:
    """Runs the tests of a candidate in an environment of the user's, else with what this machine has."""
    from sera_cli.cli.env import terms
    from sera_cli.evaluate.flaky import tried
    from sera_cli.evaluate.local import LocalPlace
    from sera_cli.evaluate.toolchains import environment, toolchain
    from sera_cli.harness.sandbox.private import private_folder

    job, wanted = plan.job, plan.wanted
    agreed = terms(job.config, job.checkout, job.run.name, job.run.folder / "environment.log", stop.is_set)
    ground = environment(wanted.venv) if wanted.venv else toolchain(plan.runner.language, job.checkout.root)

    def trying(instance: "Instance", logs: Path) -> "Tried":
        with private_folder(label=job.run.name) as folder:
            place = LocalPlace(
                job.checkout.root, ground, folder, sandbox=job.config.rollout.sandbox, terms=agreed)
            return tried(instance, place, runs=wanted.runs, seconds=wanted.seconds, logs=logs)

    return trying
