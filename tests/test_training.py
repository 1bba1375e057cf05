"""From samples on disk to an adapter and its card, on a tiny student."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from sera_cli import store
from sera_cli.agents.registry import folder
from sera_cli.cli import training
from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import Asked
from sera_cli.config import home
from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.train import sft, worker
from sera_cli.train.course import Course, order, read
from sera_cli.train.layout import Layout
from sera_cli.train.student import Student
from sera_cli.types import Sample
from tests import families
from tests.students import FULL, LORA, sample, tiny

Made = Callable[..., Job]


@pytest.fixture
def job(repository: Callable[[dict[str, str]], Path], tmp_path: Path) -> Made:
    """A job with samples that were prepared in a given order, for a given wire."""
    repo = repository({"a.py": "x = 1\n", "LICENSE": "Mozilla Public License Version 2.0\n"})
    recipe = tmp_path / "quick.toml"
    recipe.write_text(tomli_w.dumps(FULL.model_dump(exclude={"name"}) | {"epochs": 2, "batch": 1}))

    def make(
        kind: str = "shuffle", wire: dict[str, str] | None = None, *, teacher: str = "rehearsal", gpus: int = 0,
        **said: object,
    ) -> Job:  # fmt: skip
        flags: dict[str, Any] = {
            "teacher.model": teacher, "teacher.gpus": gpus, "student.model": tiny().base, "rollout.sandbox": "folder",
            "train.recipe": str(recipe), "train.method": "auto",
        }  # fmt: skip
        opened = open_job(Asked(repo, flags, "HEAD", "r", False, False, False))
        opened.run.folder.mkdir(parents=True, exist_ok=True)
        rows = [sample(3), sample(1), sample(2)]
        note = {"order": kind, "wire": wire or {"family": "qwen3", "thinking": "fold"}, **said}
        store.write(opened.run.samples, Sample, rows, note)
        return opened

    return make


def trained(job: Job, student: Student) -> list[str]:
    """The ids of the samples as they were learned from, each with each epoch."""
    training.train(job, student, lambda *told: None)
    rows = (json.loads(line) for line in (job.run.adapter / "metrics.jsonl").read_text().splitlines())
    return [one for row in rows for one in row.get("ids", ())]


def test_a_curriculum_is_learned_in_the_order_of_its_file(job: Made) -> None:
    assert trained(job("ratio"), tiny()) == ["s3", "s1", "s2", "s3", "s1", "s2"]


def test_else_the_order_is_the_seeds_and_the_files_does_not_matter(job: Made) -> None:
    assert trained(job(), tiny()) == [["s1", "s2", "s3"][index] for index in order(3, 2, seed=0)]


def test_the_same_samples_are_trained_on_once_and_in_another_order_again(job: Made) -> None:
    first = training.train(job(), tiny(), lambda *told: None)
    assert training.train(job(), tiny(), lambda *told: None) == first
    assert training.train(job("ratio"), tiny(), lambda *told: None) != first


def test_samples_written_for_another_student_are_refused_in_one_line(job: Made) -> None:
    with pytest.raises(ConfigError) as caught:
        training.train(job(), families.student("llama3"), lambda *told: None)
    assert str(caught.value) == (
        "the samples are written for qwen3/fold, and llama3 reads llama3/fold: run sera prepare again"
    )
    with pytest.raises(ConfigError, match="are written for qwen3/keep, and"):
        training.train(job(wire={"family": "qwen3", "thinking": "keep"}), tiny(), lambda *told: None)


def test_samples_that_do_not_say_how_they_are_written_are_qwen3s(job: Made) -> None:
    opened = job()
    store.write(opened.run.samples, Sample, [sample(1)], {"order": "shuffle"})
    with pytest.raises(ConfigError, match="are written for qwen3/fold, and llama3 reads llama3/fold"):
        training.train(opened, families.student("llama3"), lambda *told: None)


@pytest.mark.parametrize(("flag", "said", "made"), [("alpha", 0.5, 1.0), ("order", "ratio", "shuffle")])
def test_samples_mixed_in_another_way_than_is_asked_are_refused(job: Made, flag: str, said: object, made: str) -> None:
    opened = job(alpha=1.0)
    opened.asked.flags[f"mix.{flag}"] = said
    with pytest.raises(ConfigError, match=f"^the samples were made with --{flag} {made}, not {said}: run sera prepare"):
        training.train(opened, tiny(), lambda *told: None)


def test_nothing_to_learn_from_is_one_line(job: Made) -> None:
    opened = job()
    store.write(opened.run.samples, Sample, [sample(1, heldout=True)], {"order": "shuffle"})
    with pytest.raises(DataError, match=r"6-samples\.jsonl: no samples to train on; generate more, or lower verify\."):
        training.train(opened, tiny(), lambda *told: None)


@pytest.mark.parametrize(("set_", "served"), [(0, "4"), (2, "4 5")])
def test_which_gpus_served_the_teacher_and_which_train_is_said(
    job: Made, monkeypatch: pytest.MonkeyPatch, set_: int, served: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    monkeypatch.setenv("SERA_VLLM_CMD", sys.executable)
    given = Course(student=tiny(), recipe=FULL, layout=Layout(kind="ddp", processes=4))
    opened = job(teacher="vllm:some/model", gpus=set_)

    assert training._places(opened, given) == "it trains on GPU 4 5 6 7"
    opened.seconds["generate"] = 1.0
    assert training._places(opened, given) == (
        f"vllm:some/model was served on GPU {served}, whose memory is free again; it trains on GPU 4 5 6 7"
    )


def test_several_nodes_are_told_what_to_start_and_nothing_is_trained(
    job: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERA_TRAIN_NODES", "2")
    opened = job()
    with pytest.raises(SeraError, match=r"training is ready for 2 machines: start the command above on each, with its"):
        training.train(opened, tiny(), lambda *told: None)

    (line,) = (line for line in capsys.readouterr().err.splitlines() if "launch" in line)
    config = opened.run.training / "accelerate.yaml"
    assert f"--config_file {config} --machine_rank RANK --main_process_ip ADDRESS -m sera_cli.train.worker" in line
    assert json.loads(config.read_text())["num_machines"] == 2
    assert not (opened.run.training / "metrics.jsonl").exists()

    (opened.run.training / "result").mkdir()
    sft.go(opened.run.training, read(opened.run.training))


def test_the_agent_says_how_it_speaks(job: Made) -> None:
    opened = job()
    card = training.register(opened, tiny(), training.train(opened, tiny(), lambda *told: None))

    assert (card.family, card.thinking, card.samples) == ("qwen3", "fold", 3)
    assert training.register(opened, tiny(), training.train(opened, tiny(), lambda *told: None)) == card


@pytest.mark.parametrize(("alpha", "licence"), [(1.0, "MPL-2.0"), (0.25, "MPL-2.0 (the repository's part)")])
def test_the_agent_says_the_alpha_its_samples_were_mixed_at(job: Made, alpha: float, licence: str) -> None:
    opened = job(alpha=alpha)
    card = training.register(opened, tiny(), training.train(opened, tiny(), lambda *told: None))

    assert opened.config.mix.alpha == 1.0
    assert (card.alpha, card.data_license) == (alpha, licence)


def test_a_training_that_was_stopped_goes_on_and_leaves_what_it_was(
    job: Made, capsys: pytest.CaptureFixture[str],
) -> None:
    def stopping(*told: object) -> None:
        """As Ctrl-C does, whatever is done at that moment."""
        if told[0] == "train":
            os.kill(os.getpid(), signal.SIGINT)

    opened = job()
    with pytest.raises(KeyboardInterrupt):
        training.train(opened, tiny(), stopping)
    assert "training stopped; the same command goes on from " in capsys.readouterr().err
    assert not opened.run.adapter.exists()

    assert training.train(opened, tiny(), lambda *told: None).steps == 6
    assert {file.name for file in opened.run.training.iterdir()} == {"accelerate.yaml", "course.json", "metrics.jsonl"}


def test_what_is_waited_for_before_the_first_step_is_told(job: Made) -> None:
    told: list[tuple[object, ...]] = []
    training.train(job(), tiny(), lambda *said: told.append(said))
    assert told[0] == ("load", 0, 1, training.LOADED)
    first = next(place for place, one in enumerate(told) if one[0] == "train")
    assert told[first - 1] == ("load", 1, 1, training.LOADED)


def test_a_stopped_training_is_not_thrown_away_for_other_settings(job: Made) -> None:
    opened = job()
    course, taught, heldout = training.course_of(opened, tiny())
    sft.begin(opened.run.training, course, taught, heldout)
    worker.work(opened.run.training)

    with pytest.raises(ConfigError, match=r"is of another training: data \(was .* shuffle \(was true, now false\)"):
        training.train(job("ratio"), tiny(), lambda *told: None)


def test_an_adapter_that_no_server_takes_is_merged_and_the_card_says_so(job: Made, tmp_path: Path) -> None:
    wide = LORA.model_copy(update={"rank": 520, "epochs": 1, "batch": 1})
    (tmp_path / "quick.toml").write_text(tomli_w.dumps(wide.model_dump(exclude={"name"})))
    opened = job()

    card = training.register(opened, tiny(), training.train(opened, tiny(), lambda *told: None))

    assert card.merged == "its rank is 520, and vLLM takes 512 at most"
    files = {file.name for file in folder(home("data"), card).iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "metrics.jsonl"} <= files
    assert "adapter_config.json" not in files
    assert not (opened.run.folder / "merged").exists()
