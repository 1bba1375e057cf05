"""`sera eval --bench soft`: whoever is measured answers the project's soft tasks, and is scored by recall."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING

from sera_cli.cli import job as jobs
from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation.contender import arena
from sera_cli.cli.evaluation.evaluated import Row, cost, told, whole
from sera_cli.cli.evaluation.evaluating import AGAIN, HOPELESS, keep_instances
from sera_cli.cli.evaluation.exam import Exam, announce, entrant, files, settled
from sera_cli.cli.job import Job
from sera_cli.cli.working import workers
from sera_cli.console import Board, board, say
from sera_cli.errors import ConfigError, DataError, ModelError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Report
    from sera_cli.runs import Run
    from sera_cli.types import Trajectory


def evaluate(wanted: Wanted) -> tuple[Exam, "Report"]:
    """Makes the attempts that are owed; what the evaluation was about and its report. Where the project has no soft
    tasks yet, the teacher of its settings writes them first.
    """
    from sera_cli import runs

    entrant(wanted, wanted.bench)  # before a teacher is paid for tasks
    have_tasks(wanted)
    exam, known = _untaught(settled(wanted))
    run = exam.job.run
    announce(exam, "task")
    with runs.held(run), board() as shown:
        runs.settle(run, "eval", exam.settings)
        keep_instances(exam, known)
        try:
            _work(exam, shown)
        finally:
            report = reported(exam)
    return exam, report


def have_tasks(wanted: Wanted) -> None:
    """Has the tasks written where there are none, by the teacher that the settings name, whoever is to be measured."""
    from sera_cli import config
    from sera_cli.cli.evaluation import soft
    from sera_cli.cli.options import Asked

    if wanted.dataset or soft.at(config.project(wanted.project).resolve()).exists():
        return
    measured = ("teacher.model", "teacher.url", "eval.steps")
    flags = {key: value for key, value in wanted.flags.items() if key not in measured}
    student = config.resolve(wanted.project, flags).config.student.model or "rehearsal"  # nobody is trained here
    asked = Asked(wanted.project, flags | {"student.model": student}, "HEAD", "", wanted.retry_failed, False, False)
    job = jobs.open_job(asked)
    say(f"no soft tasks yet: {job.teacher} writes them", prose=True)
    with board() as shown:
        say(soft.told(soft.exam(job, shown)), prose=True)


def _untaught(exam: Exam) -> tuple[Exam, Callable[[Row], bool]]:
    """Without what the agent was taught, as far as the run that made it is still there to tell; and what that is."""
    from sera_cli.cli.evaluation.soft import seen

    if not (exam.who and exam.who.card) or exam.who.bare:
        return exam, lambda _: False
    known = seen(_made_by(exam))
    kept = tuple(one for one in exam.instances if not known(one.row))
    if left := len(exam.instances) - len(kept):
        say(f"note: {counted(left, 'task')} left out: rollouts that {exam.who.name} learned from began there, or made "
            "the same change", prose=True)
    if not kept:
        raise DataError(f"{exam.who.name} may have been taught about all of these tasks; have others written")
    names = {one.instance_id for one in kept}
    return replace(exam, instances=kept, todo=tuple(one for one in exam.todo if one.name in names)), known


def _made_by(exam: Exam) -> "list[Run]":
    """The runs of the project whose data the agent was trained on."""
    from sera_cli.cli.runs import runs
    from sera_cli.runs import settled

    assert exam.who and exam.who.card
    made = exam.who.card.data_digest
    return [run for run in runs(exam.job.checkout.root) if settled(run).get("train", {}).get("data") == made]


def _work(exam: Exam, shown: Board) -> None:
    """Every attempt. Raises ModelError where nothing but breakage comes of them."""
    from sera_cli.evaluate.attempts import solved

    assert exam.who
    stop = threading.Event()
    score = Score(shown, len(exam.todo), {one.instance_id: one.patch for one in exam.instances})
    with (
        jobs.sandboxes(_at_work(exam), stop.is_set) as sandbox,
        arena(
            exam.job, exam.who, lambda attempt: sandbox(attempt.task.commit), stop, context=exam.wanted.context,
            tell=lambda text: shown("model", 0, note=text),
        ) as (made, account),
        workers(exam.jobs, stop) as pool,
    ):  # fmt: skip
        shown("evaluate", 0, len(exam.todo))
        found = solved(
            files(exam).solved, exam.todo, made, pool, workers=exam.jobs, retry_failed=exam.wanted.retry_failed)
        for attempt, rollout in found:
            score.seen(attempt.name, rollout, account.line())
            if score.row >= HOPELESS:
                raise ModelError(f"{score.row} rollouts in a row broke; the last: {rollout.error}. {AGAIN}")


def _at_work(exam: Exam) -> Job:
    """What sandboxes are made for: the commits at which the tasks begin. Raises ConfigError for one that is not there.
    """
    from sera_cli.git import open_repository

    root, commits = exam.job.checkout.root, sorted({one.base_commit for one in exam.instances})
    for commit in commits:
        try:
            checkout = open_repository(root, commit)
        except ConfigError as error:
            text = f"soft tasks begin at commit {commit[:12]}, which {root} does not have; fetch it"
            raise ConfigError(text) from error
    return replace(exam.job, checkout=checkout, generation={"commits": commits})


class Score:
    """The mean recall so far, for whoever watches. `row` is how many rollouts in a row broke at last."""

    def __init__(self, board: Board, attempts: int, gold: Mapping[str, str]) -> None:
        self.row = 0
        self._board, self._attempts, self._gold = board, attempts, gold
        self._scores: list[float] = []
        self._broken = 0

    def seen(self, name: str, rollout: "Trajectory", spent: str) -> None:
        from sera_cli.evaluate.soft import scored

        score = scored(self._gold[name], rollout).score
        self.row = self.row + 1 if score is None else 0
        self._broken += score is None
        self._scores += [] if score is None else [score]
        parts = [f"mean recall {100 * mean(self._scores):.1f} %"] if self._scores else []
        parts += [f"{self._broken} broke"] if self._broken else []
        self._board(
            "evaluate", len(self._scores) + self._broken, self._attempts, ", ".join([*parts, *filter(None, [spent])]))


def reported(exam: Exam) -> "Report":
    """What there is by now of what was asked for; report.json, preds-SEED.jsonl and trajs/ tell of the whole run."""
    from sera_cli.store import index
    from sera_cli.types import Trajectory

    return told(exam, whole(exam, index(files(exam).solved, Trajectory)), _report)


def _report(exam: Exam) -> "Report":
    from sera_cli.evaluate import report as reports
    from sera_cli.evaluate.soft import PROXY, SCORED, results
    from sera_cli.evaluate.stats.summary import summary
    from sera_cli.types import digest

    gold = {one.instance_id: one.patch for one in exam.instances}
    found = results(files(exam).solved, exam.todo, gold, lambda usage: cost(exam, usage))
    summed = summary(
        {name: {str(seed): one.model_dump(mode="json") for seed, one in by_seed.items()}
         for name, by_seed in found.items()}, score="recall")
    scores = sum(one.verdict == SCORED for by_seed in found.values() for one in by_seed.values())
    return reports.Report(
        bench=exam.bench, model=exam.name, score="recall", seeds=exam.seeds, results=found, summary=summed,
        digest=digest([exam.settings, exam.seeds, sorted(gold.items())]),
        totals=reports.totals(found, exam.seeds) | {SCORED: scores, "recall": summed["mean"], "note": PROXY},
    )  # fmt: skip


def futile(report: "Report") -> str:
    """Why an evaluation says nothing; empty where something was scored."""
    if report.totals["scored"]:
        return ""
    return f"nothing was scored: {counted(report.totals['infra'], 'attempt')} broke; mend that, then --retry-failed"
