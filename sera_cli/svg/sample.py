"""In which order a repository's functions are asked about: spread over its files, the more telling ones first.

The order is the same on every machine: it is drawn by lot with seeds made of content ids, in whole numbers and exact
comparisons, and no set, clock or library decides it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from random import Random
from sys import intern

from sera_cli.types import Function, Task, digest, seed_of

ROUNDS = 3
"""How often a function is asked about when functions run out before the goal (SERA paper, section 4.2)."""

YOUNG = (90, 365, 3 * 365)
"""Days since a file's last change that count as recent, less so, and hardly."""


def ordered(functions: Sequence[Function], ages: Mapping[str, int], seed: int) -> Iterator[Function]:
    """All functions, each once, in the order in which they are asked about. `ages` are days by path.

    Each has `tickets` lots and comes by the best of them, which is weighted sampling without repetition. Within a file
    that is the order; a file's turns then come at even distances, nearer to each other the more tickets it has, but
    only by the logarithm of them: no file fills the early work. Functions are looked at one at a time: there are many.
    """
    files: defaultdict[str, list[tuple[float, str, int]]] = defaultdict(list)
    lots: defaultdict[str, int] = defaultdict(int)
    for index, function in enumerate(functions):
        tickets = weight(function, ages)
        draw = Random(seed_of("order", seed, function.id))
        luck = max(draw.random() for _ in range(tickets))
        files[function.path].append((-luck, function.id, index))
        lots[function.path] += tickets
    turns = (
        ((place - shift) / lots[path].bit_length(), id_, index)
        for path, drawn in files.items()
        for shift in [Random(seed_of("turn", seed, path)).random()]
        for place, (_, id_, index) in enumerate(sorted(drawn), 1)
    )
    return (functions[index] for _, _, index in sorted(turns))


def weight(function: Function, ages: Mapping[str, int]) -> int:
    """How many lots a function has: more for long ones, for those that many call, and for recently changed files."""
    age = ages.get(function.path, YOUNG[-1] + 1)
    recent = 1 + sum(age <= young for young in YOUNG)
    lines = function.end_line - function.line + 1
    return lines.bit_length() * (1 + len(function.callers).bit_length()) * recent


def tasks(
    functions: Iterable[Function], repo: str, commit: str, seed: int, *, limit: int = 0, heldout: bool = False
) -> Iterator[Task]:
    """What to ask, in work order: about each function that is not held out, in the order given, then round after round
    about all of them again, as other tasks. A `limit` above 0 is the most functions to take. With `heldout`, the same
    about those that are held out, and about no others.

    `commit` is where rollouts about functions that name none begin.
    """
    usable = (  # not as records: there are many
        (one.id, one.name, intern(one.path), intern(one.commit or commit))
        for one in functions if one.heldout == heldout
    )  # fmt: skip
    for number, (function, name, path, begins) in product(range(1, ROUNDS + 1), islice(usable, limit or None)):
        yield Task(
            id=task_id(function, seed, number),
            repo=repo,
            commit=begins,
            statement="",
            source=function,
            function=name,
            path=path,
        )


def work_order(functions: Iterable[Function], seed: int) -> list[str]:
    """The ids of all that there is to ask, in work order: those of the records that come of it, too."""
    return [task.id for task in tasks(functions, "", "", seed)]


def task_id(function: str, seed: int, number: int = 1) -> str:
    """The id of the first rollout about a function in round `number`."""
    return digest(["explore", seed, function, *([number] if number > 1 else [])])
