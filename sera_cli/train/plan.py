"""What a training will ask of a machine, told before it starts: steps and tokens, memory, hours and dollars."""

from collections.abc import Sequence
from typing import Any

from sera_cli.train.arguments import warmup
from sera_cli.train.checkpoint import KEPT
from sera_cli.train.course import order
from sera_cli.train.effort import USUAL, UTILISATION, flops, hours, peak
from sera_cli.train.fitting import advice
from sera_cli.train.footprint import GIB, Memory, checkpoint, memory, result, trainable
from sera_cli.train.layout import Layout, Machine, available
from sera_cli.train.packing import packed
from sera_cli.train.recipe import Recipe
from sera_cli.train.shape import Shape
from sera_cli.types import Value
from sera_cli.wording import counted

LABELS = {
    "weights": "weights", "adapter": "adapter", "gradients": "gradients", "optimizer": "Adam's moments",
    "kept": "kept for the backward", "layer": "a layer at work", "logits": "the loss at work",
    "shared": "for other GPUs", "overhead": "CUDA's own and gaps",
}  # fmt: skip
"""How a person is told what memory is for."""


class Plan(Value):
    """`samples` are read `epochs` times in `steps` of the optimizer, each of `batch` of them; `tokens` counts all
    passes, of which the loss covers the share `trained` (0: not known).

    `warmup` is shorter than the `wished` one where steps are few. A step is `micro` micro-batches on each GPU, the
    largest of `most` tokens. `available` bytes are there for `memory`; where that `fits` not, `advice` is what to say
    instead. Without a GPU here, one would take `elsewhere` bytes. At most `disk` bytes are on the disk at once.
    `operations` are those of the whole training, `hours` those on the clock, `gpu_hours` times GPUs, `dollars` those at
    `rate` for each; None where the speed of this `gpu` is not known, and for the paper's where none is here and it is
    `assumed`. `reason` says why it is this recipe.
    """

    recipe: str
    method: str
    parameters: int
    trainable: int
    samples: int
    longest: int
    epochs: int
    batch: int
    tokens: int
    trained: float
    steps: int
    warmup: int
    wished: int
    micro: int
    most: int
    layout: Layout
    memory: Memory
    available: int
    fits: bool
    advice: str
    elsewhere: int
    disk: int
    operations: float
    gpu: str
    assumed: bool
    hours: float | None
    gpu_hours: float | None
    rate: float
    dollars: float | None
    reason: str = ""


def plan(
    shape: Shape, recipe: Recipe, lengths: Sequence[int], machine: Machine, layout: Layout,
    *, room: int = 0, trained: int = 0, rate: float = 2.0,
) -> Plan:
    """What training on samples of these lengths (tokens) takes.

    `room` tokens of documents may share a micro-batch (packing's budget; 0: each is alone). `trained` of all tokens
    are in the loss; 0 counts all. `rate` is in dollars of one GPU for one hour.
    """
    sequence = order(len(lengths), recipe.epochs, 0)
    taken = packed(lengths, sequence, recipe.batch, budget=room, ranks=layout.ranks)
    longest = max(lengths, default=0)
    most = max((sum(lengths[sequence[at]] for at in micro) for step in taken for micro in step), default=0)
    laid = layout.model_copy(update={"tokens": max(1, most)})
    need, share = memory(shape, recipe, laid), trained / sum(lengths) if trained and lengths else 0.0
    work = recipe.epochs * flops(shape, recipe, lengths, trained=share or 1.0)
    gpu = machine.gpu if machine.gpus else USUAL
    gpus = layout.processes if machine.gpus else 1
    clock = hours(work, gpu, gpus)
    there = available(machine, layout)
    fits = need.total <= there
    return Plan(
        recipe=recipe.name, method=recipe.method, parameters=shape.parameters, trainable=trainable(shape, recipe),
        samples=len(lengths), longest=longest, epochs=recipe.epochs, batch=recipe.batch,
        tokens=sum(lengths) * recipe.epochs, trained=share, steps=len(taken), warmup=warmup(recipe, len(taken)),
        wished=recipe.warmup_steps,
        micro=len(taken[0]) // layout.ranks if taken else 0, most=most, layout=layout, memory=need,
        available=there, fits=fits, advice="" if fits else advice(shape, recipe, laid, machine),
        elsewhere=0 if machine.gpus else memory(shape, recipe, Layout(tokens=laid.tokens)).total,
        disk=(KEPT + 1) * checkpoint(shape, recipe) + result(shape, recipe, cpu=layout.cpu),
        operations=work, gpu=gpu, assumed=not machine.gpus, hours=clock,
        gpu_hours=None if clock is None else clock * gpus, rate=rate,
        dollars=None if clock is None else clock * gpus * rate,
    )  # fmt: skip


def told(plan: Plan) -> list[str]:
    """The head of a run: what is trained on what, what memory that takes, how long it lasts; each a line."""
    share = f", {plan.trained:.0%} of them trained" if plan.trained else ""
    idle = LABELS["layer" if plan.memory.layer < plan.memory.logits else "logits"]  # never at work at once
    return [
        f"{plan.recipe}: {plan.trainable:,} of {plan.parameters:,} parameters learn, in {counted(plan.steps, 'step')} "
        f"of {counted(plan.batch, 'sample')}, {counted(plan.tokens, 'token')}{share}",
        f"memory: {_need(plan)}; {'; '.join(_verdict(plan))}",
        f"of it {', '.join(f'{_size(size)} {what}' for what, size in _parts(plan) if what != idle)}",
        *([f"time: {_time(plan)}; {_dollars(plan)}"] if plan.hours is not None and not plan.assumed else []),
    ]


def rows(plan: Plan) -> list[tuple[str, str]]:
    """Name and value of all of it, for a table of 80 columns."""
    of = "all" if plan.trainable == plan.parameters else f"{plan.trainable / plan.parameters:.2%}"
    share = f", {plan.trained:.1%} of them in the loss" if plan.trained else ""
    fields = [
        ("recipe", plan.reason or plan.recipe),
        ("parameters", f"{plan.trainable:,} of {plan.parameters:,} learn ({of})"),
        ("tokens", f"{plan.tokens:,} in {counted(plan.epochs, 'epoch')}{share}"),
        ("longest", counted(plan.longest, "token")),
        ("steps", f"{plan.steps:,} of {counted(plan.batch, 'sample')}, {_warmup(plan)}"),
        ("batches", f"{_micro(plan)}, of up to {plan.most:,} tokens"),
        ("memory", _need(plan)),
        *(("", f"{_size(size):>10}  {what}") for what, size in _parts(plan)),
        ("", "a layer and the loss are never at work at once: the larger counts"),
        *(("" if at else "verdict", said) for at, said in enumerate(_verdict(plan))),
        ("disk", f"{_size(plan.disk)} for {KEPT} checkpoints, the next one and the result"),
        ("time", _time(plan)),
        ("dollars", _dollars(plan)),
    ]
    return [(name, value) for name, value in fields if value]


def document(plan: Plan) -> dict[str, Any]:
    """The same for a program, with the sums of memory."""
    whole = {"allocated": plan.memory.allocated, "total": plan.memory.total}
    return plan.model_dump(mode="json") | {"memory": plan.memory.model_dump() | whole, "utilisation": UTILISATION}


def _parts(plan: Plan) -> list[tuple[str, int]]:
    """What memory is for, in bytes."""
    return [(LABELS[name], size) for name, size in plan.memory.model_dump().items() if size]


def _warmup(plan: Plan) -> str:
    short = f", not {plan.wished}, as they are few" if plan.warmup < plan.wished else ""
    return f"{plan.warmup} of them to warm up{short}"


def _micro(plan: Plan) -> str:
    """How many micro-batches make a step; GPUs that share a row take the same ones."""
    said = f"{counted(plan.micro, 'micro-batch', 'micro-batches')} a step"
    if plan.layout.ranks == 1:
        return said
    together = f" {plan.layout.context_parallel}" if plan.layout.context_parallel > 1 else ""
    return f"{said} on each{together} of {plan.layout.processes} {_who(plan)}"


def _who(plan: Plan) -> str:
    return "processes" if plan.layout.cpu else "GPUs"


def _need(plan: Plan) -> str:
    by = f" by {plan.layout.kind}" if plan.layout.kind != "one" else ""
    on = "the machine" if plan.layout.cpu else "the GPU"
    on = f"each of {plan.layout.processes} {_who(plan)}{by}" if plan.layout.processes > 1 else on
    return f"{_size(plan.memory.total)} of {_size(plan.available)} on {on}"


def _verdict(plan: Plan) -> list[str]:
    if plan.fits:
        return ["fits"]
    gpu = [f"one GPU with {_size(plan.elsewhere)} would do"] if plan.elsewhere else []
    return ["will not fit", *gpu, f"here this would: {plan.advice}" if plan.advice else "here nothing smaller would"]


def _time(plan: Plan) -> str:
    """Hours, and what they are reckoned from."""
    if plan.hours is None:
        return f"unknown, as the speed of {plan.gpu} is"
    speed = f"at {UTILISATION:.0%} of {peak(plan.gpu) / 1e12:.0f} TFLOP/s"
    if plan.assumed:
        return f"unknown on a CPU; {_long(plan.hours)} on an {plan.gpu} {speed}"
    return f"{_long(plan.hours)} on {plan.layout.processes} {plan.gpu} {speed}"


def _dollars(plan: Plan) -> str:
    return "" if plan.dollars is None else f"${plan.dollars:,.2f} at ${plan.rate:,.2f} for one GPU's hour"


def _long(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    minutes = round(hours * 60)
    return counted(minutes, "minute") if minutes else "under a minute"


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 1024**2:.1f} MiB"
