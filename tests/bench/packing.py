"""How well an optimizer step's samples fill its micro-batches, how long ranks wait for each other, and what it costs.

    python tests/bench/packing.py [--rows 25000] [--epochs 3] [--batch 32]

Rows have the lengths of rollouts of which a quarter is cut at 32,768 tokens (SERA paper, section 4). `waiting` is how
much longer all rounds take than if every rank read as much, tokens taken for time: in rounds, as where weights are
divided, and in whole steps, as where each rank has all of them. Beside it, the same samples in the order they come.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sera_cli.train.course import order
from sera_cli.train.packing import Micro, packed

CONTEXT = 32768
LAYOUTS = ((1, 0), (1, 32768), (4, 0), (4, 32768), (8, 0), (8, 32768), (8, 131072))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 25000), ("epochs", 3), ("batch", 32)):
        asked.add_argument(f"--{name}", type=int, default=default)
    given = asked.parse_args()
    chance = random.Random(0)
    lengths = [min(CONTEXT, int(chance.lognormvariate(10.0, 0.57))) for _ in range(given.rows)]
    taken = order(given.rows, given.epochs, 0)
    size = [lengths[index] for index in taken]
    print(f"{len(taken):,} samples, {sum(size) / len(size):,.0f} tokens in the mean, {given.batch} a step\n")
    print("ranks   budget  seconds  micro-batches  filled  waiting: rounds  steps   in order: rounds  steps")
    for ranks, budget in LAYOUTS:
        began = time.perf_counter()
        steps = packed(lengths, taken, given.batch, budget=budget, ranks=ranks)
        seconds = time.perf_counter() - began
        count = len(steps[0])
        filled = f"{sum(size) / (len(steps) * count * budget):7.0%}" if budget else "      -"
        plain = [in_order(step, ranks) for step in packed(lengths, taken, given.batch, budget=0)]
        print(
            f"{ranks:5} {budget:8,} {seconds:8.2f} {count:14} {filled} {waiting(steps, size, ranks)} "
            f"          {waiting(plain, size, ranks)}"
        )


def in_order(step: list[Micro], ranks: int) -> list[Micro]:
    """Each sample alone, dealt as it comes."""
    micros = sorted(micro for micro in step if micro)
    return micros + [[]] * (-len(micros) % ranks)


def waiting(steps: list[list[Micro]], size: list[int], ranks: int) -> str:
    rounds = whole = read = 0
    for step in steps:
        loads = [sum(size[at] for at in micro) for micro in step]
        read += sum(loads)
        rounds += sum(max(loads[first : first + ranks]) for first in range(0, len(loads), ranks))
        whole += max(sum(loads[rank::ranks]) for rank in range(ranks))
    return f"{rounds * ranks / read - 1:16.1%} {whole * ranks / read - 1:6.1%}"


if __name__ == "__main__":
    main()
