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
    assert tried(Train(processes=2), BARE) == [("ddp", 2, 1), ("fsdp2", 2, 1)]
    assert all(one.cpu for one in layouts(FULL, BARE, Train(processes=2), 32768))


def test_no_more_gpus_are_taken_than_a_step_has_samples() -> None:
    assert tried(Train(), of=recipe("rehearsal")) == [("one", 1, 1)]
    assert tried(Train(), of=FULL.model_copy(update={"batch": 3}))[0] == ("ddp", 3, 1)


def test_rows_beyond_32768_tokens_may_be_shared_by_as_many_gpus_as_divide_them() -> None:
    assert tried(Train(), context=65536) == [("ddp", 4, 1), ("fsdp2", 4, 1), ("fsdp2", 4, 2), ("fsdp2", 4, 4)]
    assert tried(Train(layout="ddp"), context=65536) == [("ddp", 4, 1)]
    assert tried(Train(context_parallel=2), context=4096) == [("fsdp2", 4, 2)]


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
        (Train(context_parallel=2, layout="ddp"), FOUR, FULL, "needs the layout fsdp2, and train.layout is ddp"),
        (Train(layout="fsdp2"), FOUR, QLORA, "weights of 4 bits cannot be divided: .* takes the layout ddp, not fsdp2"),
        (Train(layout="zero3"), FOUR, QLORA, "takes the layout ddp, not zero3"),
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


def launched(layout: Layout, folder: Path, *more: str, of: Any = FULL) -> Any:
    """What `accelerate launch` makes of the file of a layout: its own arguments, as it would act on them."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    (folder / "accelerate.yaml").write_text(json.dumps(accelerate(layout, of)))
    said = command(layout, folder)
    said = [*said[said.index("launch") + 1 : said.index("-m")], *more, *said[said.index("-m"):]]
    args, *_ = _validate_launch_command(launch_command_parser().parse_args(said))
    return args


def plugged(args: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that its processes are started with, put in force for the test."""
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    env = prepare_deepspeed_cmd_env(args)[1] if args.use_deepspeed else prepare_multi_gpu_env(args)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return dict(env)
