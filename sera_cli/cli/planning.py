"""The plan of a run's training: what its samples, its student and this machine make of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sera_cli.cli.job import Job

if TYPE_CHECKING:
    from sera_cli.train.layout import Layout
    from sera_cli.train.plan import Plan
    from sera_cli.train.recipe import Recipe
    from sera_cli.train.shape import Shape
    from sera_cli.train.student import Student
    from sera_cli.types import Sample


def training(job: Job, student: "Student", recipe: "Recipe", layout: "Layout", taught: Sequence["Sample"]) -> "Plan":
    """What training on these samples takes."""
    from sera_cli.train.course import Course
    from sera_cli.train.shape import measure
    from sera_cli.train.tutor import attending, room

    course = Course(student=student, recipe=recipe, layout=layout)
    shared = room(course, attending(course)) if recipe.batch > 1 else 0  # else there is nothing to share a row with
    return _planned(job, measure(student), recipe, layout, taught, room=shared)


def foreseen(job: Job, taught: Sequence["Sample"]) -> "Plan | None":
    """The plan before anything is made or fetched; None where nothing here tells the student's sizes.

    Where there is no more of a student than its sizes, its attention is taken to keep samples apart, as Qwen3's does.
    """
    from sera_cli.cli.stages import the_choice
    from sera_cli.train.attention import Kernel
    from sera_cli.train.course import Course
    from sera_cli.train.shape import STUDENTS, embedded, measure
    from sera_cli.train.tutor import room

    longest = max(sample.tokens for sample in taught)
    student = _student(job, longest)
    there = Path(student.base).is_dir()
    if not (there or student.rehearsal or student.base in dict(STUDENTS)):
        return None
    choice = the_choice(job, student, longest)
    recipe, layout = choice.recipe, choice.layout
    if there:
        found = training(job, student, recipe, layout, taught)
    else:
        shape = embedded() if student.rehearsal else measure(student)
        isolated = layout.context_parallel == 1
        course = Course(student=student, recipe=recipe, layout=layout)
        shared = room(course, Kernel(name="sdpa", isolated=isolated))
        found = _planned(job, shape, recipe, layout, taught, room=shared)
    return found.model_copy(update={"reason": choice.reason})


def _planned(
    job: Job, shape: "Shape", recipe: "Recipe", layout: "Layout", taught: Sequence["Sample"], *, room: int
) -> "Plan":
    from sera_cli.train.layout import machine
    from sera_cli.train.plan import plan

    trained = [sample.trained for sample in taught]
    return plan(
        shape, recipe, [sample.tokens for sample in taught], machine(), layout, room=room,
        trained=sum(trained) if all(trained) else 0, rate=job.config.cost.gpu_hour,
    )  # fmt: skip


def _student(job: Job, longest: int) -> "Student":
    """The student as far as a plan needs it, which is less than its tokenizer. `base` is a folder where it is here."""
    from huggingface_hub import try_to_load_from_cache

    from sera_cli.config import home
    from sera_cli.train import embedded
    from sera_cli.train.layout import NATIVE
    from sera_cli.train.student import Student

    spec = job.student
    if spec == "rehearsal":
        name, context = embedded.name(), embedded.MAKING.context
        return Student(name=name, base=str(home("cache") / "students" / name), context=context, rehearsal=True)
    folder = Path(spec).expanduser()
    cached = None if folder.is_dir() else try_to_load_from_cache(spec, "config.json")
    base = str(Path(cached).parent) if isinstance(cached, str) else str(folder.resolve()) if folder.is_dir() else spec
    return Student(name=folder.name if folder.is_dir() else spec, base=base,
                   context=job.config.student.context or max(longest, NATIVE))
