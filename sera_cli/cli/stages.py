"""The stages of the road, one function each: every one goes on where the run folder stands, and leaves it whole."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sera_cli.cli import job as jobs
from sera_cli.cli.job import Job
from sera_cli.cli.working import watched, workers
from sera_cli.console import Board
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.data.prepare import Prepared
    from sera_cli.harness.loop import Limits
    from sera_cli.svg.pipeline import Goal, OnRecord, Pipeline, Tally
    from sera_cli.train.choice import Choice, Facts, Need
    from sera_cli.train.layout import Layout
    from sera_cli.train.recipe import Recipe
    from sera_cli.train.student import Student
    from sera_cli.types import Function


@contextmanager
def timed(job: Job, stage: str) -> Iterator[None]:
    """Notes how many seconds a stage took in this command."""
    started = monotonic()
    try:
        yield
    finally:
        job.seconds[stage] = round(monotonic() - started, 3)


def mine(job: Job, board: Board) -> None:
    """1-functions.jsonl: what there is to ask about, in work order; what was left out and why is in its header."""
    from sera_cli import store
    from sera_cli.cli.mine import DECIDES, mined
    from sera_cli.runs import settle
    from sera_cli.svg.sample import ordered
    from sera_cli.types import Function

    settings = {key: job.generation[key] for key in DECIDES if key in job.generation}
    if settle(job.run, "functions", settings) and job.run.functions.exists():
        return
    board("mine", 0, note=f"reads {job.checkout.name}")
    found = mined(job)
    board("mine", len(found.functions), len(found.functions), "functions")
    note = {"files": found.files, "skipped": found.skipped, "missing": found.missing}
    note |= {"unreadable": list(found.unreadable)}
    changed = {one.path: one.age for one in found.functions if one.age is not None}
    store.write(job.run.functions, Function, ordered(found.functions, changed, job.config.generate.seed), note)


def generate(job: Job, board: Board) -> "Tally":
    """2-explored to 5-verdicts.jsonl, until enough rollouts can teach or the functions are used up."""
    from sera_cli.cli import money
    from sera_cli.runs import settle
    from sera_cli.svg.pipeline import generate as run
    from sera_cli.svg.sample import tasks

    settle(job.run, "generate", job.generation)
    todo = tasks(
        functions(job), job.checkout.name, job.checkout.commit, job.config.generate.seed,
        limit=job.config.generate.limit,
    )  # fmt: skip
    try:
        with (
            board.whole("generate"),
            pipeline(job, board, lambda spent: watched(board, goal(job), spent)) as made,
        ):
            return run(made, todo, goal(job))
    finally:
        money.remember(job)  # reads the whole run: not while anything is spent


@contextmanager
def pipeline(
    job: Job, board: Board, watch: "Callable[[Callable[[], str]], OnRecord]", *, charged: Job | None = None
) -> "Iterator[Pipeline]":
    """What makes rollouts and reports, into the files of the job's run, at the cost of the run that is `charged`.

    `watch` is given what tells the spend so far, and hears of every record. A server that was started for the teacher
    is gone at the end, with its GPU memory: training may need that.
    """
    from sera_cli.cli import money
    from sera_cli.cli.teaching import teaching
    from sera_cli.harness.pace import Pace
    from sera_cli.svg.explore import Bench
    from sera_cli.svg.pipeline import Pipeline

    shown, stop = _demonstrations(job), threading.Event()
    pace = Pace(cancelled=stop.is_set)
    with (
        money.account(charged or job, stop.is_set) as account,
        teaching(job, meter=account, pace=pace, tell=lambda text: board("teacher", 0, note=text)) as teacher,
        jobs.sandboxes(job, stop.is_set) as sandbox,
        workers(job.jobs, stop) as pool,
    ):
        bench = Bench(
            teacher=teacher, sandbox=sandbox, limits=limits(job), seed=job.config.generate.seed,
            tries=job.config.rollout.tries, cancelled=stop.is_set, admit=account.admit, clock=pace.clock,
        )  # fmt: skip
        yield Pipeline(
            run=job.run, bench=bench, shown=shown, pool=pool, workers=job.jobs,
            retry_failed=job.asked.retry_failed, on_record=watch(account.line),
        )  # fmt: skip


def _demonstrations(job: Job) -> tuple[str, ...]:
    """The issues to take the style from: the user's own, else those of the repository's past, else ours."""
    from sera_cli.history import messages
    from sera_cli.svg.demonstrations import demonstrations

    own = job.config.generate.demonstrations
    return demonstrations(Path(own) if own else None, () if own else messages(job.checkout))


def prepare(job: Job, student: "Student") -> "Prepared":
    """6-samples.jsonl: made anew from the trajectories each time, so any setting of it may change."""
    from sera_cli import store
    from sera_cli.data.lessons import Terms
    from sera_cli.data.prepare import prepare as prepared
    from sera_cli.harness import tokens
    from sera_cli.svg.sample import work_order
    from sera_cli.types import Trajectory, Verdict

    run, config = job.run, job.config
    order = work_order(functions(job), config.generate.seed)
    terms = Terms(
        samples=job.samples, context=student.context, base=student.base, spoken=student.wire,
        threshold=config.verify.threshold, select=config.select, mix=config.mix, seed=config.generate.seed,
        offline=config.privacy.offline,
    )  # fmt: skip
    return prepared(
        store.ordered(run.explored, Trajectory, order), store.ordered(run.reproduced, Trajectory, order),
        store.read(run.verdicts, Verdict), terms=terms, tokenizer=tokens.load(student.base), out=run.samples,
    )  # fmt: skip


def the_student(job: Job, board: Board) -> "Student":
    """The model to be trained; the embedded one is made on first use."""
    from sera_cli.config import home
    from sera_cli.train.student import student

    own = job.config.student
    board("student", 0, 1, "loads PyTorch and the tokenizer")  # half a minute where the disk is slow
    found = student(
        job.student, home("cache"), context=own.context, family=own.family, thinking=own.thinking,
        on_progress=lambda step, steps, _: board("student", step, steps, "made once per machine"),
    )  # fmt: skip
    board("student", 1, 1, found.name)
    return found


def the_choice(job: Job, student: "Student", longest: int = 0) -> "Choice":
    """The recipe and the layout to train it by, as `[train]` names them or as student and GPUs suggest, and why.

    They are to hold rows of up to `longest` tokens; 0 where that is not known yet: the student's whole context.
    Raises ConfigError for a recipe that cannot be read, for what cannot be, for a library that is not there, and,
    but where only a plan is asked for, for a student that does not fit this machine.
    """
    from sera_cli.train.choice import choose
    from sera_cli.train.layout import machine
    from sera_cli.train.trackers import check

    check(job.config.train.report_to, offline=job.config.privacy.offline)
    facts, need = _weighed(student, longest)
    choice = choose(job.config.train, facts, need, machine())
    if not (choice.fits or job.asked.dry_run):
        raise ConfigError(f"{student.name} cannot be trained here: {choice.reason}; {_instead(choice, student)}")
    return choice if job.config.train.tokens else _roomy(choice, need, student.context)


def _roomy(choice: "Choice", need: "Need", context: int) -> "Choice":
    """The same with micro-batches of as many tokens as there is memory for, up to the student's context."""
    from sera_cli.train.fitting import budget

    def taken(tokens: int) -> int:
        return need(choice.recipe, choice.layout.model_copy(update={"tokens": tokens}))

    tokens = max(choice.layout.tokens, budget(taken, context, choice.each))
    return choice.model_copy(update={"layout": choice.layout.model_copy(update={"tokens": tokens})})


def _weighed(student: "Student", longest: int) -> tuple["Facts", "Need"]:
    """What decides about a student, and the memory that it takes. The embedded one fits anywhere."""
    from sera_cli.train.choice import Facts
    from sera_cli.train.footprint import memory
    from sera_cli.train.shape import measure

    if student.rehearsal:
        return Facts(context=student.context, rehearsal=True), lambda *_: 0
    shape = measure(student)

    def need(recipe: "Recipe", layout: "Layout") -> int:
        return memory(shape, recipe, layout).total

    return Facts(parameters=shape.parameters, context=longest or student.context), need


def _instead(choice: "Choice", student: "Student") -> str:
    from sera_cli.train.fitting import suggestion

    found = suggestion(choice.each, student.context, cpu=choice.layout.cpu)
    return f"{found[0]} with --method {found[1]} would fit" if found else "set student.context to less"


def the_general(job: Job) -> None:
    """Raises, in one line, for general data that are to be mixed in and cannot be had or cannot be read."""
    from sera_cli.config import said_sources
    from sera_cli.data.general import check
    from sera_cli.harness.tools import specs

    mixing = job.config.mix
    if mixing.alpha < 1:
        check(
            said_sources(mixing.general), tools=specs(), decontaminate=mixing.decontaminate,
            offline=job.config.privacy.offline, spool=job.run.folder,
        )  # fmt: skip


def goal(job: Job) -> "Goal":
    """What generation is to reach: the samples wanted, and those held out beside them; at alpha 0 none."""
    from sera_cli.data.harvest import quota, spare
    from sera_cli.svg.pipeline import Goal

    first, second = quota(job.samples + spare(job.samples) if job.config.mix.alpha else 0)
    return Goal(first=first, second=second, threshold=job.config.verify.threshold)


def functions(job: Job) -> Iterator["Function"]:
    """What was mined, in work order, one at a time."""
    from sera_cli import store
    from sera_cli.types import Function

    return store.scan(job.run.functions, Function)


def limits(job: Job) -> "Limits":
    """The bounds of one rollout."""
    from sera_cli.harness.loop import Limits

    return Limits(**job.config.rollout.model_dump(include=set(Limits.model_fields)))
