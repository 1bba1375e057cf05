"""Where a student is trained: what accelerate is told of a layout, and what starts it."""

from pathlib import Path

from sera_cli.train.layout import Layout, Machine, command, machine


def test_a_process_has_its_gpus_memory_else_the_machines() -> None:
    assert Machine(gpus=2, gpu_memory=80, memory=500).each == 80
    assert Machine(memory=500).each == 500


def test_the_machine_has_some_memory() -> None:
    assert machine().memory > 0


def test_processes_that_share_rows_take_their_micro_batches_together() -> None:
    layout = Layout(kind="fsdp2", processes=8, context_parallel=2)
    assert (layout.ranks, layout.divided) == (4, 8)


def test_a_model_that_is_whole_everywhere_is_not_divided() -> None:
    assert Layout(kind="ddp", processes=4).divided == 1


def test_one_process_is_started_without_a_launcher() -> None:
    assert command(Layout(), Path("run/training"))[1:] == ["-m", "sera_cli.train.worker", "run/training"]
