"""Soft tasks: reports about functions that no trajectory starts from, each with the patch that it was written of.

They are made as training data are (SERA paper, section 3.1), up to the report; the second rollout is made by whoever is
measured.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from sera_cli.patch import changes
from sera_cli.svg.issue import draft
from sera_cli.svg.pipeline import Pipeline
from sera_cli.types import Task, digest


def exam(pipeline: Pipeline, tasks: Iterable[Task], wanted: int) -> tuple[Task, ...]:
    """The first `wanted` of `tasks` that come to a report and a patch with lines to find again, in work order.

    Fewer where the tasks are used up. Which ones depends on no timing.
    """
    made: list[Task] = []
    rest, patches = iter(tasks), set[str]()
    broken = 0
    while taken := list(islice(rest, wanted - len(made))):
        some, broken = _reported(pipeline, taken, patches, broken)
        made += some
    return tuple(made)


def _reported(pipeline: Pipeline, tasks: list[Task], patches: set[str], broken: int) -> tuple[list[Task], int]:
    """Those of `tasks` that can be asked, and how many rollouts in a row broke at last."""

    def drafts() -> Iterator[Task]:
        nonlocal broken
        for explored, row in pipeline.explored(tasks, broken):
            broken = row
            patch = digest(explored.patch, 24)
            if explored.accepted and changes(explored.patch) and patch not in patches:
                patches.add(patch)
                yield draft(explored)

    return list(pipeline.written(drafts())), broken
