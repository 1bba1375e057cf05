"""What a benchmark of a repository's past is built from: settled and checked before anything is written."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.bench import Wanted
from sera_cli.cli.job import Job, named
from sera_cli.console import say
from sera_cli.errors import ConfigError, DataError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.config import Config
    from sera_cli.evaluate.replay.statement import Thread
    from sera_cli.evaluate.runners.runner import Runner
    from sera_cli.git import Checkout
    from sera_cli.types import AgentCard

LAST = 200
"""Commits that are looked at where nobody says since when."""
_ROOM = "sera specialize --at REV leaves room"


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
    agent: str = ""
    """Whom the benchmark is for, as NAME@VERSION."""


def plan_of(wanted: Wanted) -> Plan:
    """Checks what can be checked beforehand. Raises ConfigError, DataError or SeraError; writes nothing."""
    from sera_cli import git, offline
    from sera_cli.cli.teaching import addresses
    from sera_cli.cli.trust import must_be_the_users, opening
    from sera_cli.config import resolve
    from sera_cli.evaluate.replay.build import tree
    from sera_cli.evaluate.runners import choose
    from sera_cli.types import digest

    if wanted.out and not wanted.out.absolute().parent.is_dir():
        raise ConfigError(f"--out {wanted.out}: there is no such folder; make it first")
    if wanted.since and wanted.agent:
        raise ConfigError("say --since or --agent, not both")
    found = resolve(wanted.repo, wanted.flags)
    checkout = git.open_repository(wanted.repo, wanted.at)
    runner = choose(tree(checkout), wanted.runner)
    if runner is None:
        raise DataError("no tests are there that sera can run; name what runs them with --runner", checkout.root)
    repo = wanted.name or _called(checkout)
    card = _agent(wanted.agent, checkout)
    since, last = _since(wanted, checkout, card)
    teacher = wanted.flags.get("teacher.model") or ""
    if teacher == "rehearsal":
        raise ConfigError("a rehearsal writes no statements of changes; name a teacher, or leave out --teacher")
    threads = _threads(wanted.issues)
    if runner.language == "python" and not (wanted.venv or found.config.env.network):
        wanted = replace(wanted, venv=_beside(checkout))
    decides = _decides(wanted, found.config, checkout, runner.name) | {
        "repo": repo, "since": since, "last": last, "teacher": teacher, "issues": digest(threads) if threads else ""}
    job = _job(wanted, found.config, checkout, teacher, decides)
    risky = ["teacher.model", "teacher.url", "teacher.flags"] if teacher else []
    risky += ["rollout.sandbox"] if found.config.rollout.sandbox == "folder" else []
    must_be_the_users([*risky, *opening(found.config)], found.origins, checkout, wanted.repo)
    offline.keep(found.config.privacy.offline, addresses(job), building=found.config.env.network)
    agent = f"{card.name}@{card.version}" if card else ""
    return Plan(wanted, job, repo, since, last, runner, threads, agent)


def _beside(checkout: "Checkout") -> Path | None:
    """The environment that lies in the checkout, as many tools make it; not one that the repository brings: its
    programs are run to be known.
    """
    from sera_cli.plumbing import run

    for name in (".venv", "venv"):
        folder = checkout.root / name
        if (folder / "bin" / "python").exists() and not run(checkout.root, "ls-files", "--", name).stdout:
            say(f"tests run in {folder}")
            return folder
    return None


def _decides(wanted: Wanted, config: "Config", checkout: "Checkout", runner: str) -> dict[str, Any]:
    from sera_cli import ignore, templates
    from sera_cli.types import digest

    return {
        "commit": checkout.commit, "runner": runner, "runs": wanted.runs,
        "prompts": templates.fingerprint("bench/*.md"), "ignored": digest(ignore.rules(checkout)),
        "environment": str(wanted.venv.absolute()) if wanted.venv else "network" if config.env.network else "here",
        "setup": config.env.setup, "seconds": wanted.seconds,
    }  # fmt: skip


def _job(wanted: Wanted, config: "Config", checkout: "Checkout", teacher: str, decides: dict[str, Any]) -> Job:
    """The build as other verbs know their work: what a teacher and its ledger are made from."""
    from sera_cli import runs
    from sera_cli.cli.options import Asked
    from sera_cli.config import home

    at_home = home("data") / "bare" / decides["repo"].replace("/", "__")
    root = checkout.root if (checkout.root / ".git").exists() else at_home
    name = wanted.run or runs.default_name(decides["repo"].rpartition("/")[2], checkout.commit, decides)
    run = runs.Run(folder=root / ".sera" / "bench" / runs.named(root, name).name)
    asked = Asked(wanted.repo, wanted.flags, wanted.at, wanted.run, wanted.retry_failed, False, wanted.json)
    return Job(asked, config, checkout, run, teacher or "rehearsal", decides)


def _called(checkout: "Checkout") -> str:
    """`owner/name` as the address of its origin ends, else the folder's name, whose owner is `local`."""
    from sera_cli.plumbing import run

    said = run(checkout.root, "config", "--get", "remote.origin.url").stdout.decode("utf-8", "replace").strip()
    found = re.search(r"([\w.-]+)[/:]([\w.-]+?)(?:\.git)?/?$", said) if "://" in said or "@" in said else None
    if found:
        return f"{found[1]}/{found[2]}"
    owner, _, name = checkout.name.rpartition("__")
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-") or "repository"
    return f"{owner or 'local'}/{plain}"


def _agent(said: str, checkout: "Checkout") -> "AgentCard | None":
    """The agent that was named, else the newest that was made of a commit of this repository; None for no such."""
    from sera_cli.agents.registry import agents, find
    from sera_cli.config import home

    if not said:
        own = [card for card in agents(home("data")) if card.repository == checkout.name and _has(checkout, card)]
        return max(own, key=lambda one: one.created, default=None)
    card = find(home("data"), said)
    if not _has(checkout, card):
        raise ConfigError(f"{_made(card)}, which is not in {checkout.root}; say --since REV")
    return card


def _since(wanted: Wanted, checkout: "Checkout", card: "AgentCard | None") -> tuple[str, int]:
    """The commit before which nothing counts, and how many commits are looked at; 0: all since then.

    `card` is the agent to evaluate; what it may know of them is said.
    """
    from sera_cli import git

    if wanted.since:
        since = git.open_repository(checkout.root, wanted.since).commit
        if card and not _part_of(checkout, card.commit, since):
            say(f"note: {_made(card)}, and has seen what changes did that are not newer ({_ROOM})", prose=True)
        return since, wanted.last
    if card and (wanted.agent or not wanted.last):
        if _part_of(checkout, checkout.commit, card.commit):
            raise ConfigError(
                f"{_made(card)}, and knows all of the past of {checkout.commit[:12]}; to leave room for a benchmark, "
                f"train with sera specialize {named(wanted.repo)} --at REV, or take commits that it has seen, and "
                "tasks that it may know, with --last N and no --agent")
        say(f"changes that are newer than {card.name}@{card.version}, made at {card.commit[:12]}")
        return card.commit, wanted.last
    who = f"{_made(card)}, and" if card else "an agent that was trained at the newest of them"
    what = "changes did that are not newer" if card else "they did"
    last = wanted.last or LAST
    say(f"note: looking at {_looked_at(checkout, last)}; {who} has seen what {what} ({_ROOM})", prose=True)
    return "", last


def _looked_at(checkout: "Checkout", last: int) -> str:
    """`the last 200 commits`, or all there are where those are fewer: of the commit's own line, as `changes` goes."""
    from sera_cli.plumbing import line

    most = f"--max-count={last + 1}"
    there = int(line(checkout.root, "rev-list", "--count", "--first-parent", most, checkout.commit))
    return f"the last {counted(last, 'commit')}" if there > last else f"the whole past, {counted(there, 'commit')}"


def _made(card: "AgentCard") -> str:
    return f"{card.name}@{card.version} was made at {card.commit[:12]}"


def _has(checkout: "Checkout", card: "AgentCard") -> bool:
    """Whether the commit of the agent is in the repository."""
    from sera_cli.plumbing import run

    return not run(checkout.root, "cat-file", "-e", f"{card.commit}^{{commit}}").returncode


def _part_of(checkout: "Checkout", commit: str, later: str) -> bool:
    """Whether the one commit is the other, or in its past."""
    from sera_cli.plumbing import run

    return not run(checkout.root, "merge-base", "--is-ancestor", commit, later).returncode


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
