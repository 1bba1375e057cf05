"""Whether two trainers agree: the first steps of a course through TRL and through a plain loop, loss by loss.

The loop is what a few lines of PyTorch are for: each sample alone through the model, cross entropy, AdamW. Where the
two part, one of packing, masks, averaging, schedule or optimizer is not what the recipe says.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from sera_cli.errors import ConfigError
from sera_cli.train.arguments import half, warmup
from sera_cli.train.course import Course, sequence, write
from sera_cli.train.embedded import hush
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import Row
from sera_cli.train.tutor import attending, lora, model, trainer
from sera_cli.train.worker import told
from sera_cli.types import Value

TOLERANCE = {False: 1e-4, True: 2e-2}
"""Nats per token that losses may differ by, in float32 and in bfloat16, which rounds to 3 digits. Trainers that do not
agree have been seen 0.08 apart by step 20.
"""

Tell = Callable[[Literal["TRL", "plain"], int, int, float], None]
"""Called after each step with who took it, its number, how many there are, and its loss."""


class Pair(Value):
    """One optimizer step: its loss through TRL and through the plain loop, in nats per trained token."""

    step: int
    trl: float
    plain: float

    @property
    def apart(self) -> float:
        return abs(self.trl - self.plain)


class Parity(Value):
    pairs: tuple[Pair, ...]
    tolerance: float

    @property
    def worst(self) -> Pair:
        """The step at which they are furthest apart; one whose loss is no number, where there is one."""
        return max(self.pairs, key=lambda pair: math.inf if math.isnan(pair.apart) else pair.apart)

    @property
    def agrees(self) -> bool:
        return self.worst.apart <= self.tolerance


def parity(course: Course, taught: Sequence[Row], steps: int, *, tell: Tell | None = None) -> Parity:
    """The first `steps` of `course` on the rows `taught`, in one process, twice from the same weights.

    Without dropout, which no two trainers draw alike, and with AdamW of 32 bits. Raises ConfigError where several GPUs
    are visible, which the trainer would all take.
    """
    _one_gpu()
    recipe = course.recipe.model_copy(update={"dropout": 0.0, "optimizer": "adamw"})
    alone = Layout(tokens=course.layout.tokens, cpu=course.layout.cpu)
    course = course.model_copy(update={"recipe": recipe, "layout": alone, "report_to": "none"})
    hush()
    with TemporaryDirectory(prefix="sera-parity-") as place, told(folder := Path(place) / "training"):
        write(folder, course, taught, [])
        first, start = _through_trl(course, folder, steps, tell)
        _free()
        second = list(plain(course, taught, steps, start=start, tell=tell))
    pairs = (Pair(step=step, trl=one, plain=two) for step, (one, two) in enumerate(zip(first, second, strict=True), 1))
    return Parity(pairs=tuple(pairs), tolerance=TOLERANCE[half(recipe)])


def _one_gpu() -> None:
    import torch

    if (count := torch.cuda.device_count()) > 1:
        raise ConfigError(f"two trainers are compared on one GPU, and {count} are visible: set CUDA_VISIBLE_DEVICES=0")


def plain(
    course: Course, taught: Sequence[Row], steps: int, *, start: dict[str, Any], tell: Tell | None = None
) -> Iterator[float]:
    """The losses of a course's first `steps`, from the adapter `start`, empty for full tuning."""
    import torch

    recipe, taken = course.recipe, sequence(course, len(taught))
    batches = [taken[first : first + recipe.batch] for first in range(0, len(taken), recipe.batch)]
    student = _student(course, start)
    weights = [weight for weight in student.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        _groups(weights, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon
    )
    for step, batch in enumerate(batches[:steps]):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate(recipe, step, len(batches))
        loss = _learn(student, [taught[at] for at in batch], recipe)
        torch.nn.utils.clip_grad_norm_(weights, recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        if tell:
            tell("plain", step + 1, min(steps, len(batches)), loss)
        yield loss


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """The share of the learning rate that the step takes, counted from 0: a linear rise from 0, then the schedule."""
    rise = warmup(recipe, steps)
    if step < rise:
        return step / rise
    done = (step - rise) / max(1, steps - rise)
    match recipe.schedule:
        case "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return 1 - done
        case "constant_with_warmup":
            return 1.0


def _learn(student: Any, batch: Sequence[Row], recipe: Recipe) -> float:
    """Adds the gradient of a step's loss: the mean over all trained tokens of its samples."""
    import torch
    from torch.nn.functional import cross_entropy

    labels = [torch.tensor([row.labels[1:]], device=student.device) for row in batch]
    count = sum(int((one != -100).sum()) for one in labels)
    total = 0.0
    for row, label in zip(batch, labels, strict=True):
        ids = torch.tensor([row.input_ids], device=student.device)
        at = (label[0] != -100).nonzero()[:, 0]  # logits of all tokens of a long sample would not fit
        with torch.autocast(student.device.type, torch.bfloat16, enabled=half(recipe)):
            logits = student(input_ids=ids, logits_to_keep=at, use_cache=False).logits[0]
        loss = cross_entropy(logits.float(), label[0, at], reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def _student(course: Course, start: dict[str, Any]) -> Any:
    import torch

    recipe = course.recipe
    student = model(course, attending(course))
    if recipe.checkpointing:
        getattr(student, "activation_checkpointing_enable", student.gradient_checkpointing_enable)()
    if recipe.method != "full":
        student = _adapted(student, recipe, start)
    if recipe.method != "qlora":  # whose weights of 4 bits are on the GPU from the start, and stay
        student = student.to("cuda" if torch.cuda.is_available() and not course.layout.cpu else "cpu")
    return student.train()


def _adapted(student: Any, recipe: Recipe, start: dict[str, Any]) -> Any:
    from peft import get_peft_model

    student.enable_input_require_grads()  # or checkpoints would find nothing to learn behind frozen embeddings
    adapted = get_peft_model(student, lora(recipe))
    for name, weight in adapted.named_parameters():
        if weight.requires_grad:
            weight.data = start[name].to(weight.device, copy=True)
    return adapted


def _groups(weights: Sequence[Any], decay: float) -> list[dict[str, Any]]:
    """Matrices shrink; the scales of norms and biases do not."""
    matrices, vectors = [one for one in weights if one.ndim > 1], [one for one in weights if one.ndim < 2]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def _through_trl(course: Course, folder: Path, steps: int, tell: Tell | None) -> tuple[list[float], dict[str, Any]]:
    """The losses of TRL's first steps, and the adapter that it set out from."""
    from transformers import TrainerCallback

    losses: list[float] = []

    class Stop(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= steps

        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in logs:
                losses.append(logs["loss"])
                if tell:
                    tell("TRL", state.global_step, min(steps, state.max_steps), logs["loss"])

    tutor = trainer(course, folder)
    names = tutor.model.named_parameters() if course.recipe.method != "full" else ()
    start = {name: weight.detach().cpu().clone() for name, weight in names if weight.requires_grad}
    tutor.add_callback(Stop())
    tutor.train()
    tutor.accelerator.free_memory()
    return losses, start


def _free() -> None:
    """Gives back what the first of two trainings held of the GPU."""
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()
