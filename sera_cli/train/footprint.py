"""The bytes that a training takes on each of its GPUs, by what they are for.

The formulas were found by running the trainer's forward, backward and loss on tensors without memory, which
tests/bench/plan.py does again and compares. They hold for Qwen3 and for what is built like it: dense, with gated
feed-forward layers, and attention that never writes a matrix of tokens by tokens.
"""

from typing import NamedTuple

from sera_cli.train.layout import Layout
from sera_cli.train.recipe import Recipe
from sera_cli.train.shape import Shape
from sera_cli.types import Value

GIB = 1024**3

CONTEXT = GIB
"""CUDA's own, cuBLAS's and NCCL's workspaces: not torch's to count."""
LOOSE = 0.03
"""Share of activations that the allocator holds in pieces too small to use: rows differ in length, so do blocks."""

FOUR_BITS = 4.127 / 8
"""Bytes of an NF4 weight with its doubly quantised scales (Dettmers et al., 2023, section 3: 0.127 bits a weight)."""
MASTER = 4
"""Weights that learn are kept in float32, as are their gradients: a step of 1e-5 is lost in bfloat16."""
MOMENTS = {"adamw": 8, "adamw_8bit": 2}
"""Bytes of Adam's two moments of one weight."""

TILE = (4096, 32768)
"""The loss takes so many tokens by so many words of the vocabulary at a time (trl's ChunkedLogProbFunction)."""
STASH = 5
"""Checkpoints that stay on the GPU when trl moves activations off it."""


class Memory(Value):
    """Bytes on one GPU. A `layer` at work and the tile of `logits` with what belongs to it are never there at once.

    `kept` is what the forward leaves for the backward: of checkpointed layers their inputs alone. `shared` is what
    several GPUs need of one another: gathered weights, and gradients on their way. `overhead` is not torch's.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    kept: int
    layer: int
    logits: int
    shared: int
    overhead: int

    @property
    def allocated(self) -> int:
        """What torch.cuda.max_memory_allocated will say."""
        state = self.weights + self.adapter + self.gradients + self.optimizer
        return state + self.shared + self.kept + max(self.layer, self.logits)

    @property
    def total(self) -> int:
        return self.allocated + self.overhead


class Widths(NamedTuple):
    """Bytes a token takes, for each unit of the residual stream, queries, keys or values, feed-forward, and rank."""

    hidden: int
    queries: int
    keys: int
    inner: int
    rank: int = 0

    def of(self, shape: Shape, rank: int) -> int:
        parts = (shape.hidden, shape.queries, shape.keys, shape.inner, rank)
        return sum(width * part for width, part in zip(self, parts, strict=True))


class Arithmetic(NamedTuple):
    """How one way to compute uses memory, in bytes of a token: the residual stream, a layer at the peak of its
    backward, what it keeps for it when it is not checkpointed, the rotary embedding for each unit of a head, and the
    last norm with the gradient of what the output layer reads.
    """

    stream: int
    work: Widths
    saved: Widths
    rotary: int
    last: int


ADAPTED = Arithmetic(2, Widths(28, 10, 8, 14, 14), Widths(18, 10, 8, 8, 14), 4, 12)
"""LoRA over bfloat16."""
MIXED = Arithmetic(4, Widths(26, 10, 10, 12), Widths(26, 10, 10, 8), 8, 16)
"""Weights of float32, multiplied in bfloat16."""
DIVIDED = Arithmetic(2, Widths(18, 10, 10, 12), Widths(18, 10, 10, 8), 4, 12)
"""Weights of float32 or bfloat16 that are gathered in bfloat16, as FSDP2 does, under an adapter or without."""
PLAIN = {
    True: Arithmetic(4, Widths(16, 12, 12, 24, 28), Widths(16, 12, 12, 16, 28), 8, 16),
    False: Arithmetic(4, Widths(24, 16, 16, 24), Widths(20, 16, 16, 16), 8, 16),
}
"""All in float32, with an adapter or without."""
PASSING = 20
"""Bytes of a token and unit of the residual stream at the peak of a layer's backward that had kept the rest."""


def memory(shape: Shape, recipe: Recipe, layout: Layout) -> Memory:
    """Bytes on each GPU while micro-batches of up to `layout.tokens` are learned from, once there are moments."""
    half = recipe.precision == "bfloat16" and not layout.cpu
    adapted = recipe.method != "full"
    way = _arithmetic(layout, half=half, adapted=adapted)
    tokens = -(-layout.tokens // layout.context_parallel)
    tuned, among = trainable(shape, recipe), layout.divided
    weights = _weights(shape, recipe, half=half)
    kept, layer = _activations(shape, recipe, way, tokens)
    logits = _logits(shape, recipe, way, tokens)
    loose = 0 if layout.cpu else CONTEXT + round(LOOSE * (kept + max(layer, logits)))
    return Memory(
        weights=weights // among, adapter=MASTER * tuned // among if adapted else 0,
        gradients=MASTER * tuned // among, optimizer=MOMENTS[recipe.optimizer] * tuned // among,
        kept=kept, layer=layer, logits=logits, shared=_shared(shape, recipe, layout, half=half), overhead=loose,
    )  # fmt: skip


def _arithmetic(layout: Layout, *, half: bool, adapted: bool) -> Arithmetic:
    if not half:
        return PLAIN[adapted]
    if layout.divided > 1:
        return DIVIDED
    return ADAPTED if adapted else MIXED


def trainable(shape: Shape, recipe: Recipe) -> int:
    """Parameters that learn."""
    return shape.parameters if recipe.method == "full" else recipe.rank * shape.sides


def checkpoint(shape: Shape, recipe: Recipe) -> int:
    """Bytes on disk of a checkpoint: the weights that learn, and their moments."""
    return (MASTER + MOMENTS[recipe.optimizer]) * trainable(shape, recipe)


def result(shape: Shape, recipe: Recipe, *, cpu: bool) -> int:
    """Bytes on disk of what a training leaves: all weights in the precision it computed in, or the adapter."""
    whole = 2 if recipe.method == "full" and recipe.precision == "bfloat16" and not cpu else MASTER
    return whole * trainable(shape, recipe)


def _weights(shape: Shape, recipe: Recipe, *, half: bool) -> int:
    match recipe.method:
        case "full":
            return MASTER * shape.parameters
        case "qlora":
            return round(FOUR_BITS * shape.linear) + 2 * (shape.parameters - shape.linear)
        case _:
            return (2 if half else 4) * shape.parameters


def _activations(shape: Shape, recipe: Recipe, way: Arithmetic, tokens: int) -> tuple[int, int]:
    """What the forward keeps, and what a layer at work takes beside it."""
    rotary = way.rotary * shape.head
    cast = 2 * (shape.layer - shape.hidden * shape.inner) if way is MIXED else 0
    if recipe.method == "qlora":
        cast = 2 * shape.hidden * shape.inner  # one matrix at a time is made whole again
    if recipe.method == "full" and shape.tied:
        cast += MASTER * shape.embedding  # the output layer's gradient waits for that of the embeddings
    layer = tokens * way.work.of(shape, recipe.rank) + cast
    if not recipe.checkpointing:
        kept = tokens * (shape.layers * way.saved.of(shape, recipe.rank) + rotary)
        return kept + (2 * shape.linear if way is MIXED else 0), tokens * PASSING * shape.hidden
    inputs = min(shape.layers, STASH) if recipe.offload else shape.layers
    return tokens * (inputs * way.stream * shape.hidden + rotary), layer


def _logits(shape: Shape, recipe: Recipe, way: Arithmetic, tokens: int) -> int:
    """The loss's tile and its slice of the output layer, where that must be cast; what the last norm keeps and is given
    back; and the output layer's gradient of float32 where that learns, which is cast where the layer was gathered.
    """
    rows, words = min(tokens, TILE[0]), min(shape.vocabulary, TILE[1])
    tile = (4 if way in PLAIN.values() else 2) * TILE[1] * rows  # as wide as it may be, however few words there are
    tile += 2 * words * shape.hidden if way is MIXED else 0
    learned = (MASTER + (2 if way is DIVIDED else 0)) * shape.embedding if recipe.method == "full" else 0
    return tile + way.last * tokens * shape.hidden + learned


def _shared(shape: Shape, recipe: Recipe, layout: Layout, *, half: bool) -> int:
    """DDP's buckets are one more copy of the gradients. Of divided weights the output layer stays gathered, and where
    they learn two layers beside it, or one with its gradients on their way to their owners.
    """
    match layout.kind:
        case "ddp":
            return MASTER * trainable(shape, recipe)
        case "fsdp2" | "zero3":
            return (2 if half else 4) * (shape.embedding + (2 * shape.layer if recipe.method == "full" else 0))
        case _:
            return 0
