"""The main job and its stages as verbs, all on the same run folder: specialize, mine, generate, prepare, train."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from shutil import rmtree
from typing import Any

from sera_cli.cli import job as jobs
from sera_cli.cli.forecast import foretell
from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import Asked
from sera_cli.cli.report import REHEARSAL, Outcome, close, report, screen
from sera_cli.console import Board, board, document, say
from sera_cli.errors import ConfigError, SeraError


def specialize(asked: Asked) -> None:
    """From a repository to a registered agent: mine, generate, verify, mix, train, register."""
    _verb(asked, _specialize)


def mine(asked: Asked) -> Job:
    """A run with the functions that rollouts set out from. What it has is for the caller to show."""
    return _verb(asked, _mine)


def generate(asked: Asked) -> None:
    """Mine, and run Soft Verified Generation on what was found."""
    _verb(asked, _generate)


def prepare(asked: Asked) -> None:
    """Turn a run's trajectories into training samples, mixed at alpha."""
    _verb(asked, _prepare, after="generate")


def train(asked: Asked) -> None:
    """Train the student on a run's samples and register the agent."""
    _verb(asked, _train, after="prepare")


VERBS = (specialize, generate, prepare)
Road = Callable[[Job, Board], Outcome]


def _verb(asked: Asked, road: Road, *, after: str = "") -> Job:
    job = open_job(asked)
    need(job, after)
    if road is not _mine:
        _say_teacher(job)
    _say_first(job)
    if asked.dry_run:
        foretell(job, road.__name__.removeprefix("_"))
        return job
    with at_work(job) as shown:
        outcome = road(job, shown)
        found = report(job, outcome)
        _keep(job, outcome, found)
    trouble = None
    if outcome.card and job.config.eval.after:
        outcome, trouble = _measured(job, outcome, found)
    if asked.json:
        document(found)
    elif road is not _mine:
        screen(job, outcome, found)
    close(job, outcome)
    if trouble:
        raise trouble
    return job


def _specialize(job: Job, shown: Board) -> Outcome:
    from sera_cli.cli import stages, training

    with stages.timed(job, "mine"):
        stages.mine(job, shown)
    with stages.timed(job, "student"):  # what cannot be had is found out before a teacher is paid
        student = stages.the_student(job, shown)
        stages.the_choice(job, student)
        stages.the_general(job)
    with stages.timed(job, "generate"):
        tally = stages.generate(job, shown)
    with stages.timed(job, "prepare"):
        prepared = stages.prepare(job, student)
    with stages.timed(job, "train"):
        trained = training.train(job, student, shown)
    with stages.timed(job, "register"):
        card = training.register(job, student, trained)
    return Outcome(tally, prepared, trained, card)


def _measured(job: Job, outcome: Outcome, found: dict[str, Any]) -> tuple[Outcome, SeraError | None]:
    """The agent's card with what it was measured at, and what stood in the way: the agent is there all the same."""
    from sera_cli.cli import stages
    from sera_cli.cli.evaluation.measuring import measured
    from sera_cli.runs import held

    assert outcome.card
    try:
        with stages.timed(job, "evaluate"):
            card = measured(job, outcome.card)
    except SeraError as error:
        return outcome, error
    outcome = replace(outcome, card=card)
    found["evaluations"] = [one.model_dump() for one in card.evaluations]
    with held(job.run):
        _keep(job, outcome, found)
    return outcome, None


def _mine(job: Job, shown: Board) -> Outcome:
    from sera_cli.cli import stages

    with stages.timed(job, "mine"):
        stages.mine(job, shown)
    return Outcome()


def _generate(job: Job, shown: Board) -> Outcome:
    from sera_cli.cli import stages

    with stages.timed(job, "mine"):
        stages.mine(job, shown)
    with stages.timed(job, "generate"):
        return Outcome(stages.generate(job, shown))


def _prepare(job: Job, shown: Board) -> Outcome:
    from sera_cli.cli import stages

    with stages.timed(job, "student"):
        student = stages.the_student(job, shown)
    with stages.timed(job, "prepare"):
        return Outcome(prepared=stages.prepare(job, student))


def _train(job: Job, shown: Board) -> Outcome:
    from sera_cli.cli import stages, training

    with stages.timed(job, "student"):
        student = stages.the_student(job, shown)
    with stages.timed(job, "train"):
        trained = training.train(job, student, shown)
    with stages.timed(job, "register"):
        return Outcome(trained=trained, card=training.register(job, student, trained))


def need(job: Job, verb: str) -> None:
    """Refuses to go on from what `verb` has not made yet, or made from another commit, teacher or prompt."""
    from sera_cli.runs import settle

    made = {"": job.run.folder, "generate": job.run.explored, "prepare": job.run.samples}[verb]
    if verb and not made.exists():
        repo = jobs.named(job.asked.repo, job.asked.at)
        named = f" --run {job.run.name}" if job.asked.run else ""
        raise ConfigError(f"run {job.run.name} has nothing to go on from yet; first: sera {verb} {repo}{named}")
    if verb:
        settle(job.run, "generate", job.generation)


@contextmanager
def at_work(job: Job) -> Iterator[Board]:
    """Holds the run's folder. One that a first command made, and in which it got nothing done, is not left behind."""
    from sera_cli.runs import held

    with held(job.run), board() as shown:
        try:
            yield shown
        finally:
            if not any(job.run.folder.glob("*.jsonl")):
                rmtree(job.run.folder)


def _keep(job: Job, outcome: Outcome, found: dict[str, Any]) -> None:
    """report.json: what `sera runs show` tells later. What this command did not do stays as it was told before."""
    import json

    from sera_cli.cli.runs import report as told
    from sera_cli.store import atomically

    before = told(job.run) or {}
    kept = {} if outcome.trained else {key: before[key] for key in ("loss", "agent") if key in before}
    whole = found | kept | {"seconds": before.get("seconds", {}) | job.seconds}
    atomically(job.run.report, json.dumps(whole, indent=1, ensure_ascii=False).encode() + b"\n")


def _say_teacher(job: Job) -> None:
    from sera_cli.redact import redact

    checkout = job.checkout
    if job.rehearsing:
        say(REHEARSAL, prose=True)
        say(jobs.real_run(job))
    elif job.teacher.startswith("vllm:"):
        say(f"{job.teacher} is served on this machine; nothing of {checkout.name} leaves it.")
    else:
        where = redact(jobs.teacher_url(job))
        verb = "would be" if job.asked.dry_run else "is"
        say(f"{job.teacher} at {where} {verb} sent parts of {checkout.name}; nothing else leaves here.")


def _say_first(job: Job) -> None:
    from sera_cli.cli import money
    from sera_cli.harness.money.prices import LOCAL

    checkout = job.checkout
    say(f"{checkout.name} at {checkout.commit[:12]}, run {job.run.name}")
    free = money.price(job) is LOCAL and not job.rehearsing and not job.teacher.startswith("vllm:")
    notes = {
        "its calls count as free, as it is on this machine; if they are not, give it a row in prices.toml": free,
        f"{checkout.folder} lies in {checkout.root}; the whole repository is used": checkout.folder,
        "there are uncommitted changes; the repository is used as committed": checkout.dirty,
        f"submodules are left out: {', '.join(checkout.submodules)}": checkout.submodules,
    }
    for note, so in notes.items():
        if so:
            say(f"note: {note}", prose=True)
