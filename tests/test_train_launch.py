"""The processes of a training: which GPUs they see, and what is told of one that failed."""

import pytest

from sera_cli.errors import ConfigError, DataError, ModelError
from sera_cli.train import launch
from sera_cli.train.layout import Layout
from sera_cli.train.worker import Ended, ended, main

TWO = Layout(kind="ddp", processes=2)


@pytest.mark.parametrize(("visible", "seen"), [("", "0,1"), ("4,5,6", "4,5"), ("GPU-a,GPU-b", "GPU-a,GPU-b")])
def test_processes_take_the_first_of_the_visible_gpus(visible, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert launch.environment(TWO)["CUDA_VISIBLE_DEVICES"] == seen
    assert launch.environment(TWO.model_copy(update={"nodes": 2}))["CUDA_VISIBLE_DEVICES"] == visible
    assert launch.environment(TWO.model_copy(update={"cpu": True}))["CUDA_VISIBLE_DEVICES"] == visible


def test_cores_are_shared_out_unless_the_user_says_how_many(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert int(launch.environment(Layout(kind="ddp", processes=10_000))["OMP_NUM_THREADS"]) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert launch.environment(TWO)["OMP_NUM_THREADS"] == "7"


def test_one_process_on_a_cpu_is_this_one():
    assert not launch.several(Layout(cpu=True))
    assert launch.several(TWO)


def test_a_worker_that_ends_early_says_why_in_one_line_and_in_its_folder(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1

    said = Ended.model_validate_json(ended(tmp_path).read_bytes())
    assert (said.kind, said.text.partition(";")[2]) == ("DataError", " a training is begun by: sera train REPO")
    assert capsys.readouterr().err == f"error: {said.text}\n"


@pytest.mark.parametrize("kind", [ModelError, ConfigError, DataError])
def test_what_a_worker_said_is_raised_where_it_was_started(kind, tmp_path):
    ended(tmp_path).write_text(Ended(kind=kind.__name__, text="its loss is nan").model_dump_json())

    found = launch._failure(tmp_path, tmp_path / "worker.log", 1)

    assert (type(found), str(found)) == (kind, "its loss is nan")


def test_of_one_that_could_say_nothing_the_logs_last_line_is_told(tmp_path):
    (tmp_path / "worker.log").write_text("loads\nSegmentation fault\n\n")

    found = launch._failure(tmp_path, tmp_path / "worker.log", 139)

    assert str(found).startswith("training ended with exit code 139 (Segmentation fault); its log is ")
