"""Whether a merged model is its base with the adapter on it: their logits on fixed conversations, compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sera_cli.errors import ModelError
from sera_cli.harness import tokens, wire
from sera_cli.harness.loop import opening
from sera_cli.harness.tools import specs
from sera_cli.harness.wire.family import Wire
from sera_cli.types import Message, Value

TOLERANCE = 0.02
"""How far logits may be apart, as a share of their size. bfloat16 keeps 8 bits, so that a weight is off by up to 0.4 %
of itself; through the layers of a model that grows to about 1 % of the logits.
"""

KEPT = 128
"""Tokens of a conversation whose logits are looked at: its last ones. All of 152,000 words are."""


class Difference(Value):
    """Root mean squares, as shares of the taught model's own logits: how far the merged model is from it, and how far
    its base. `precision` is that of the arithmetic; `tokens` is how many positions were looked at.
    """

    merged: float
    base: float
    tokens: int
    precision: str

    @property
    def agrees(self) -> bool:
        """Whether the merged model is the taught one: within the tolerance, and not as far from it as the base is.

        Where the adapter itself changes less than the tolerance, nobody can tell.
        """
        return self.merged <= TOLERANCE and (self.base <= TOLERANCE or self.merged <= self.base / 2)


def compared(base: str, adapter: Path | None, merged: Path, spoken: Wire, *, memory: int) -> Difference | None:
    """How far `merged` is from `base` with `adapter` on it; None where `memory` bytes hold neither of them.

    In float32 where there is room for it, else in bfloat16. One model is in memory at a time.
    """
    import torch

    size = sum(file.stat().st_size for file in merged.glob("*.safetensors"))  # two bytes a parameter
    if memory < 1.2 * size:
        return None
    precision = torch.float32 if memory >= 2.4 * size else torch.bfloat16
    rows = [_ids(said, merged, spoken) for said in CONVERSATIONS]
    bare, taught = _logits(base, adapter, rows, precision)
    _, made = _logits(str(merged), None, rows, precision)
    return Difference(
        merged=_apart(made, taught), base=_apart(bare, taught), tokens=sum(map(len, taught)),
        precision=str(precision).removeprefix("torch."),
    )  # fmt: skip


def memory() -> int:
    """Bytes that a model can be loaded into: those free on the GPU where there is one, else those of the machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _call(number: int, name: str, arguments: str, result: str) -> list[Message]:
    call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": "", "reasoning_content": "I look at it first.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": f"OBSERVATION:\n{result}"},
    ]


CONVERSATIONS: tuple[tuple[Message, ...], ...] = (
    (
        *opening("Adding two prices with different currencies gives a price without an error."),
        *_call(0, "bash", '{"command": "grep -rn __add__ src"}', "src/price.py:41:    def __add__(self, other):"),
    ),
    (
        *opening("Reading an empty file fails with an IndexError instead of giving no rows."),
        *_call(0, "str_replace_editor", '{"command": "view", "path": "/testbed"}', "/testbed\n/testbed/rows.py"),
        *_call(1, "submit", "{}", "Look at what you changed once more."),
    ),
)
"""What both models are shown: beginnings of rollouts, with the tools that an agent has."""


def _ids(messages: Sequence[Message], folder: Path, spoken: Wire) -> list[int]:
    flat = wire.flatten(messages, specs(), spoken)
    return list(tokens.encode(flat, tokens.load(str(folder)), spoken, prompt=True).ids)


def _logits(base: str, adapter: Path | None, rows: list[list[int]], precision: Any) -> tuple[list[Any], list[Any]]:
    """Of each row, without the adapter and with it."""
    import torch

    model = _load(base, adapter, precision)
    with torch.inference_mode():
        if adapter is None:
            bare = [_read(model, row) for row in rows]
            return bare, bare
        taught = [_read(model, row) for row in rows]
        with model.disable_adapter():
            return [_read(model, row) for row in rows], taught


def _read(model: Any, row: list[int]) -> Any:
    import torch

    ids = torch.tensor([row], device=model.device)
    return model(input_ids=ids, use_cache=False, logits_to_keep=KEPT).logits[0].float().cpu()


def _load(base: str, adapter: Path | None, precision: Any) -> Any:
    import warnings

    import torch
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft asks transformers for what it has renamed
            model = AutoModelForCausalLM.from_pretrained(
                base, dtype=precision, attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True,
                device_map={"": "cuda"} if torch.cuda.is_available() else None,
            )
            if adapter:
                model = PeftModel.from_pretrained(model, str(adapter), is_trainable=False)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"the weights of {base} do not load: {reason}") from error
    return model.eval()


def _apart(these: list[Any], those: list[Any]) -> float:
    gap = sum(float((one - other).square().sum()) for one, other in zip(these, those, strict=True))
    size = sum(float(other.square().sum()) for other in those)
    return (gap / size) ** 0.5 if size else 0.0
