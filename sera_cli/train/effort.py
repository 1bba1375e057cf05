"""The arithmetic of a training, and the hours and dollars it takes."""

from collections.abc import Iterable

from sera_cli import templates
from sera_cli.train.footprint import trainable
from sera_cli.train.recipe import Recipe
from sera_cli.train.shape import Shape

UTILISATION = 0.28
"""Share of a GPU's peak that training is assumed to reach. The SERA paper's 0.028 hours of an H100 for a trajectory of
32,000 tokens, three times through all of Qwen3-32B (appendix D), come to this; tests/test_effort.py reckons it.
"""
USUAL = "H100"
"""The GPU whose speed is taken where none is there: the paper's."""


def flops(shape: Shape, recipe: Recipe, lengths: Iterable[int], *, trained: float = 1.0) -> float:
    """Operations of one pass over rows of these lengths (tokens), forward and backward, with nothing computed twice.

    A token takes 2 for each weight that it is multiplied with, and as many for its gradient; 2 more where the weight
    learns, so 6 or 4. The output layer is asked about the `trained` share alone. Attention is causal: a row of n tokens
    takes 2n² for each layer's query width forward, and twice that backward.
    """
    each = 6 if recipe.method == "full" else 4
    adapter = 0 if recipe.method == "full" else 6 * trainable(shape, recipe)
    tokens = squares = 0
    for length in lengths:
        tokens += length
        squares += length * length
    weights = each * (shape.linear + trained * shape.embedding) + adapter
    return tokens * weights + 6.0 * shape.layers * shape.queries * squares


def peak(gpu: str) -> float:
    """Operations a second of a GPU by its name, in dense bfloat16; 0 where nobody has said."""
    for name, teraflops in templates.table("gpus.toml").items():
        if name.casefold() in gpu.casefold():
            return float(teraflops) * 1e12
    return 0.0


def hours(operations: float, gpu: str, gpus: int = 1) -> float | None:
    """Hours on so many of these GPUs; None where their speed is not known."""
    speed = peak(gpu)
    return operations / (speed * UTILISATION * gpus) / 3600 if speed else None
