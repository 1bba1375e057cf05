"""A worker of a training for which the processes of a CPU count as GPUs: a program for `accelerate launch`.

accelerate divides a model among GPUs only, and torch shares rows among GPUs only. Both speak through torch.distributed,
which gloo serves as well: all else here is the real thing.
"""
# ruff: noqa: TID253 - a program of its own, which a test starts and never imports

import sys
from typing import Any

import torch
from accelerate import state
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.experimental._context_parallel import _attention as ring

from sera_cli.train import worker

FORWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
FOUND = state.PartialState.__init__
SEQUENCE = 2  # of [batch, heads, tokens, head]


def found(self: state.PartialState, cpu: bool = False, **more: Any) -> None:
    """What accelerate finds out about the processes, on a CPU as on GPUs."""
    FOUND(self, cpu, **more)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


def forward(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Attention of a row whose tokens are shared out, by the CPU's kernel."""
    query, key, value, *more = args
    group = query.device_mesh.get_group()
    dropout, causal = (*more, *(0.0, False)[len(more) :])[:2]
    done = ring._templated_ring_attention(
        group, SEQUENCE, FORWARD, *(one.to_local() for one in (query, key, value)), is_causal=causal, dropout_p=dropout,
        scale=kwargs.get("scale"),
    )
    return tuple(spread(one, query) for one in done[:2])


def backward(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given, query, key, value, out, logsumexp, dropout, causal = args
    local = [one.to_local() for one in (query, key, value, out, logsumexp)]

    def kernel(**said: Any) -> Any:
        names = ("grad_out", "query", "key", "value", "out", "logsumexp")
        return BACKWARD(*(said[name] for name in names), dropout, said["is_causal"], scale=kwargs.get("scale"))

    done = ring._templated_ring_attention_backward(
        query.device_mesh.get_group(), SEQUENCE, kernel, given.to_local(), "grad_out", *local, causal
    )
    return tuple(spread(one, query) for one in done[:3])


def spread(local: torch.Tensor, like: Any) -> Any:
    return DTensor.from_local(local, like.device_mesh, [Shard(SEQUENCE)], run_check=False)


if __name__ == "__main__":
    state.PartialState.__init__ = found  # type: ignore[method-assign]
    ring.custom_ops |= {FORWARD.default: forward, BACKWARD.default: backward}
    sys.exit(worker.main(sys.argv[1:]))
