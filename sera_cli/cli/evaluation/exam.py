"""What an evaluation is about, settled before anything is written: benchmark, model, environment, attempts."""

import os
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation import benchmarks
from sera_cli.cli.evaluation.contender import Contender, contender, one_at_a_time
from sera_cli.cli.job import Job
from sera_cli.console import say
from sera_cli.errors import ConfigError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.config import Config, Resolved
    from sera_cli.evaluate.attempts import Attempt
    from sera_cli.evaluate.evaluation import Files
    from sera_cli.evaluate.instance import Instance

GRADING = ("environment", "images", "swebench", "test_seconds", "any_python", "venv")
"""Settings that decide how a patch is graded, not what it is."""


@dataclass(frozen=True)
class Exam:
    """What an evaluation is about, settled before anything is written. `who` is None where `patches` are graded;
    `entire` tells that no limit and no choice left anything of the benchmark out.
    """

    wanted: Wanted
    job: Job
    bench: str
    instances: tuple["Instance", ...]
    who: Contender | None
    patches: dict[str, str]
    settings: dict[str, Any]
    repositories: Path | None
    todo: tuple["Attempt", ...]
    entire: bool

    @property
    def name(self) -> str:
        return self.who.name if self.who else str(self.settings["predictions"])

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range((self.wanted.seeds or 1) if self.who else 1))

    @property
    def jobs(self) -> int:
        """How many attempts at once: one where replies are written one at a time, and a core each where none are."""
        asked = self.job.config.rollout.jobs
        if asked or (self.who and not one_at_a_time(self.who)):
            return asked or self.job.jobs
        return 1 if self.who else (os.cpu_count() or 1)


def settled(wanted: Wanted) -> Exam:
    """Checks what can be checked beforehand. Raises ConfigError, DataError or SeraError; writes nothing."""
    from sera_cli import config
    from sera_cli.cli.evaluation import environments
    from sera_cli.evaluate import swebench

    bench = benchmarks.named(wanted)
    root = config.project(wanted.project).resolve()
    resolved = config.resolve(wanted.project, wanted.flags)
    who, repos = entrant(wanted, bench), benchmarks.repositories(wanted, root)
    said, wanted = wanted, _as_set(wanted, resolved.config)
    found, entire = benchmarks.instances(wanted, root, offline=resolved.config.privacy.offline)
    patches, label = _predicted(wanted, found)
    found = tuple(one for one in found if who or one.instance_id in patches)
    settings = _settings(wanted, resolved.config, bench, who, label)
    clones, own = repos is not None, _of_the_own_past(wanted, found)
    settings["environment"] = environments.chosen(wanted, clones=clones, own=own)
    if settings["environment"] != "none":
        settings["swebench"] = swebench.release()
    settings |= environments.chosen_by(wanted, settings["environment"])
    if settings["environment"] == "docker":
        settings["images"] = environments.images(wanted, resolved.config)
    job = _job(wanted, resolved, root, who or Contender(str(settings["predictions"])), settings)
    _guard(job, who, resolved, wanted.project, ["eval.venv"] if wanted.venv != said.venv else [])
    exam = Exam(wanted, job, bench, found, who, patches, settings, repos, (), entire)
    return replace(exam, todo=attempts(exam))


def announce(exam: Exam, what: str) -> None:
    """Says what begins, and how an agent writes where there is no vLLM, once for all who are measured in a command."""
    from sera_cli.cli.serve import say_alone

    say(f"{exam.bench}, {counted(len(exam.instances), what)}; evaluation {exam.job.run.name}")
    if exam.who and not exam.wanted.beside and (why := one_at_a_time(exam.who)):
        say_alone(why)


def entrant(wanted: Wanted, bench: str) -> Contender | None:
    """Who is evaluated; None where patches are graded. Raises ConfigError for options that do not go together."""
    if wanted.predictions and bench == "soft":
        raise ConfigError("soft tasks have no tests to grade patches by; say who is to answer them: --agent or --model")
    if wanted.predictions and (wanted.agent or wanted.model):
        raise ConfigError("--predictions are graded as they are; leave out --agent and --model")
    if wanted.predictions and ((wanted.seeds or 1) > 1 or wanted.context):
        raise ConfigError("--predictions are graded once, and by no model; leave out --seeds and --context")
    if wanted.predictions not in ("", "gold", "empty") and not Path(wanted.predictions).is_file():
        raise ConfigError(f"--predictions {wanted.predictions}: there is no such file; name one, or say gold or empty")
    if wanted.submission and bench in benchmarks.OWN:
        raise ConfigError(f"{bench} is no benchmark with a leaderboard; leave out --submission")
    if wanted.submission and wanted.predictions in ("gold", "empty"):
        raise ConfigError(f"--predictions {wanted.predictions} are nobody's to submit; leave out --submission")
    return None if wanted.predictions else contender(wanted.agent, wanted.model)


def _of_the_own_past(wanted: Wanted, found: tuple["Instance", ...]) -> bool:
    """Whether `sera bench build` made them, wherever their file lies now."""
    return wanted.bench == "replay" or all(one.past for one in found)


def _as_set(wanted: Wanted, config: "Config") -> Wanted:
    """With what the settings say of that of which the command line said nothing."""
    own = config.eval
    suits = wanted.bench == "replay" and wanted.environment in ("auto", "local")
    venv = wanted.venv or (Path(own.venv) if own.venv and suits else None)
    limit = own.limit if wanted.limit is None else wanted.limit
    return replace(wanted, seeds=wanted.seeds or own.seeds or 1, limit=limit, venv=venv)


def files(exam: Exam) -> "Files":
    from sera_cli.evaluate.evaluation import Files

    return Files(folder=exam.job.run.folder)


def _settings(
    wanted: Wanted, config: "Config", bench: str, who: Contender | None, patches: str
) -> dict[str, Any]:
    """All that decides a result, but which instances and seeds: of those, more may be asked for later."""
    from sera_cli import templates

    told: dict[str, Any] = {"bench": bench, "test_seconds": wanted.test_seconds}
    if not who:
        return told | {"predictions": patches}
    prompts = [templates.fingerprint(f"prompts/{name}.md") for name in ("system", "task", "requery")]
    return told | who.settings() | {
        "temperature": config.eval.temperature, "max_tokens": config.teacher.max_tokens, "context": wanted.context,
        "steps": config.eval.steps or config.rollout.steps, "requeries": config.rollout.requeries, "prompts": prompts,
        "tools": templates.fingerprint("tools/*"),
    }  # fmt: skip


def _predicted(wanted: Wanted, found: tuple["Instance", ...]) -> tuple[dict[str, str], str]:
    """The patches to be graded, and what they are called: by their content, where a file holds them."""
    from sera_cli.evaluate.predictions import predictions

    if not wanted.predictions:
        return {}, ""
    made = predictions(wanted.predictions, found)
    if made.unknown:
        many = counted(len(made.unknown), "prediction")
        say(f"note: {many} left out, for no such instance is chosen: {made.unknown[0]}, say", prose=True)
    if missing := len(found) - len(made.patches):
        say(f"note: {counted(missing, 'instance')} left out, for which nothing is predicted", prose=True)
    if wanted.predictions in ("gold", "empty"):
        return made.patches, wanted.predictions
    content = Path(wanted.predictions).read_bytes()
    return made.patches, f"{made.model or 'predictions'} {sha256(content).hexdigest()[:6]}"


def _job(wanted: Wanted, resolved: "Resolved", root: Path, who: Contender, settings: dict[str, Any]) -> Job:
    """An evaluation as other verbs know what they work on."""
    from sera_cli.cli.options import Asked
    from sera_cli.git import Checkout
    from sera_cli.runs import Run

    own = resolved.config
    teacher = own.teacher.model_copy(update={"temperature": own.eval.temperature})
    rollout = own.rollout.model_copy(update={"steps": own.eval.steps or own.rollout.steps})
    run = Run(folder=root / ".sera" / "evals" / _folder(wanted.run, who.name, settings))
    asked = Asked(
        root, wanted.flags, at="", run=wanted.run, retry_failed=wanted.retry_failed, dry_run=False, json=False)
    checkout = Checkout(root=root, commit="", name=root.name)
    as_set = own.model_copy(update={"teacher": teacher, "rollout": rollout})
    return Job(asked, as_set, checkout, run, who.teacher, settings)


def _folder(said: str, name: str, settings: dict[str, Any]) -> str:
    """The evaluation's name: as said, else from what decides it, so that the same command finds it again."""
    from sera_cli.runs import named
    from sera_cli.types import digest

    if said:
        return named(Path(), said).name
    plain = re.sub(r"[^\w.+-]+", "-", f"{settings['bench']}-{name}").strip("-.")
    return f"{plain}-{digest(settings, 6)}"


def _guard(job: Job, who: Contender | None, resolved: "Resolved", project: Path, shown: list[str]) -> None:
    """What a repository brings may not say where a model is, what may be spent, nor, by the settings that are `shown`,
    what its tests see of this machine. Raises ConfigError.
    """
    from sera_cli import git, offline
    from sera_cli.cli import money
    from sera_cli.cli.talk.working import guard
    from sera_cli.cli.teaching import addresses, served
    from sera_cli.cli.trust import must_be_the_users
    from sera_cli.plumbing import run

    remote = who is not None and who.card is None and who.name != "rehearsal"
    urls = addresses(job) if remote else ()
    if run(project, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        offline.keep(job.config.privacy.offline, urls)
    else:
        checkout = git.open_repository(project)
        guard(project, checkout, resolved, urls, remote=remote)
        must_be_the_users(shown, resolved.origins, checkout, project)
    if who:
        money.check(job)
    if remote and job.teacher.startswith("vllm:"):
        served(job)


def attempts(exam: Exam) -> tuple["Attempt", ...]:
    """Every instance with every seed."""
    from sera_cli.evaluate import attempts as making
    from sera_cli.types import Task, digest

    tasks = [
        Task(
            id=one.instance_id, repo=one.repo, commit=one.base_commit, statement=one.problem_statement,
            source=digest(one.model_dump(mode="json", exclude={"row"})),
        )
        for one in exam.instances
    ]  # fmt: skip
    by = {key: value for key, value in exam.settings.items() if key not in GRADING}
    return making.attempts(tasks, exam.seeds, by)
