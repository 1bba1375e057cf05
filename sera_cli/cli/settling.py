"""What a benchmark of a repository's past is built from: settled and checked before anything is written."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.bench import Wanted
from sera_cli.cli.job import Job
from sera_cli.console import say
from sera_cli.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sera_cli.config import Config
    from sera_cli.evaluate.replay.statement import Thread
    from sera_cli.evaluate.runners.runner import Runner
    from sera_cli.git import Checkout

LAST = 200
"""Commits that are looked at where nobody says since when."""


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
    return Plan(wanted, job, repo, since, last, runner, threads)


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
