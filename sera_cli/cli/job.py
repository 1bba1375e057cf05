"""What a verb works on, settled before anything is written: settings, commit, run, teacher, sandbox."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote, split
from threading import Lock
from typing import TYPE_CHECKING, Any

from sera_cli.cli.options import Asked
from sera_cli.cli.trust import must_be_the_users, opening
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.config import Config
    from sera_cli.git import Checkout
    from sera_cli.harness.sandbox import Sandbox
    from sera_cli.runs import Run

SAMPLES = 8000
SAMPLES_REHEARSED = 40
JOBS = 32
"""Rollouts at once with a real teacher, as in the SERA paper; a rehearsal takes one for each core."""


@dataclass(frozen=True)
class Job:
    """`teacher` is the spec in force; `generation` the settings that decide what is generated."""

    asked: Asked
    config: "Config"
    checkout: "Checkout"
    run: "Run"
    teacher: str
    generation: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rehearsing(self) -> bool:
        return self.teacher == "rehearsal"

    @property
    def samples(self) -> int:
        return self.config.generate.samples or (SAMPLES_REHEARSED if self.rehearsing else SAMPLES)

    @property
    def jobs(self) -> int:
        return self.config.rollout.jobs or ((os.cpu_count() or 1) if self.rehearsing else JOBS)

    @property
    def student(self) -> str:
        return self.config.student.model or "rehearsal"

    @property
    def agent(self) -> str:
        """The agent's name: as asked, else the repository's, kept to what a name may hold."""
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.checkout.name)
        return self.config.agent.name or plain.strip("-") or "agent"


def open_job(asked: Asked) -> Job:
    """Checks what can be checked before a run begins. Raises ConfigError, DataError or SeraError; writes nothing."""
    from sera_cli import git, ignore, offline, runs
    from sera_cli.cli.teaching import addresses
    from sera_cli.config import home
    from sera_cli.history import spaced
    from sera_cli.types import digest

    settings = asked.settings()
    config = settings.config
    checkout = git.open_repository(asked.repo, asked.at)
    teacher = config.teacher.model or "rehearsal"
    commits = spaced(checkout, config.generate.commits, int(config.generate.since.removesuffix("d")))
    generation = _generation(config, commits, teacher) | {"ignored": digest(ignore.rules(checkout))}
    name = asked.run or runs.default_name(checkout.name, checkout.commit, generation)
    root = checkout.root if (checkout.root / ".git").exists() else home("data") / "bare" / checkout.name
    job = Job(asked, config, checkout, runs.named(root, name), teacher, generation)
    _check(job)
    must_be_the_users(_risky(job), settings.origins, checkout, asked.repo)
    offline.keep(config.privacy.offline, addresses(job), building=config.env.network)
    return job


def real_run(job: Job) -> str:
    """What to type for a run with a language model; the student in it fits this machine's GPU, if there is one."""
    fitting = ", with a student that this machine's GPU can train" if _gpu() else ""
    repo = named(job.asked.repo, job.asked.at)
    command = f"sera specialize {repo} --teacher openai:MODEL --teacher-url URL --student {_suggested()}"
    return f"For a real run{fitting}:\n    {command}"


def named(repo: Path, at: str = "HEAD") -> str:
    """A repository as it can be typed, and the commit of it where that is not the newest."""
    name = str(repo)
    typed = quote(f"./{name}" if name.startswith("-") else name)
    plain = at.replace("~", "")  # inside a word that is a shell's own nowhere
    return typed if at == "HEAD" else f"{typed} --at {at if quote(plain) == plain else quote(at)}"


def teacher_url(job: Job) -> str:
    """Where the teacher is, or its several servers: as set, else as the usual variables say, else at its maker's."""
    from sera_cli.cli.teaching import addresses

    return " ".join(addresses(job))


@contextmanager
def sandboxes(job: Job, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Callable[[str], "Sandbox"]]:
    """Makes the sandbox of each rollout, over one export of its commit; nothing of either is left at the end."""
    from sera_cli.cli.env import terms
    from sera_cli.harness.sandbox import choose
    from sera_cli.harness.sandbox.private import private_folder

    agreed = terms(job.config, job.checkout, job.run.name, job.run.folder / "environment.log", cancelled)
    _learn_secrets(job)
    with private_folder(label=job.run.name) as folder, choose(job.config.rollout.sandbox, agreed) as kind:
        base = _exports(job, folder)
        yield lambda commit: kind(base(commit), folder)


def _learn_secrets(job: Job) -> None:
    """From the files of every commit in use, so that what is taken out does not depend on who came upon it first."""
    from sera_cli.redact import learn
    from sera_cli.redact.files import texts

    learn(texts(job.checkout.model_copy(update={"commit": commit}) for commit in job.generation["commits"]))


def _exports(job: Job, folder: Path) -> Callable[[str], Path]:
    """Where a commit is exported to, made when it is first asked for: by one worker, while the others wait."""
    from sera_cli import ignore
    from sera_cli.export import export

    turn, made = Lock(), set[str]()

    def base(commit: str) -> Path:
        with turn:
            if commit not in made:
                checkout = job.checkout.model_copy(update={"commit": commit})
                export(checkout, folder / commit, ignore.hidden(checkout))
                made.add(commit)
        return folder / commit

    return base


def _generation(config: "Config", commits: tuple[str, ...], teacher: str) -> dict[str, Any]:
    """All that decides which trajectories are made. Budgets, jobs, deadlines and addresses are left out on purpose.

    Rollouts begin at `commits`; the last is the commit in use.
    """
    from sera_cli import templates
    from sera_cli.knobs import Eval
    from sera_cli.types import digest

    heldout = config.eval.heldout
    own = config.generate.demonstrations
    return {
        "commit": commits[-1],
        "commits": list(commits),
        "focus": sorted(_places(config.generate.focus)),
        "seed": config.generate.seed,
        "teacher": teacher,
        "temperature": config.teacher.temperature,
        "max_tokens": config.teacher.max_tokens,
        "steps": config.rollout.steps,
        "requeries": config.rollout.requeries,
        "tries": config.rollout.tries,
        "prompts": templates.fingerprint("prompts/*.md"),
        "bugs": templates.fingerprint("bugs.toml"),
        "tools": templates.fingerprint("tools/*"),
        "demonstrations": digest(_text(Path(own))) if own else templates.fingerprint("demonstrations.toml"),
    } | ({"languages": sorted(config.generate.language.split())} if config.generate.language else {}) | (
        {"rehearsal": templates.fingerprint("rehearsal.toml")} if teacher == "rehearsal" else {}
    ) | ({"heldout": heldout} if heldout != Eval().heldout else {})


def _places(line: str) -> list[str]:
    """The folders and files that one line names. Raises ConfigError for quotes that do not close."""
    try:
        return split(line)
    except ValueError as error:
        raise ConfigError(f"generate.focus is {line!r}: {error}; put quotes around what has a space in it") from error


def _check(job: Job) -> None:
    from sera_cli.cli import money
    from sera_cli.config import said_sources

    mix, named = job.config.mix, job.config.teacher.model
    if mix.alpha < 1 and not mix.general:
        raise ConfigError(f"alpha {mix.alpha} wants general data beside the repository's; name them with --general")
    for source in said_sources(mix.general):
        _may_be_had(source, offline=job.config.privacy.offline)
    if not job.rehearsing and not job.config.student.model:
        raise ConfigError(f"name the student that {named} is to teach, as in --student {_suggested()}")
    if not job.rehearsing:
        _must_isolate(job)
    money.check(job)
    if job.teacher.startswith("vllm:"):
        from sera_cli.cli.teaching import served

        served(job)


def _risky(job: Job) -> list[str]:
    """The settings that only the user may make, of those that matter to this job."""
    unconfined = ["rollout.sandbox"] if job.config.rollout.sandbox == "folder" else []
    real = [] if job.rehearsing else ["teacher.model", "teacher.url", "teacher.flags", *unconfined]
    telling = ["train.report_to"] if job.config.train.report_to in ("wandb", "trackio") else []
    spending = ["cost.allow_unpriced"] if job.config.cost.allow_unpriced else []
    showing = ["eval.venv"] if job.config.eval.venv else []  # to whatever runs in the sandbox
    return [*real, *spending, *telling, *showing, *opening(job.config)]


def _must_isolate(job: Job) -> None:
    from sera_cli.harness.sandbox import choose

    wanted = job.config.rollout.sandbox
    if wanted != "folder" and not choose(wanted).isolates:
        raise ConfigError(
            "a teacher's commands would run on this machine unconfined: install bubblewrap (see `sera doctor`), say "
            "--sandbox docker, or accept that with --sandbox folder"
        )


def _suggested() -> str:
    """The student that would fit this machine's GPU; the paper's smaller one where there is no GPU to ask."""
    from sera_cli.train.fitting import suggestion

    fits = suggestion(_gpu())
    return f"{fits[0]} --method {fits[1]}" if fits else "Qwen/Qwen3-8B"


def _gpu() -> int:
    """Bytes of the smallest GPU; 0 without one."""
    from sera_cli.train.layout import machine

    return machine().gpu_memory


def _may_be_had(source: str, *, offline: bool) -> None:
    """Whether a source of general data is a file that can be read, or a dataset that may be fetched."""
    from sera_cli.config import is_file
    from sera_cli.data.hub import pinned

    if is_file(source):
        _can_be_read(Path(source))
    elif offline:
        pinned(source, offline=True)


def _can_be_read(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be read") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be read") from error
