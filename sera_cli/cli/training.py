"""The end of the road: an adapter from a run's samples, and an agent in the registry from the adapter."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sera_cli.cli.job import Job
from sera_cli.cli.stages import the_choice
from sera_cli.console import Board, say

if TYPE_CHECKING:
    from sera_cli.train.choice import Choice
    from sera_cli.train.course import Course
    from sera_cli.train.sft import Trained
    from sera_cli.train.student import Student
    from sera_cli.types import AgentCard, Sample

REHEARSED = "No language model was asked: a rule-based teacher made the data. This agent is a toy that proves the road."
LOADED = "rows, PyTorch, TRL and PEFT; the first step takes longest"
"""What is waited for, half a minute where the disk is slow, before a first step can be told."""

TOY = "The base is the embedded student of a few million parameters: this agent is a toy that proves the road."


def train(job: Job, student: "Student", board: Board) -> "Trained":
    """adapter/: trained anew unless samples, student, recipe, order and seed are those it was trained with.

    What is being trained stands in training/, from where the next command goes on. trained.json is the mark that
    adapter and settings belong together: it goes first and comes back last.
    """
    from sera_cli.runs import settle, settled
    from sera_cli.store import atomically
    from sera_cli.train import sft

    course, taught, heldout = course_of(job, student)
    settings = course.settings
    kept, folder = job.run.folder / "trained.json", job.run.training
    if settled(job.run).get("train") == settings and job.run.adapter.exists() and kept.exists():
        return sft.Trained.model_validate_json(kept.read_bytes())
    board("load", 0, 1, LOADED)
    step = sft.begin(folder, course, taught, heldout)
    kept.unlink(missing_ok=True)
    _head(job, course, taught, step)

    def tell(step: int, steps: int, said: str) -> None:
        board("load", 1, 1, LOADED)
        board("train", step, steps, said)

    try:
        sft.go(folder, course, tell)
    except KeyboardInterrupt:
        say(f"training stopped; the same command goes on from {_from(sft.reached(folder))}")
        raise
    board("load", 1, 1, LOADED)
    done = sft.take(folder, job.run.adapter)
    settle(job.run, "train", settings, remake=True)
    atomically(kept, done.model_dump_json(indent=1).encode() + b"\n")
    sft.clear(folder)
    return done


def course_of(job: Job, student: "Student") -> tuple["Course", list["Sample"], list["Sample"]]:
    """The training that the settings ask for, the samples to learn from, and those held out.

    Raises ConfigError for samples that were made for another student, or in another way than is asked.
    """
    from sera_cli import store
    from sera_cli.train.course import Course, versions
    from sera_cli.train.sft import data_digest
    from sera_cli.types import Sample

    note = store.about(job.run.samples, Sample)
    _same_wire(note, job.run.samples, student)
    _as_asked(note, job)
    order = note.get("order", "shuffle")
    taught, heldout = apart(job, order)
    choice = _chosen(job, student, taught)
    course = Course(
        student=student, recipe=choice.recipe, layout=choice.layout, seed=job.config.generate.seed,
        shuffle=order == "shuffle", data=data_digest(taught), heldout=data_digest(heldout), name=job.run.name,
        report_to=job.config.train.report_to, offline=job.config.privacy.offline, versions=versions(),
    )  # fmt: skip
    return course, taught, heldout


def _chosen(job: Job, student: "Student", taught: list["Sample"]) -> "Choice":
    """Recipe and layout for the longest of these samples, as a plan of them finds them too."""
    return the_choice(job, student, max(sample.tokens for sample in taught))


def _head(job: Job, course: "Course", taught: list["Sample"], step: int) -> None:
    """What a person is told before a training begins, or goes on."""
    from shlex import join

    from sera_cli.cli.planning import training
    from sera_cli.train.launch import several
    from sera_cli.train.layout import command
    from sera_cli.train.plan import told

    if not course.student.rehearsal:
        say(_chosen(job, course.student, taught).reason, prose=True)
    for line in told(training(job, course.student, course.recipe, course.layout, taught)):
        say(line, prose=True)
    if not course.layout.cpu:
        say(_places(job, course))
    if several(course.layout):
        say("its processes are started by:")
        say(f"    {join(command(course.layout, job.run.training))}")
    if step:
        say(f"goes on from {_from(step)}, which {job.run.training} holds")


def _places(job: Job, course: "Course") -> str:
    """Which GPUs train, and which of them served a teacher until now."""
    from sera_cli.train.launch import gpus

    there = " ".join(gpus(course.layout.processes))
    if not job.teacher.startswith("vllm:") or "generate" not in job.seconds:
        return f"it trains on GPU {there}"
    served = " ".join(gpus(job.config.teacher.gpus or 1))  # the one that vLLM takes unless it is told of more
    return f"{job.teacher} was served on GPU {served}, whose memory is free again; it trains on GPU {there}"


def _from(step: int) -> str:
    return f"step {step}" if step else "its beginning"


def apart(job: Job, order: str = "shuffle") -> tuple[list["Sample"], list["Sample"]]:
    """The run's samples to learn from, and those held out. Raises DataError where there are none to learn from."""
    from sera_cli.errors import DataError

    data = samples(job, order)
    taught, heldout = [one for one in data if not one.heldout], [one for one in data if one.heldout]
    if not taught:
        raise DataError("no samples to train on; generate more, or lower verify.threshold", job.run.samples)
    return taught, heldout


def register(job: Job, student: "Student", trained: "Trained") -> "AgentCard":
    """The agent in the registry; the same weights are not registered twice.

    An adapter that no server would take is merged into its base first, and the card says why.
    """
    from sera_cli.agents import registry
    from sera_cli.agents.admit import admit, checked
    from sera_cli.config import home

    card = checked(_card(job, student, trained), job.run.adapter, student.base)
    for other in registry.agents(home("data")):
        if other.name == card.name and _same(other, card):
            return other
    if card.merged:
        say(f"the adapter is merged into its base, as vLLM would not serve it: {card.merged}", prose=True)
    return admit(home("data"), card, job.run.adapter, student.base)


def samples(job: Job, order: str = "shuffle") -> list["Sample"]:
    """The run's samples: in the order `ratio` as their file has them, else by id, which no timing decides."""
    from sera_cli import store
    from sera_cli.types import Sample

    found = list(store.read(job.run.samples, Sample).values())
    return found if order == "ratio" else sorted(found, key=lambda sample: sample.id)


def _same_wire(note: dict[str, Any], path: Path, student: "Student") -> None:
    """Refuses samples that were written for a student of another family, or with another policy for thinking."""
    from sera_cli.data.files import written
    from sera_cli.errors import ConfigError

    made = written(note, path)
    if made != student.wire:
        was, now = f"{made.family}/{made.thinking}", f"{student.wire.family}/{student.wire.thinking}"
        raise ConfigError(f"the samples are written for {was}, and {student.name} reads {now}: run sera prepare again")


def _as_asked(note: dict[str, Any], job: Job) -> None:
    """Refuses samples that were mixed or ordered in another way than the command line says."""
    from sera_cli.errors import ConfigError

    for flag in ("alpha", "order"):
        said, made = job.asked.flags.get(f"mix.{flag}"), note.get(flag)
        if said is not None and made is not None and said != made:
            raise ConfigError(f"the samples were made with --{flag} {made}, not {said}: run sera prepare again")


def _card(job: Job, student: "Student", trained: "Trained") -> "AgentCard":
    from sera_cli import store
    from sera_cli.runs import settled
    from sera_cli.types import AgentCard, Sample

    done = settled(job.run)["train"]
    recipe, data = done["recipe"], samples(job)
    alpha = store.about(job.run.samples, Sample).get("alpha", job.config.mix.alpha)  # what they were mixed at
    losses = trained.model_dump(include={"loss_first", "loss_last", "heldout_base", "heldout_agent"}, exclude_none=True)
    return AgentCard(
        name=job.agent,
        version=0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=student.name if student.rehearsal else student.base,
        method=recipe["method"],
        repository=job.checkout.name,
        commit=job.checkout.commit,
        alpha=alpha,
        samples=sum(not sample.heldout for sample in data),
        data_digest=done["data"],
        recipe=recipe["name"],
        teacher=job.teacher,
        context=student.context,
        family=student.wire.family,
        thinking=student.wire.thinking,
        rehearsal=job.rehearsing or student.rehearsal,
        scores=losses,
        base_license=student.license,
        data_license=_data_license(job, alpha),
        note=REHEARSED if job.rehearsing else TOY if student.rehearsal else "",
    )


def _data_license(job: Job, alpha: float) -> str:
    """The repository's licence, as far as it is known. Of general data nobody says which licence it has."""
    from sera_cli.license import license_of

    known = license_of(job.checkout)
    return f"{known} (the repository's part)" if known and alpha < 1 else known


def _same(one: "AgentCard", other: "AgentCard") -> bool:
    """Whether two cards are of the same weights: all agrees but the version, the date, and what was measured since."""
    apart = {"version": 0, "created": "", "evaluations": ()}
    return one.model_copy(update=apart) == other.model_copy(update=apart)
