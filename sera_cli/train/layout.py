"""Where a student is trained: the GPUs of a machine, how a training is laid out over them, and what starts it."""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.train.recipe import Recipe
from sera_cli.types import Value

Kind = Literal["one", "ddp", "fsdp2", "zero3"]

DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What a GPU's driver puts in /dev: NVIDIA's, that of Windows below Linux, AMD's."""

WORKER = "sera_cli.train.worker"
NATIVE = 32768
"""Tokens of a row up to which its attention fits one GPU beside the rest; above that, several may share them."""


class Machine(Value):
    """`gpus` that are visible, `gpu_memory` bytes of the smallest, `memory` bytes of the machine, the GPUs' name."""

    gpus: int = Field(default=0, ge=0)
    gpu_memory: int = Field(default=0, ge=0)
    memory: int = Field(default=0, ge=0)
    gpu: str = ""

    @property
    def each(self) -> int:
        """Bytes that a process alone can use: those of its GPU; those of the machine, where there is none."""
        return self.gpu_memory or self.memory


class Layout(Value):
    """`processes` of all `nodes` together, one for each GPU. `tokens` are the most that one micro-batch holds.

    `one` and `ddp` keep the model whole on every GPU; `fsdp2` and `zero3` divide weights, gradients and the optimizer
    among them. `context_parallel` processes share the row of one micro-batch, which then holds one sample: attention
    over several processes cannot be kept inside each of several. How many micro-batches make a step is the packing's
    to say.
    """

    kind: Kind = "one"
    processes: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    context_parallel: int = Field(default=1, ge=1)
    tokens: int = Field(default=32768, ge=1)
    cpu: bool = False

    @property
    def ranks(self) -> int:
        """Processes that take micro-batches of their own."""
        return self.processes // self.context_parallel

    @property
    def divided(self) -> int:
        """Among how many processes weights, gradients and the optimizer's state are divided."""
        return self.processes if self.kind in ("fsdp2", "zero3") else 1


def available(machine: Machine, layout: Layout) -> int:
    """Bytes that each process of a layout can use: those of its GPU, or of a machine without one its share."""
    return machine.each // (layout.processes // layout.nodes) if layout.cpu else machine.each


@cache
def machine() -> Machine:
    """The GPUs that torch sees, and the memory of the machine; no GPU without torch.

    Torch takes seconds to import, and is only asked where there is a device to ask about.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not any(Path(device).exists() for device in DEVICES):
        return Machine(memory=memory)
    try:
        import torch
    except ImportError:
        return Machine(memory=memory)
    if not torch.cuda.is_available():
        return Machine(memory=memory)
    found = [torch.cuda.get_device_properties(one) for one in range(torch.cuda.device_count())]
    least = min(found, key=lambda one: one.total_memory)
    return Machine(gpus=len(found), gpu_memory=least.total_memory, memory=memory, gpu=least.name)


def layouts(recipe: Recipe, machine: Machine, said: Train, context: int) -> list[Layout]:
    """The ways to train by `recipe` here, smallest first: whole on each GPU, divided, with rows divided as well.

    Rows are of up to `context` tokens. Raises ConfigError where `[train]` asks for what cannot be.
    """
    processes = _processes(recipe, machine, said)
    tokens, cpu = said.tokens or context, not machine.gpus
    if processes == 1:
        if said.layout != "auto" or said.context_parallel > 1:
            raise ConfigError("one process has nothing to divide: set train.processes, or leave train.layout at auto")
        return [Layout(tokens=tokens, cpu=cpu)]
    common = {"processes": processes, "nodes": said.nodes, "tokens": tokens, "cpu": cpu}
    kinds, sizes = _kinds(recipe, machine, said), _sizes(recipe, processes, said, context)
    whole = [Layout(kind=kind, **common) for kind in kinds if said.context_parallel < 2]
    shared = [Layout(kind="fsdp2", context_parallel=size, **common) for size in sizes]
    return whole + (shared if "fsdp2" in kinds else [])


def _processes(recipe: Recipe, machine: Machine, said: Train) -> int:
    """As said, else one for each GPU; never more by default than a step has samples, as the others would idle."""
    if said.processes > machine.gpus > 0 and said.nodes == 1:
        raise ConfigError(f"train.processes is {said.processes}, and {machine.gpus} GPUs are visible")
    return said.nodes * (said.processes or max(1, min(machine.gpus, recipe.batch // said.nodes)))


def _kinds(recipe: Recipe, machine: Machine, said: Train) -> list[Kind]:
    """Those that may be tried, smallest first."""
    wanted: list[Kind] = ["ddp", "fsdp2"] if said.layout == "auto" else [said.layout]
    if said.context_parallel > 1 and "fsdp2" not in wanted:
        raise ConfigError(f"train.context_parallel needs the layout fsdp2, and train.layout is {said.layout}")
    if not machine.gpus:
        why = "without GPUs no model is divided"  # accelerate would take ddp for it, and say nothing
    elif recipe.method == "qlora":
        why = f"weights of 4 bits cannot be divided, and {recipe.name} has those"
    else:
        return wanted
    if "ddp" not in wanted or said.context_parallel > 1:
        raise ConfigError(f"{why}: leave train.layout at auto and train.context_parallel at 0")
    return ["ddp"]


def _sizes(recipe: Recipe, processes: int, said: Train, context: int) -> list[int]:
    """How many GPUs may share a row, which torch knows for one kernel. Raises ConfigError where they cannot."""
    known = recipe.attention in ("auto", "sdpa")
    if said.context_parallel < 2:
        wanted = known and not said.context_parallel and context > NATIVE
        return [size for size in (2, 4, 8, 16) if wanted and processes % size == 0]
    if not known:
        raise ConfigError(f"train.context_parallel needs train.attention = sdpa, and it is {recipe.attention}")
    if processes % said.context_parallel:
        raise ConfigError(f"{processes} processes cannot be shared out by train.context_parallel = "
                          f"{said.context_parallel}; take a number that divides them")
    return [said.context_parallel]


def accelerate(layout: Layout, recipe: Recipe) -> dict[str, Any]:
    """What accelerate's config file says of a layout of several processes."""
    asked: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE", "debug": False, "main_training_function": "main",
        "num_processes": layout.processes, "num_machines": layout.nodes, "machine_rank": 0,
        "rdzv_backend": "static", "use_cpu": layout.cpu, "enable_cpu_affinity": False,
        "mixed_precision": "bf16" if recipe.precision == "bfloat16" and not layout.cpu else "no",
    }  # fmt: skip
    match layout.kind:
        case "fsdp2":
            return asked | {"distributed_type": "FSDP", "fsdp_config": _fsdp()} | _parallel(layout)
        case "zero3":
            return asked | {"distributed_type": "DEEPSPEED", "deepspeed_config": _zero3(layout, recipe)}
        case "ddp":  # of a CPU's processes as well: for those accelerate's own word would want mpirun
            return asked | {"distributed_type": "MULTI_GPU"}
        case "one":
            return asked | {"distributed_type": "NO"}


def command(layout: Layout, folder: Path) -> list[str]:
    """What starts the training in `folder`: as it is run here, and as a person can run it elsewhere.

    On several nodes it is run once on each: with the node's own number for RANK, and the address of node 0.
    """
    if layout.processes == 1:
        return [sys.executable, "-m", WORKER, str(folder)]
    nodes = ["--machine_rank", "RANK", "--main_process_ip", "ADDRESS"] if layout.nodes > 1 else []
    port = [] if layout.nodes > 1 else ["--main_process_port", "0"]
    config = ["--config_file", str(folder / "accelerate.yaml")]
    return [*_accelerate(), "launch", *config, *nodes, *port, "-m", WORKER, str(folder)]


def _accelerate() -> list[str]:
    """The program beside this Python, by its short name where that is the one found."""
    from shutil import which

    found = which("accelerate")
    if found and Path(found).parent == Path(sys.executable).parent:
        return ["accelerate"]
    return [sys.executable, "-m", "accelerate.commands.accelerate_cli"]


def _fsdp() -> dict[str, Any]:
    """FSDP2 as the trainer needs it: layer by layer, given back after the forward, checkpoints in shards.

    Checkpointing of activations is the trainer's own: accelerate's would put `_checkpoint_wrapped_module` into every
    name of a weight.
    """
    return {
        "fsdp_version": 2, "fsdp_reshard_after_forward": True, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_state_dict_type": "SHARDED_STATE_DICT", "fsdp_cpu_ram_efficient_loading": True,
        "fsdp_offload_params": False, "fsdp_activation_checkpointing": False,
    }  # fmt: skip


def _parallel(layout: Layout) -> dict[str, Any]:
    """Context parallelism: each row's tokens over so many GPUs, which also share the weights with the others."""
    if layout.context_parallel == 1:
        return {}
    sizes = {"dp_replicate_size": 1, "dp_shard_size": layout.ranks, "cp_size": layout.context_parallel, "tp_size": 1}
    named = {f"parallelism_config_{key}": value for key, value in sizes.items()}
    return {"parallelism_config": named | {"parallelism_config_cp_comm_strategy": "allgather"}}


def _zero3(layout: Layout, recipe: Recipe) -> dict[str, Any]:
    """ZeRO-3, all of it on the GPUs; the model is gathered whole when it is saved. The trainer fills in the rest."""
    kept = {"offload_optimizer_device": "none", "offload_param_device": "none", "zero3_save_16bit_model": True}
    started = {"deepspeed_multinode_launcher": "standard"} if layout.nodes > 1 else {}
    return {"zero_stage": 3, "zero3_init_flag": True, "gradient_clipping": recipe.max_grad_norm, **kept, **started}
