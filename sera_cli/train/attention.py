"""Which attention a student trains with, and whether it keeps samples apart that go through the model in one row.

That is tried and not looked up: it depends on the architecture, on the kernel and on the release of transformers.
"""

from typing import Any

from sera_cli.errors import ModelError
from sera_cli.types import Value

MASKED = 4096
"""Tokens that share a row where a mask keeps documents apart, at most.

Such a mask has a place for each pair of tokens, and rules out the kernels that need none: at 4,096 tokens it adds a
sixth to the arithmetic of a layer of Qwen3-8B (4 x 4096 x 4096 of 386 million operations a token), at 32,768 it would
more than double it and take 3 GiB. And 4,096 tokens already fill a GPU. A longer document is alone and needs no mask.
"""
UNMASKED = ("flash", "flex")
"""The kernels that skip what lies in other documents, so that a row may hold any number."""
LENGTH = 12  # tokens of each document in the trial
SMALL: dict[str, int | float] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 16, "sliding_window": 8, "attention_chunk_size": 8, "moe_intermediate_size": 16, "num_experts": 4,
    "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
    "initializer_range": 0.3,  # so wide that what a document leaks into another is seen
}  # fmt: skip
STRANGE = (ValueError, RuntimeError, TypeError, AttributeError, KeyError, IndexError, AssertionError)
"""What an architecture may raise that cannot be made so small, or not run with a kernel."""


class Kernel(Value):
    """`name` is what transformers calls it; `isolated` whether documents of one row do not see each other."""

    name: str
    isolated: bool

    def room(self, tokens: int) -> int:
        """How many tokens documents may share of a micro-batch of `tokens`; 0 if each must be alone."""
        if not self.isolated:
            return 0
        return tokens if self.name.startswith(UNMASKED) else min(tokens, MASKED)


def kernel(base: str, wanted: str = "auto", *, half: bool = True) -> Kernel:
    """The kernel to load the model `base` with: the one wanted, or the fastest that is installed and runs.

    `half` says that the training computes in bfloat16, as flash attention does. Raises ModelError where the wanted
    kernel cannot be used.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    if wanted != "auto":
        return _wanted(config, wanted, half=half)
    for name in _installed(half=half):
        try:
            return Kernel(name=name, isolated=isolates(config, name))
        except (*STRANGE, ImportError):
            continue
    return Kernel(name="sdpa", isolated=False)


def _wanted(config: Any, name: str, *, half: bool) -> Kernel:
    reason = "" if half or not name.startswith("flash") else "it computes in bfloat16, and this training in float32"
    if not reason:
        try:
            return Kernel(name=name, isolated=isolates(config, name))
        except STRANGE:
            return Kernel(name=name, isolated=False)
        except ImportError as error:
            reason = str(error).strip().partition("\n")[0]
    raise ModelError(f"{name} cannot be used here ({reason}): leave train.attention at auto")


def isolates(config: Any, name: str) -> bool:
    """Whether a model of this config gives a document the same logits whatever stands before it in its row.

    Runs it with random weights and few of everything. A third run, whose positions do not say that a new document
    begins, must show a difference, or the trial would prove nothing.
    """
    import torch

    gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if name.startswith("flash") else torch.float32
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if gpu else []), torch.no_grad():
        torch.manual_seed(0)
        model = _small_model(config, name).to("cuda" if gpu else "cpu", dtype)
        one, other, last = torch.randint(1, int(SMALL["vocab_size"]), (3, LENGTH)).to(model.device)
        again, on = torch.arange(LENGTH).repeat(2), torch.arange(2 * LENGTH)
        alone = _logits(model, last, again[:LENGTH])
        packed = [_logits(model, torch.cat([first, last]), again) for first in (one, other)]
        joined = [_logits(model, torch.cat([first, last]), on) for first in (one, other)]
    seen = _apart(*joined)
    return seen > 1e-3 and _apart(*packed) < 1e-3 * seen and _apart(packed[0], alone) < 0.1 * seen


def _installed(*, half: bool) -> list[str]:
    """Kernels, the fastest first. Hopper's own is a package of its own, which is there on purpose."""
    from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

    flash = {"flash_attention_3": is_flash_attn_3_available(), "flash_attention_2": is_flash_attn_2_available()}
    return [*(name for name, there in flash.items() if there and half), "sdpa", "eager"]


def _small_model(config: Any, name: str) -> Any:
    """The architecture with one layer of each of its kinds, two at least."""
    from copy import deepcopy

    from transformers import AutoModelForCausalLM

    small = deepcopy(config.get_text_config())
    kinds = list(dict.fromkeys(getattr(small, "layer_types", None) or ()))
    layers = kinds * 2 if len(kinds) == 1 else kinds
    sizes = SMALL | {"num_hidden_layers": len(layers) or 2}
    for key, value in sizes.items():
        if getattr(small, key, None) is not None:
            setattr(small, key, value)
    if layers:
        small.layer_types = layers
    small.bos_token_id = small.eos_token_id = small.pad_token_id = None
    return AutoModelForCausalLM.from_config(small, attn_implementation=name).eval()


def _logits(model: Any, ids: Any, positions: Any) -> Any:
    """Of the last document."""
    row = {"input_ids": ids[None], "position_ids": positions[None].to(ids.device)}
    return model(**row, use_cache=False).logits[0, -LENGTH:].float()


def _apart(one: Any, other: Any) -> float:
    return float((one - other).abs().max())
