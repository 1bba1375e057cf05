"""Whether the statistics of `sera compare` keep their word: intervals that hold the truth as often as they say, and
seeds that show a difference as often as they were asked for.

    python tests/bench/coverage.py [scores] [seeds] [differences] [power] [looks] [--trials 2000] [--tasks 20 100 …]

Agents are made up: each task has its own chance of being resolved, drawn from a beta distribution whose mean is the
rate. `alike` is the correlation of two attempts at a task: 0 where all tasks are equally hard, .7 as of SWE-bench
Verified, whose runs differ by a median of 1.2 points (SERA paper, section 6). Of two agents, a share of the tasks is as
hard for the one as for the other, the rest has nothing in common.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import cache
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np  # noqa: TID253

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from sera_cli.evaluate.stats.distributions import student_quantile  # noqa: E402
from sera_cli.evaluate.stats.intervals import DRAWS, over_seeds, percentiles, wilson  # noqa: E402
from sera_cli.evaluate.stats.paired import NEAR, paired  # noqa: E402
from sera_cli.evaluate.stats.power import Spread, seeds_for, spread, unlike  # noqa: E402
from sera_cli.evaluate.stats.scores import Scores  # noqa: E402

RATES = (0.05, 0.1, 0.3, 0.5, 0.9)
ALIKE = (0.0, 0.3, 0.7)
PAIRS = ((0.05, 0.05), (0.05, 0.1), (0.3, 0.3), (0.3, 0.4), (0.5, 0.5), (0.5, 0.55), (0.9, 0.9), (0.9, 0.8))
SHARED = (0.5, 0.9)
CHANCE = np.random.default_rng(20)
Array = np.ndarray[Any, Any]
Found = list[tuple[float, float, tuple[Any, ...]]]
"""Of each regime: coverage, mean width, and what it was."""


def main() -> None:
    measures = {"scores": scores, "seeds": seeds, "differences": differences, "power": power, "looks": looks}
    parser = ArgumentParser()
    parser.add_argument("what", nargs="*", default=list(measures))
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--tasks", type=int, nargs="*", default=[20, 44, 100, 500])
    said = parser.parse_args()
    for what in said.what:
        print(f"\n### {what}\n")
        measures[what](said.trials, said.tasks)


def scores(trials: int, sizes: list[int]) -> None:
    """The interval over tasks like these."""
    print("| tasks | method | coverage, % | in regimes | mean width, points |\n| ---: | --- | --- | ---: | ---: |")
    for tasks in sizes:
        found: dict[str, Found] = {"bootstrap": [], "wilson": [], "student, on the tasks' means": []}
        for rate, tries, alike in product(RATES, (1, 3, 5), ALIKE):
            means = CHANCE.binomial(tries, quantiles(rate, alike)(CHANCE.random((trials, tasks)))) / tries
            for method, ends in intervals(means, tries):
                found[method].append((*held(ends, rate), (rate, tries, alike)))
        told(tasks, found)


def intervals(means: Array, tries: int) -> Iterator[tuple[str, Array]]:
    """The two ends by each method; the tasks are drawn anew by how many of them show each score."""
    tasks, values = means.shape[1], np.arange(tries + 1) / tries
    shares = np.stack([(np.rint(means * tries) == hits).mean(1) for hits in range(tries + 1)], 1)
    yield "bootstrap", np.array([
        percentiles((CHANCE.multinomial(tasks, share, size=DRAWS) @ values / tasks).tolist(), tasks)
        for share in shares])
    yield "wilson", np.array([wilson(list(row)) for row in means])
    yield "student, on the tasks' means", around(means.mean(1), means.std(1, ddof=1) / sqrt(tasks), tasks - 1)


def seeds(trials: int, sizes: list[int]) -> None:
    """The interval for further seeds of these very tasks."""
    print("| tasks | method | coverage, % | in regimes | mean width, points |\n| ---: | --- | --- | ---: | ---: |")
    for tasks, alike in product(sizes, (ALIKE, (0.95,))):
        found: dict[str, Found] = {"within tasks": [], "on the runs' means": []}
        for rate, tries, near in product(RATES, (3, 5), alike):
            chances = quantiles(rate, near)(CHANCE.random((trials, tasks)))
            hits = (CHANCE.random((trials, tasks, tries)) < chances[..., None]).astype(float)
            ends = [over_seeds(rows(one)) for one in hits]
            runs = hits.mean(1)
            plain = around(runs.mean(1), runs.std(1, ddof=1) / sqrt(tries), tries - 1)
            ours = np.array([(one.low, one.high) for one in ends if one])
            for method, made in (("within tasks", ours), ("on the runs' means", plain)):
                found[method].append((*held(made, chances.mean(1)), (rate, tries, near)))
        told(f"{tasks}, alike {alike[-1]}" if len(alike) == 1 else tasks, found)


def differences(trials: int, sizes: list[int]) -> None:
    """The interval of a difference between two agents on the same tasks."""
    print("| tasks | method | coverage, % | in regimes | mean width, points |\n| ---: | --- | --- | ---: | ---: |")
    for tasks in sizes:
        found: dict[str, Found] = {"sera compare": [], "plain paired t": []}
        for (one, other), tries, alike, shared in product(PAIRS, (1, 3, 5), ALIKE[1:], SHARED):
            a, b = both((one, other), alike, shared, (trials, tasks))
            apart = (CHANCE.binomial(tries, b) - CHANCE.binomial(tries, a)) / tries
            middle, plain = apart.mean(1), apart.var(1, ddof=1)
            ours = np.array([unlike(list(row)) for row in apart])
            for method, variance in (("sera compare", ours), ("plain paired t", plain)):
                ends = around(middle, np.sqrt(variance / tasks), tasks - 1)
                found[method].append((*held(ends, other - one), (one, other, tries, alike, shared)))
        told(tasks, found)


DESIGNS = (
    (100, (0.3, 0.42), 0.3, 0.9), (100, (0.5, 0.58), 0.7, 0.9), (500, (0.45, 0.48), 0.7, 0.9),
    (500, (0.45, 0.49), 0.7, 0.9), (500, (0.5, 0.55), 0.3, 0.9), (44, (0.4, 0.6), 0.3, 0.9),
)
"""Tasks, rates, how alike attempts are, and the share of tasks that are as hard for both."""


def power(trials: int, sizes: list[int]) -> None:
    """Seeds asked for from the true variances, how often they then show the difference, and what 3 seeds ask for."""
    print("| tasks | difference | seeds asked for | shown, % | with one less, % | asked for after 3 seeds: median | "
          "90 % |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for tasks, rates, alike, shared in (one for one in DESIGNS if one[0] in sizes):
        difference = rates[1] - rates[0]
        a, b = both(rates, alike, shared, (4000, 500))
        known = Spread(between=float((b - a).var()), attempts=float((a * (1 - a) + b * (1 - b)).mean()))
        asked = seeds_for(difference, known, tasks)
        shown = [100 * how_often(tasks, rates, (alike, shared, tries), trials) if tries else 0.0
                 for tries in (asked or 0, (asked or 1) - 1)]
        pilots = [seeds_for(difference, spread(*pair), tasks) or 999
                  for pair in agents(tasks, rates, (alike, shared, 3), min(trials, 400))]
        print(f"| {tasks} | {100 * difference:.0f} points | {asked} | {shown[0]:.1f} | {shown[1]:.1f} | "
              f"{np.median(pilots):.0f} | {np.quantile(pilots, 0.1):.0f} to {np.quantile(pilots, 0.9):.0f} |")


def how_often(tasks: int, rates: tuple[float, float], how: tuple[float, float, int], trials: int) -> float:
    return sum((found := paired(*pair)) is not None and found.low > 0
               for pair in agents(tasks, rates, how, trials)) / trials


def looks(trials: int, sizes: list[int]) -> None:
    """How often equal agents are told apart: after 3 seeds, and by whoever runs what it asks for and looks again."""
    print("| tasks | rate | told apart after 3 seeds, % | after the seeds it asked for too, % |\n"
          "| ---: | ---: | ---: | ---: |")
    for tasks, rate in product(sizes, (0.1, 0.5)):
        first = second = 0
        for a, b in agents(tasks, (rate, rate), (0.7, 0.9, 3 + NEAR), trials):
            found = paired(upto(a, 3), upto(b, 3))
            more = found.more_seeds if found else None
            sure = bool(found and found.verdict in ("better", "worse"))
            first, again = first + sure, sure
            if not sure and more is not None and more <= NEAR:
                later = paired(upto(a, 3 + more), upto(b, 3 + more))
                again = bool(later and later.verdict in ("better", "worse"))
            second += again
        print(f"| {tasks} | {rate} | {100 * first / trials:.1f} | {100 * second / trials:.1f} |")


@cache
def quantiles(rate: float, alike: float) -> Any:
    """How hard tasks are: from a place between 0 and 1 to a chance of being resolved."""
    if not alike:
        return lambda place: np.full(place.shape, rate)
    total = 1 / alike - 1
    sorted_ = np.sort(np.random.default_rng(0).beta(rate * total, (1 - rate) * total, 400_000))
    sorted_ += rate - sorted_.mean()  # of so many the mean is the rate but for the fourth digit
    return lambda place: np.clip(sorted_[(place * len(sorted_)).astype(int)], 0, 1)


def both(rates: tuple[float, float], alike: float, shared: float, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Each task's chance of being resolved by either agent."""
    place, other = CHANCE.random(shape), CHANCE.random(shape)
    return (quantiles(rates[0], alike)(place),
            quantiles(rates[1], alike)(np.where(CHANCE.random(shape) < shared, place, other)))


def agents(
    tasks: int, rates: tuple[float, float], how: tuple[float, float, int], trials: int
) -> Iterator[tuple[Scores, Scores]]:
    alike, shared, tries = how
    a, b = both(rates, alike, shared, (trials, tasks))
    for mine, theirs in zip(a, b, strict=True):
        yield (rows((CHANCE.random((tasks, tries)) < mine[:, None]).astype(float)),
               rows((CHANCE.random((tasks, tries)) < theirs[:, None]).astype(float)))


def rows(hits: Array) -> Scores:
    return {str(task): dict(enumerate(row)) for task, row in enumerate(hits.tolist())}


def upto(scores_: Scores, tries: int) -> Scores:
    return {task: {seed: score for seed, score in row.items() if seed < tries} for task, row in scores_.items()}


def around(middle: Array, error: Array, freedom: int) -> Array:
    half = student_quantile(0.975, freedom) * error
    return np.stack([middle - half, middle + half], 1)


def held(ends: Array, truth: float | Array) -> tuple[float, float]:
    low, high = ends.T
    return 100 * float(((low <= truth + 1e-9) & (truth - 1e-9 <= high)).mean()), 100 * float((high - low).mean())


def told(tasks: object, found: dict[str, Found]) -> None:
    for method, each in found.items():
        (low, _, worst), (high, _, best) = min(each), max(each)
        mean, width = (float(np.mean([one[at] for one in each])) for at in (0, 1))
        outside = sum(not 93 <= one[0] <= 97 for one in each)
        print(f"| {tasks} | {method} | {low:.1f} {worst} to {high:.1f} {best}, mean {mean:.1f} | "
              f"{len(each)}, {outside} outside 93 to 97 | {width:.1f} |", flush=True)


if __name__ == "__main__":
    main()
