"""Where a student is trained: what is tried, what accelerate is told of it, and what starts it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.train.layout import Layout, Machine, accelerate, command, layouts, machine
from sera_cli.train.recipe import recipe

LORA, FULL, QLORA = recipe("lora-8b"), recipe("paper-8b"), recipe("qlora-32b")
FLASH = FULL.model_copy(update={"attention": "flash_attention_2"})
FOUR = Machine(gpus=4, gpu_memory=80, memory=500, gpu="H")
BARE = Machine(memory=16)


def tried(said: Train, here: Machine = FOUR, context: int = 32768, of: Any = FULL) -> list[tuple[str, int, int]]:
    return [(one.kind, one.processes, one.context_parallel) for one in layouts(of, here, said, context)]


def test_a_process_has_its_gpus_memory_else_the_machines() -> None:
    assert (FOUR.each, BARE.each) == (80, 16)


def test_the_machine_has_some_memory() -> None:
    assert machine().memory > 0


def test_processes_that_share_rows_take_their_micro_batches_together() -> None:
    layout = Layout(kind="fsdp2", processes=8, context_parallel=2)
    assert (layout.ranks, layout.divided) == (4, 8)
    assert Layout(kind="ddp", processes=4).divided == 1


def test_one_gpu_or_none_is_one_process() -> None:
    assert tried(Train(), Machine(gpus=1, gpu_memory=80)) == tried(Train(), BARE) == [("one", 1, 1)]


def test_several_gpus_hold_the_model_whole_if_they_can_and_divide_it_else() -> None:
    assert tried(Train()) == [("ddp", 4, 1), ("fsdp2", 4, 1)]
    assert tried(Train(layout="zero3")) == [("zero3", 4, 1)]
    assert tried(Train(layout="fsdp2", processes=2)) == [("fsdp2", 2, 1)]


def test_a_cpu_takes_as_many_processes_as_are_said() -> None:
    assert layouts(FULL, BARE, Train(processes=2), 65536) == [Layout(kind="ddp", processes=2, tokens=65536, cpu=True)]


def test_no_more_gpus_are_taken_than_a_step_has_samples() -> None:
    assert tried(Train(), of=recipe("rehearsal")) == [("one", 1, 1)]
    assert tried(Train(), of=FULL.model_copy(update={"batch": 3}))[0] == ("ddp", 3, 1)


def test_rows_beyond_32768_tokens_may_be_shared_by_as_many_gpus_as_divide_them() -> None:
    assert tried(Train(), context=65536) == [("ddp", 4, 1), ("fsdp2", 4, 1), ("fsdp2", 4, 2), ("fsdp2", 4, 4)]
    assert tried(Train(layout="ddp"), context=65536) == [("ddp", 4, 1)]
    assert tried(Train(context_parallel=2), context=4096) == [("fsdp2", 4, 2)]
    assert tried(Train(context_parallel=1), context=65536) == tried(Train(), context=65536, of=FLASH) == tried(Train())


def test_weights_of_four_bits_are_held_whole() -> None:
    assert tried(Train(), of=QLORA, context=65536) == [("ddp", 4, 1)]


def test_processes_are_counted_over_all_nodes() -> None:
    assert tried(Train(nodes=2))[0] == ("ddp", 8, 1)
    assert tried(Train(nodes=2, processes=8))[0] == ("ddp", 16, 1)


def test_a_micro_batch_holds_a_whole_row_unless_another_budget_is_said() -> None:
    assert layouts(FULL, FOUR, Train(), 4096)[0].tokens == 4096
    assert layouts(FULL, FOUR, Train(tokens=9000), 4096)[0].tokens == 9000


@pytest.mark.parametrize(
    ("said", "here", "of", "message"),
    [
        (Train(layout="fsdp2"), BARE, FULL, "one process has nothing to divide: set train.processes"),
        (Train(processes=8), FOUR, FULL, "train.processes is 8, and 4 GPUs are visible"),
        (Train(context_parallel=3), FOUR, FULL, "4 processes cannot be shared out by train.context_parallel = 3"),
        (Train(context_parallel=2), FOUR, FLASH, "needs train.attention = sdpa, and it is flash_attention_2"),
        (Train(context_parallel=2, layout="ddp"), FOUR, FULL, "needs the layout fsdp2, and train.layout is ddp"),
        (Train(layout="fsdp2"), FOUR, QLORA, "weights of 4 bits cannot be divided, and qlora-32b has those: leave"),
        (Train(layout="zero3"), FOUR, QLORA, "leave train.layout at auto and train.context_parallel at 0"),
        (Train(context_parallel=2), FOUR, QLORA, "weights of 4 bits cannot be divided"),
        (Train(layout="fsdp2", processes=2), BARE, FULL, "without GPUs no model is divided: leave train.layout"),
        (Train(context_parallel=2, processes=2), BARE, FULL, "without GPUs no model is divided"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(said: Train, here: Machine, of: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        layouts(of, here, said, 32768)


def test_one_process_is_started_without_a_launcher() -> None:
    assert command(Layout(), Path("run/training"))[1:] == ["-m", "sera_cli.train.worker", "run/training"]


def test_several_processes_are_started_by_accelerate() -> None:
    said = command(Layout(kind="ddp", processes=2), Path("t"))
    assert said[said.index("launch"):] == [
        "launch", "--config_file", "t/accelerate.yaml", "--main_process_port", "0", "-m", "sera_cli.train.worker", "t"]


def test_several_nodes_are_told_apart_on_the_command_line() -> None:
    said = command(Layout(kind="fsdp2", processes=16, nodes=2), Path("t"))
    assert said[said.index("launch"):] == [
        "launch", "--config_file", "t/accelerate.yaml", "--machine_rank", "RANK", "--main_process_ip", "ADDRESS",
        "-m", "sera_cli.train.worker", "t"]


def launched(layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch, of: Any = FULL) -> Any:
    """What `accelerate launch` makes of the command and the file of a layout; what its processes are told is in force.

    Of several nodes it is the second.
    """
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    (folder / "accelerate.yaml").write_text(json.dumps(accelerate(layout, of)))
    said = [{"RANK": "1", "ADDRESS": "10.0.0.1"}.get(word, word) for word in command(layout, folder)]
    args, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(said[said.index("launch") + 1 :]))
    args.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
    env = prepare_deepspeed_cmd_env(args)[1] if args.use_deepspeed else prepare_multi_gpu_env(args)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return args


def test_accelerate_reads_the_file_of_every_layout(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    kinds = {}
    for kind in ("one", "ddp", "fsdp2", "zero3"):
        file = tmp_path / f"{kind}.yaml"
        file.write_text(json.dumps(accelerate(Layout(kind=kind, processes=4), FULL)))
        kinds[kind] = load_config_from_file(str(file)).distributed_type.value
    assert kinds == {"one": "NO", "ddp": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}


def test_ddp_starts_its_processes_by_torch_also_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = launched(Layout(kind="ddp", processes=2, cpu=True), tmp_path, monkeypatch)
    assert (args.multi_gpu, args.use_fsdp, args.num_processes, args.mixed_precision) == (True, False, 2, "no")
    assert launched(Layout(kind="ddp", processes=2), tmp_path, monkeypatch).mixed_precision == "bf16"


def test_fsdp2_gives_weights_back_after_the_forward_and_wraps_each_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

    args = launched(Layout(kind="fsdp2", processes=4), tmp_path, monkeypatch)
    plugin = FullyShardedDataParallelPlugin()

    assert (args.use_fsdp, args.use_parallelism_config, args.num_processes) == (True, False, 4)
    assert (plugin.fsdp_version, plugin.reshard_after_forward, plugin.cpu_ram_efficient_loading) == (2, True, True)
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT"
    assert not plugin.activation_checkpointing  # it would rename the weights: the trainer's own does not


def test_context_parallelism_divides_rows_beside_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.parallelism_config import ParallelismConfig

    args = launched(Layout(kind="fsdp2", processes=8, context_parallel=4), tmp_path, monkeypatch)
    config = ParallelismConfig()

    assert args.use_parallelism_config
    assert (config.cp_size, config.dp_shard_size, config.dp_replicate_size, config.total_size) == (4, 2, 1, 8)
    assert (config.cp_backend, config.cp_handler.cp_comm_strategy) == ("torch", "allgather")


def test_zero3_keeps_everything_on_the_gpus_and_gathers_what_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import DeepSpeedPlugin

    args = launched(Layout(kind="zero3", processes=4), tmp_path, monkeypatch)
    plugin = DeepSpeedPlugin()

    assert (args.use_deepspeed, plugin.zero_stage, plugin.zero3_init_flag) == (True, 3, True)
    assert plugin.deepspeed_config["gradient_clipping"] == FULL.max_grad_norm
    zero = plugin.deepspeed_config["zero_optimization"]
    assert zero["stage3_gather_16bit_weights_on_model_save"] is True
    assert (zero["offload_optimizer"]["device"], zero["offload_param"]["device"]) == ("none", "none")


def test_deepspeed_takes_what_accelerate_makes_of_zero3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("deepspeed.runtime.config", reason="deepspeed is not installed")
    from accelerate import DeepSpeedPlugin

    launched(Layout(kind="zero3", processes=4), tmp_path, monkeypatch)
    sizes = {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 8, "train_batch_size": 8}
    config = runtime.DeepSpeedConfig({**DeepSpeedPlugin().deepspeed_config, **sizes})
    assert (config.zero_optimization_stage, config.gradient_clipping, config.zero_enabled) == (3, 1.0, True)


@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "zero3"])
def test_each_node_is_told_its_number_and_where_the_first_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    args = launched(Layout(kind=kind, processes=16, nodes=2), tmp_path, monkeypatch)
    assert (args.nnodes, args.nproc_per_node, args.machine_rank, args.num_processes) == ("2", "8", 1, 16)
    assert (args.rdzv_backend, args.rdzv_endpoint) == ("static", "10.0.0.1:29500")
