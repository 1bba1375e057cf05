"""The sizes of a transformer that decide what training it takes, read from its config alone: no weight is loaded."""

from typing import TYPE_CHECKING, Any

from sera_cli.errors import ModelError
from sera_cli.train.embedded import MAKING, Making
from sera_cli.types import Value

if TYPE_CHECKING:
    from sera_cli.train.student import Student


class Shape(Value):
    """`queries`, `keys` and `inner` are the widths of a layer's query, key and feed-forward projections.

    `linear` counts the weights of all linear layers but the output one: what LoRA adapts and QLoRA quantises. `sides`
    sums their inputs and outputs: a LoRA adapter of rank r has r times as many parameters. `tied` embeddings are the
    output layer, too.
    """

    parameters: int
    layers: int
    hidden: int
    queries: int
    keys: int
    head: int
    inner: int
    vocabulary: int
    linear: int
    sides: int
    tied: bool = False

    @property
    def embedding(self) -> int:
        """Weights of the output layer, which is as large as the table of embeddings, and may be the same."""
        return self.vocabulary * self.hidden

    @property
    def layer(self) -> int:
        """Weights of one layer's projections."""
        return self.linear // self.layers


def dense(
    layers: int, hidden: int, inner: int, heads: tuple[int, int, int], vocabulary: int, *, tied: bool = False
) -> Shape:
    """The shape of a Qwen3. `heads` are those of queries, those of keys, and the width of each."""
    count, shared, head = heads
    queries, keys = count * head, shared * head
    linear = layers * hidden * (2 * queries + 2 * keys + 3 * inner)
    norms = layers * (2 * hidden + 2 * head) + hidden
    return Shape(
        parameters=linear + norms + (1 if tied else 2) * vocabulary * hidden, layers=layers, hidden=hidden,
        queries=queries, keys=keys, head=head, inner=inner, vocabulary=vocabulary, linear=linear,
        sides=layers * (7 * hidden + 2 * queries + 2 * keys + 3 * inner), tied=tied,
    )  # fmt: skip


STUDENTS = (
    ("Qwen/Qwen3-32B", dense(64, 5120, 25600, (64, 8, 128), 151936)),
    ("Qwen/Qwen3-14B", dense(40, 5120, 17408, (40, 8, 128), 151936)),
    ("Qwen/Qwen3-8B", dense(36, 4096, 12288, (32, 8, 128), 151936)),
    ("Qwen/Qwen3-4B", dense(36, 2560, 9728, (32, 8, 128), 151936, tied=True)),
    ("Qwen/Qwen3-1.7B", dense(28, 2048, 6144, (16, 8, 128), 151936, tied=True)),
    ("Qwen/Qwen3-0.6B", dense(28, 1024, 3072, (16, 8, 128), 151936, tied=True)),
)
"""Open-weight students of the family that the SERA paper tunes, largest first."""


def embedded(making: Making = MAKING) -> Shape:
    """The embedded student before it is made."""
    heads = (making.heads, making.shared_heads, making.head)
    return dense(making.layers, making.hidden, making.inner, heads, making.vocabulary, tied=True)


def measure(student: "Student") -> Shape:
    """The student's sizes, by its config. Raises ModelError when there is none that can be read."""
    if known := dict(STUDENTS).get(student.base):
        return known
    from transformers import AutoConfig

    try:
        return measured(AutoConfig.from_pretrained(student.base, trust_remote_code=False))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"student {student.name} has no config that can be read: {reason}") from error


def measured(config: Any) -> Shape:
    """The sizes of the model that a transformers config describes, by making it without its memory."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    output, text = model.get_output_embeddings(), config.get_text_config()
    linear = [one for one in model.modules() if isinstance(one, torch.nn.Linear) and one is not output]
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    return Shape(
        parameters=sum(weight.numel() for weight in model.parameters()), layers=text.num_hidden_layers,
        hidden=text.hidden_size, queries=heads * head,
        keys=(getattr(text, "num_key_value_heads", None) or heads) * head, head=head,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size, vocabulary=text.vocab_size,
        linear=sum(one.weight.numel() for one in linear),
        sides=sum(one.in_features + one.out_features for one in linear), tied=bool(text.tie_word_embeddings),
    )  # fmt: skip
