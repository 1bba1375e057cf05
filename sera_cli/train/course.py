"""A training as a folder, made before it starts and enough to start it from anywhere that sees it.

    course.json       who learns what, in which order, laid out how
    rows/  heldout/   token ids and labels, read from disk as they are needed
    accelerate.yaml   how several processes are started
    metrics.jsonl     facts, then a row for every step
    checkpoint-N/     where it can go on from
    result/           what came of it, whole or not there
"""

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from sera_cli.errors import ConfigError, DataError
from sera_cli.store import atomically
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import Row, keep
from sera_cli.train.student import Student
from sera_cli.types import Value

COURSE, ROWS, HELDOUT, ACCELERATE = "course.json", "rows", "heldout", "accelerate.yaml"
METRICS, RESULT = "metrics.jsonl", "result"

ASIDE = frozenset({"checkpointing", "offload", "packing", "attention", "save_every", "loss_ceiling", "patience"})
"""What a recipe says of speed, memory and watching: none of it changes what is learned."""


class Course(Value):
    """One training: who learns what, in which order, and on which machine.

    `data` and `heldout` are digests of the samples; `name` is what those who watch call it, and never holds a path.
    """

    student: Student
    recipe: Recipe
    layout: Layout = Layout()
    seed: int = 0
    shuffle: bool = True
    data: str = ""
    heldout: str = ""
    name: str = "training"
    report_to: str = "none"
    offline: bool = False
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what is learned. Nothing of the machine: processes, memory and who watches are left out."""
        return {
            "data": self.data, "heldout": self.heldout, "student": self.student.name, "context": self.student.context,
            "wire": self.student.wire.model_dump(), "seed": self.seed, "shuffle": self.shuffle,
            "recipe": self.recipe.model_dump(mode="json", exclude=set(ASIDE)),
        }


def order(count: int, epochs: int, seed: int, *, shuffle: bool = True) -> list[int]:
    """Which sample comes when: every epoch is another shuffle, the same for the same seed, or the order given."""
    chance = random.Random(seed)
    return [index for _ in range(epochs) for index in (chance.sample(range(count), count) if shuffle else range(count))]


def sequence(course: Course, count: int) -> list[int]:
    """The order of a course over `count` rows; each optimizer step takes the next `recipe.batch` of it."""
    return order(count, course.recipe.epochs, course.seed, shuffle=course.shuffle)


def epoch_ends(course: Course, count: int) -> tuple[int, ...]:
    """The steps at which each of `count` rows has been learned from once more; the last is the number of steps."""
    return tuple(-(-count * epoch // course.recipe.batch) for epoch in range(1, course.recipe.epochs + 1))


def write(folder: Path, course: Course, taught: Sequence[Row], heldout: Sequence[Row]) -> None:
    """The folder, which appears whole or not at all, in place of what was there. Raises DataError."""
    with appearing(folder) as part:
        keep(taught, part / ROWS)
        keep(heldout, part / HELDOUT)
        rewrite(part, course)


def rewrite(folder: Path, course: Course) -> None:
    """Says anew what may change between two starts: the layout, and who watches."""
    from sera_cli.train.layout import accelerate

    atomically(folder / COURSE, course.model_dump_json(indent=1).encode() + b"\n")
    asked = json.dumps(accelerate(course.layout, course.recipe), indent=1)  # which YAML reads as well
    atomically(folder / ACCELERATE, asked.encode() + b"\n")


def begun(folder: Path, course: Course) -> bool:
    """Whether the folder is of this course, with its rows. Raises ConfigError where the result of another is in it."""
    if not (folder / COURSE).exists():
        return False
    before = read(folder).settings
    if (folder / RESULT).exists() and before != course.settings:
        wrong = ", ".join(differing(before, course.settings))
        raise ConfigError(f"{folder} holds the result of another training: {wrong}; undo that, or remove it")
    return before == course.settings and (folder / ROWS).is_dir()


def read(folder: Path) -> Course:
    """The course of a folder. Raises DataError when there is none, or another sera wrote it."""
    path = folder / COURSE
    try:
        return Course.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{error.strerror}; a training is begun by: sera train REPO", path) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise DataError(f"not a course that this sera can read ({where}: {first['msg']})", path) from error


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}


def differing(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys in which two settings differ, each as `recipe.epochs (was 3, now 5)`."""
    for key in sorted({*before, *now}):
        was, is_ = before.get(key), now.get(key)
        if isinstance(was, dict) and isinstance(is_, dict):
            yield from differing(was, is_, f"{prefix}{key}.")
        elif was != is_:
            yield f"{prefix}{key} (was {json.dumps(was)}, now {json.dumps(is_)})"


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder beside `out` to work in; it takes `out`'s place at the end, and is gone if that end is not reached."""
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    except OSError as error:
        text = f"cannot be written ({error.strerror or error}); mend that, then the same command goes on"
        raise DataError(text, out) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
