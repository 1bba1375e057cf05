"""Does the plan's memory hold? Trainings without memory: every storage is counted, and stands beside the plan.

    python tests/bench/plan.py [STUDENT RECIPE TOKENS ...] [--kept-casts] [--gpus N]

The student's own architecture from transformers, PEFT's adapter, trl's loss and torch's checkpointing and clipping run
forward and backward on fake tensors, two micro-batches to a step and two steps, so that gradients accumulate beside
Adam's moments. What a CPU does otherwise than a GPU is put in its place: attention allocates what torch's flash
attention allocates (its output, a number for each row, and in the backward gradients for every query head and a float32
accumulator), and trl's kernels of the loss work in place, as those in Triton do. A fused Adam allocates nothing. With
several GPUs this is the first of so many under FSDP2, wrapped as accelerate wraps them.
"""

import argparse
import sys
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: TID253
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: TID253
from torch.utils._pytree import tree_leaves  # noqa: TID253

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from sera_cli.train.footprint import GIB, Memory, memory  # noqa: E402
from sera_cli.train.layout import Layout  # noqa: E402
from sera_cli.train.recipe import Recipe, recipe  # noqa: E402
from sera_cli.train.shape import measured  # noqa: E402

SIZES = {  # hidden, layers, heads, heads of keys, inner, tied
    "Qwen3-4B": (2560, 36, 32, 8, 9728, True),
    "Qwen3-8B": (4096, 36, 32, 8, 12288, False),
    "Qwen3-14B": (5120, 40, 40, 8, 17408, False),
    "Qwen3-32B": (5120, 64, 64, 8, 25600, False),
}
ASKED = ("Qwen3-8B", "lora-8b", "32768", "Qwen3-32B", "lora-32b", "32768", "Qwen3-8B", "paper-8b", "32768",
         "Qwen3-8B", "lora-8b", "8192", "Qwen3-4B", "paper-8b", "16384")  # fmt: skip
ATTENTION = "as_on_a_gpu"
STATE = ("weights", "adapter", "gradients", "optimizer")
MICRO = STEPS = 2


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("what", nargs="*", default=list(ASKED))
    asked.add_argument("--kept-casts", action="store_true", help="autocast keeps its casts to the end of the forward")
    asked.add_argument("--gpus", type=int, default=1, help="that share the weights by FSDP2")
    said = asked.parse_args()
    warnings.simplefilter("ignore")
    columns = (*STATE, "kept", "at work", "peak GiB", "plan / peak", "s")
    print(f"| student, recipe, tokens | | {' | '.join(columns)} |\n| --- | --- |{' ---: |' * len(columns)}")
    for at in range(0, len(said.what), 3):
        student, one, tokens = said.what[at], recipe(said.what[at + 1]), int(said.what[at + 2])
        row(student, one, tokens, kept_casts=said.kept_casts, gpus=said.gpus)


def row(student: str, one: Recipe, tokens: int, *, kept_casts: bool = False, gpus: int = 1) -> None:
    began = time.monotonic()
    config = config_of(student)
    foretold = memory(measured(config), one, laid(tokens, gpus))
    found = counted(config, one, tokens, kept_casts=kept_casts, gpus=gpus)
    seconds = time.monotonic() - began
    named = f"{student}, {one.name}, {tokens:,}" + (f" on {gpus} GPUs" if gpus > 1 else "")
    print(f"| {named} | counted | {cells(found)} | {peak(found) / GIB:.2f} | | {seconds:.0f} |")
    ratio = foretold.allocated / peak(found)
    print(f"| | planned | {cells(parts(foretold))} | {foretold.allocated / GIB:.2f} | {ratio:.3f} | |", flush=True)


def laid(tokens: int, gpus: int) -> Layout:
    return Layout(kind="fsdp2" if gpus > 1 else "one", processes=gpus, tokens=tokens)


def cells(found: dict[str, int]) -> str:
    return " | ".join(f"{found.get(name, 0) / GIB:.2f}" for name in (*STATE, "kept", "at work"))


def parts(foretold: Memory) -> dict[str, int]:
    """The plan in the words of the count."""
    state = {name: getattr(foretold, name) for name in (*STATE, "kept")}
    return state | {"at work": foretold.shared + max(foretold.layer, foretold.logits)}


def peak(found: dict[str, int]) -> int:
    return sum(found.values())


def config_of(student: str) -> Any:
    from transformers import Qwen3Config

    hidden, layers, heads, shared, inner, tied = SIZES[student]
    return Qwen3Config(
        vocab_size=151936, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=shared, head_dim=128, intermediate_size=inner, max_position_embeddings=40960,
        tie_word_embeddings=tied,
    )


class Ledger(TorchDispatchMode):
    """Bytes of living storages by what they are for; what is made belongs to `now` until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.live, self.most = "forward", Counter[str](), Counter[str]()
        self._known: dict[int, tuple[str, int]] = {}

    def __torch_dispatch__(self, call: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        made = call(*given, **(named or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor):
                self.book(one)
        return made

    def __enter__(self) -> Any:
        """Also sees storages that are emptied and filled again, as FSDP2 does with what it gathers."""
        own = self._resize = torch.UntypedStorage.resize_

        def resize(storage: Any, size: int) -> Any:
            done = own(storage, size)
            if storage._cdata in self._known:
                self._move(storage._cdata, self.now, size)
            return done

        torch.UntypedStorage.resize_ = resize
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch.UntypedStorage.resize_ = self._resize
        super().__exit__(*error)

    def book(self, tensor: torch.Tensor, kind: str = "") -> None:
        """Of a divided tensor the part that is here."""
        tensor = getattr(tensor, "_local_tensor", tensor)
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._known:
            weakref.finalize(storage, self._gone, key)
            self._known[key] = (self.now, 0)
            self._move(key, kind or self.now, storage.nbytes())
        elif kind:
            self._move(key, kind, self._known[key][1])

    def _move(self, key: int, kind: str, size: int) -> None:
        before, had = self._known[key]
        self._known[key] = (kind, size)
        self.live[before] -= had
        self.live[kind] += size
        if self.live.total() > self.most.total():
            self.most = Counter(self.live)

    def _gone(self, key: int) -> None:
        kind, size = self._known.pop(key)
        self.live[kind] -= size


class Flash(torch.autograd.Function):
    """What flash attention allocates, and none of what it computes."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        made = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)
        sums = torch.empty(query.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, made, sums)
        return made

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        query, key, value, _, sums = ctx.saved_tensors
        passing = [torch.empty(query.shape, dtype=torch.float32), torch.empty_like(sums)]
        passing += [torch.empty_like(query), torch.empty_like(query)]  # of keys and values, for each query head
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def flash(_module: Any, query: Any, key: Any, value: Any, _mask: Any, **_: Any) -> tuple[torch.Tensor, None]:
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (one.to(torch.bfloat16) for one in (query, key, value))
    return Flash.apply(query, key, value).transpose(1, 2).contiguous(), None


def counted(
    config: Any, one: Recipe, tokens: int, *, half: bool = True, kept_casts: bool = False, gpus: int = 1
) -> dict[str, int]:
    """Bytes at the highest point of a training, by what they are for."""
    ledger = Ledger()
    with as_on_a_gpu(), group(gpus) as mesh, FakeTensorMode(allow_non_fake_inputs=True):
        model = made(config, one, half=half)
        if mesh is not None:
            divide(model, mesh)
        with ledger:
            begin(ledger, model, one)
            trained(ledger, model, one, tokens, half=half, kept_casts=kept_casts)
    most = ledger.most
    found = {name: most[name] for name in STATE} | {"kept": most["forward"], "at work": most["backward"]}
    assert sum(found.values()) == most.total(), most
    return found


def trained(
    ledger: Ledger, model: Any, one: Recipe, tokens: int, *, half: bool = True, kept_casts: bool = False
) -> None:
    """So many steps, but for the arithmetic of Adam, whose moments are there from the end of the first on."""
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    for step in range(STEPS):
        for _ in range(MICRO):
            micro(ledger, model, tokens, half=half, kept_casts=kept_casts)
            for weight in learned:
                ledger.book(weight.grad, "gradients")
        if not hasattr(learned[0], "_local_tensor"):  # divided, its norm would be asked of the other GPUs
            torch.nn.utils.clip_grad_norm_(learned, one.max_grad_norm)
        if not step:
            moments = [torch.empty_like(local(weight)) for weight in learned for _ in range(2)]
            for moment in moments:
                ledger.book(moment, "optimizer")
        for weight in learned:
            weight.grad = None


def local(tensor: Any) -> torch.Tensor:
    part: torch.Tensor = getattr(tensor, "_local_tensor", tensor)
    return part.detach()


@contextmanager
def group(gpus: int) -> Iterator[Any]:
    """So many processes, of which there is one; None for it alone."""
    if gpus == 1:
        yield None
        return
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=gpus)
    try:
        yield init_device_mesh("cpu", (gpus,))
    finally:
        dist.destroy_process_group()


def divide(model: Any, mesh: Any) -> None:
    """As accelerate's `fsdp2_prepare_model` does: layers, embeddings, the last norm with the output layer, the rest."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.bfloat16, torch.bfloat16)
    shared: dict[str, Any] = {"mesh": mesh, "mp_policy": policy}
    for layer in base.model.layers:
        fully_shard(layer, **shared, reshard_after_forward=True)
    fully_shard(base.model.embed_tokens, **shared, reshard_after_forward=True)
    fully_shard([base.model.norm, base.lm_head], **shared, reshard_after_forward=False)
    fully_shard(model, **shared)


def begin(ledger: Ledger, model: Any, one: Recipe) -> None:
    for weight in model.parameters():
        ledger.book(local(weight), "adapter" if one.method != "full" and weight.requires_grad else "weights")
        if weight.requires_grad and not hasattr(weight, "_local_tensor"):  # FSDP2 sets them itself
            weight.register_post_accumulate_grad_hook(lambda weight: ledger.book(weight.grad, "gradients"))
    for buffer in model.buffers():
        ledger.book(buffer, "weights")


def micro(ledger: Ledger, model: Any, tokens: int, *, half: bool, kept_casts: bool) -> None:
    """Forward and backward of one micro-batch."""
    ids = torch.zeros(1, tokens, dtype=torch.long)
    given = {"input_ids": ids, "labels": ids, "position_ids": torch.arange(tokens)[None]}
    ledger.now = "forward"
    with torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=kept_casts):
        loss = -model(**given, fused_lm_head=True, use_cache=False).log_probs.sum()
    ledger.now = "backward"
    loss.backward()


def made(config: Any, one: Recipe, *, half: bool) -> Any:
    """The model as the trainer has it, of weights without memory."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    from sera_cli.train.tutor import lora

    dtype = torch.bfloat16 if half and one.method != "full" else torch.float32
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION, dtype=dtype)
        asked = lora(one)
        model = base if asked is None else get_peft_model(base, asked)
    emptied(model)
    model.train()
    if one.checkpointing:
        base.activation_checkpointing_enable({"use_reentrant": False})
        if asked is not None:
            model.enable_input_require_grads()
    add_fused_lm_head(base, outputs=("log_probs", "entropy", "is_top1"))
    return model


def emptied(model: Any) -> None:
    """Puts a fake tensor in the place of every weight; what was shared stays shared."""
    new: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                fake = torch.nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype), weight.requires_grad)
                module._parameters[name] = new.setdefault(id(weight), fake)
        for name, buffer in list(module._buffers.items()):
            module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Attention and the tiles of the loss take the memory that they take on a GPU."""
    import trl.kernels.chunked_logprob as kernels
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(ATTENTION, flash)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, nothing)
    own = {name: getattr(kernels, name) for name in ("_forward_tile", "_backward_tile", "_addmm_fp32")}
    try:
        for name in own:
            setattr(kernels, name, nothing)
        yield
    finally:
        for name, kernel in own.items():
            setattr(kernels, name, kernel)


def nothing(*_: Any, **__: Any) -> None:
    return None



if __name__ == "__main__":
    main()
