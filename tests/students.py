"""A student small enough to be made within a test, from a library of a few lines."""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from sera_cli.harness import wire
from sera_cli.train import embedded, sft
from sera_cli.train.course import Course, versions
from sera_cli.train.embedded import Making
from sera_cli.train.metrics import Tell
from sera_cli.train.recipe import Recipe
from sera_cli.train.student import Student
from sera_cli.types import Message, Sample

TINY = Making(
    vocabulary=400, hidden=48, layers=2, heads=2, shared_heads=1, head=24, inner=96, length=64, steps=2, warmup=1
)

TOOLS = [
    {"type": "function", "function": {"name": "bash", "description": "Runs it.", "parameters": {"type": "object"}}},
]

FULL = Recipe(
    name="quick", method="full", epochs=2, learning_rate=1e-2, schedule="cosine", warmup_steps=1, weight_decay=0.0,
    betas=(0.9, 0.95), epsilon=1e-8, max_grad_norm=1.0, batch=2, precision="float32", checkpointing=False,
)
LORA = FULL.model_copy(update={"method": "lora", "rank": 4, "alpha": 8})


def library(folder: Path, functions: int = 40) -> Path:
    """A folder of Python sources to learn from."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("alpha", "beta"):
        bodies = (
            f'def {name}_{n}(value, other):\n    """Adds {n}."""\n    total = value + {n}\n    return total - other\n\n'
            for n in range(functions)
        )
        (folder / f"{name}.py").write_text("\n".join(bodies), encoding="utf-8")
    return folder


@cache
def tiny() -> Student:
    """One student for all tests of a process."""
    place = Path(mkdtemp(prefix="student-"))
    folder = embedded.ensure(place / "cache", TINY, root=library(place / "library"))
    return Student(name=folder.name, base=str(folder), context=TINY.context, rehearsal=True)


@cache
def reader() -> Student:
    """One that reads whole rollouts, if it understands none: for walking the road from end to end."""
    making = TINY.model_copy(update={"vocabulary": 2000, "layers": 1, "context": 3072})
    folder = embedded.ensure(Path(mkdtemp(prefix="student-")), making, root=Path(json.__file__).parent)
    return Student(name=folder.name, base=str(folder), context=making.context, rehearsal=True)


def chat(number: int = 0) -> list[Message]:
    """A short conversation with one call, its result and an answer."""
    call = {"id": "c0", "type": "function", "function": {"name": "bash", "arguments": f'{{"command": "ls {number}"}}'}}
    return [
        {"role": "system", "content": "Work."},
        {"role": "user", "content": f"Look at {number}."},
        {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": f"OBSERVATION:\nsecret{number}.py"},
        {"role": "assistant", "content": "Done."},
    ]


def sample(number: int = 0, *, heldout: bool = False) -> Sample:
    flat = wire.flatten(chat(number), TOOLS)
    return Sample(
        id=f"s{number}", messages=tuple(flat), origin="first", heldout=heldout, kept=2, steps=2, tokens=100,
    )


def train(
    samples: list[Sample], heldout: list[Sample], given: Student, recipe: Recipe, out: Path,
    *, seed: int = 0, shuffle: bool = True, on_progress: Tell | None = None,
) -> sft.Trained:  # fmt: skip
    """Trains in one go; of the folder it was done in, the result alone is left, as `out`."""
    folder = out.with_name(f".{out.name}.training")
    course = Course(
        student=given, recipe=recipe, seed=seed, shuffle=shuffle, data=sft.data_digest(samples),
        heldout=sft.data_digest(heldout), versions=versions(),
    )  # fmt: skip
    sft.begin(folder, course, samples, heldout)
    sft.go(folder, course, on_progress)
    done = sft.take(folder, out)
    shutil.rmtree(folder)
    return done
