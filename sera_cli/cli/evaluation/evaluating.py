"""An evaluation from end to end: what it is about is settled, then attempts are made and graded, then it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.cli.evaluate import Wanted
from sera_cli.cli.evaluation import environments
from sera_cli.cli.evaluation.contender import arena
from sera_cli.cli.evaluation.evaluated import Row, reported, rows, submit
from sera_cli.cli.evaluation.exam import Exam, announce, files, settled
from sera_cli.cli.evaluation.watching import Watch
from sera_cli.cli.working import workers
from sera_cli.console import Board, board, say
from sera_cli.errors import DataError, SeraError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.attempts import Arena, Attempt
    from sera_cli.evaluate.evaluation import Trust
    from sera_cli.evaluate.grade import Grade
    from sera_cli.evaluate.instance import Instance
    from sera_cli.evaluate.places import Place
    from sera_cli.evaluate.report import Report
    from sera_cli.evaluate.validate import Validation
    from sera_cli.git import Checkout

HOPELESS = 16
"""Attempts in a row, in order, that break before the run stops instead of spending more."""
AGAIN = "Mend that and run the same command with --retry-failed"


def evaluate(wanted: Wanted) -> tuple[Exam, "Report"]:
    """Makes and grades what is owed; what the evaluation was about and its report, which is also in its folder when it
    is stopped by an error: of what there was by then.
    """
    from sera_cli import runs

    exam = settled(wanted)
    run = exam.job.run
    announce(exam, "instance")
    if len(exam.seeds) > 1 and not exam.settings["temperature"]:
        say("note: at temperature 0 the seeds of an instance are much alike", prose=True)
    _tell_known(exam)
    with runs.held(run), board() as shown:
        runs.settle(run, "eval", exam.settings)
        keep_instances(exam)
        try:
            _work(exam, shown)
        finally:
            report = reported(exam)
    if wanted.submission:
        submit(exam, wanted.submission)
        say(f"the submission is in {wanted.submission}")
    return exam, report


def futile(report: "Report") -> str:
    """Why an evaluation says nothing; empty where something was graded."""
    totals = report.totals
    if totals["resolved"] + totals["unresolved"]:
        return ""
    if totals["infra"]:
        return f"nothing was graded: {counted(totals['infra'], 'attempt')} broke; mend that, then --retry-failed"
    return (
        "nothing was graded: no instance has an environment in which its own fix passes; the report says why; mend "
        "that, then --retry-failed"
    )


def _work(exam: Exam, shown: Board) -> None:
    """Every attempt, validated, made and graded. Raises SeraError where nothing but breakage comes of them."""
    from sera_cli.evaluate.evaluation import Judging

    stop, watch = threading.Event(), Watch(shown, len(exam.instances), len(exam.todo))
    _learn_secrets(exam)
    with (
        environments.place(exam, stop.is_set) as place,
        _contending(exam, place, stop, watch) as arena,
        workers(exam.jobs, stop) as pool,
    ):
        judging = Judging(
            files(exam), {one.instance_id: one for one in exam.instances}, _trust(exam, place, stop, watch),
            arena=arena, patches=exam.patches, retry_failed=exam.wanted.retry_failed,
        )  # fmt: skip
        broken = 0
        watch.begin()
        for attempt, grade in judging.graded(exam.todo, pool, exam.jobs):
            watch.graded(attempt, grade)
            broken = broken + 1 if grade.verdict == "infra" else 0
            if broken >= HOPELESS:
                raise SeraError(f"{broken} attempts in a row broke; the last: {grade.reason}. {AGAIN}")


def _learn_secrets(exam: Exam) -> None:
    """Of a repository of one's own: whoever is evaluated is shown what its files say, but not those."""
    from sera_cli.redact import learn
    from sera_cli.redact.files import texts

    if exam.who and exam.repositories:
        learn(texts(_own(exam, exam.repositories)))


def _own(exam: Exam, repositories: Path) -> Iterator["Checkout"]:
    """The commits of a repository's own past that tasks begin at, as far as they are there."""
    from sera_cli.evaluate.repositories import checkout

    tasks = (one for one in exam.instances if exam.bench == "replay" or one.past)
    for commit, repo in sorted({(one.base_commit, one.repo) for one in tasks}):
        with suppress(DataError):
            yield checkout(repositories, repo, commit)


def _tell_known(exam: Exam) -> None:
    """Says of which tasks of the own past an agent may have been taught on the fix."""
    from sera_cli.plumbing import run

    if not (exam.who and exam.who.card) or exam.who.bare:
        return
    seen, root = exam.who.card.commit, exam.job.checkout.root
    commits = [str(one.past.get("commit")) for one in exam.instances if one.past]
    known = sum(not run(root, "merge-base", "--is-ancestor", commit, seen).returncode for commit in commits)
    if known:
        say(f"note: {exam.who.name} was taught on a tree that has the fixes of {known} of these {len(exam.instances)} "
            "tasks; train it at an earlier commit (specialize --at), or build tasks of later ones", prose=True)


def _trust(exam: Exam, place: "Place", stop: threading.Event, watch: Watch) -> "Trust":
    """How instances are validated and patches graded in that place, and who hears of it."""
    from sera_cli.evaluate.evaluation import Trust
    from sera_cli.evaluate.grade import grade
    from sera_cli.evaluate.validate import validated

    logs, seconds = files(exam).logs, exam.wanted.test_seconds

    def validate(instance: "Instance") -> "Validation":
        where = logs / "validation"
        return validated(
            instance, place, logs=where, seconds=seconds, again=exam.wanted.retry_failed, cancelled=stop.is_set)

    def mark(instance: "Instance", patch: str, attempt: "Attempt") -> "Grade":
        return grade(instance, patch, place, logs=logs / str(attempt.seed), id=attempt.id, seconds=seconds)

    return Trust(validate=validate, mark=mark, on_validated=watch.validated, on_graded=watch.graded)


@contextmanager
def _contending(exam: Exam, place: "Place", stop: threading.Event, watch: Watch) -> Iterator["Arena | None"]:
    """Who acts and where; None where patches are graded."""
    if not exam.who:
        yield None
        return
    instances = {one.instance_id: one for one in exam.instances}
    with arena(
        exam.job, exam.who, lambda attempt: place.sandbox(instances[attempt.name]), stop,
        context=exam.wanted.context, tell=watch.told,
    ) as (made, account):  # fmt: skip
        watch.spent = account.line
        yield made


def keep_instances(exam: Exam, known: Callable[[Row], bool] = lambda _: False) -> None:
    """instances.jsonl: the rows as they were given, with those of earlier commands, but for what is `known`."""
    import json

    from sera_cli.store import atomically

    before = {name: row for name, row in rows(exam).items() if not known(row)}
    kept = before | {one.instance_id: one.row for one in exam.instances}
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in kept.values())
    atomically(files(exam).instances, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
