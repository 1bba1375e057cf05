"""What a training leaves beside its weights: the base's tokenizer, the template, names that a server knows."""

import json
import shutil
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.harness import wire
from sera_cli.train import result
from sera_cli.train.course import Course
from sera_cli.train.student import Student
from tests.students import FULL, tiny

COURSE = Course(student=tiny(), recipe=FULL)


def based(folder: Path, **changed: object) -> Course:
    """A course whose base's tokenizer_config.json says something else."""
    base = Path(shutil.copytree(tiny().base, folder / "base"))
    file = base / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | changed))
    return COURSE.model_copy(update={"student": Student(name="base", base=str(base), context=8192)})


def test_the_bases_tokenizer_files_are_copied_byte_for_byte(tmp_path):
    result.tokenizer(COURSE, tmp_path)

    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (Path(tiny().base) / name).read_bytes(), name
    assert (tmp_path / "chat_template.jinja").read_text() == wire.template(tiny().wire)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "chat_template.jinja", "tokenizer.json", "tokenizer_config.json"
    ]


def test_of_its_settings_only_what_training_changed_is_changed(tmp_path):
    said = {"eos_token": {"content": "<|endoftext|>", "special": True}, "chat_template": "other", "odd": [1, "é"]}
    course = based(tmp_path, **said, name_or_path=str(tmp_path))
    (tmp_path / "out").mkdir()

    result.tokenizer(course, tmp_path / "out")

    before = json.loads((tmp_path / "base" / "tokenizer_config.json").read_bytes())
    after = json.loads((tmp_path / "out" / "tokenizer_config.json").read_bytes())
    assert after.pop("eos_token") == "<|im_end|>"
    assert after.pop("chat_template") == wire.template(tiny().wire)
    assert after == {key: before[key] for key in before if key not in ("eos_token", "chat_template", "name_or_path")}


def test_an_end_of_a_turn_that_is_written_out_is_left_as_it_is(tmp_path):
    course = based(tmp_path, eos_token={"content": "<|im_end|>", "special": True})
    (tmp_path / "out").mkdir()

    result.tokenizer(course, tmp_path / "out")

    name = "tokenizer_config.json"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "base" / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "model._fsdp_wrapped_module.lm_head.weight", "model.layers.0._checkpoint_wrapped_module.mlp.up_proj.weight",
        "module.lm_head.weight", "base_model.model.base_model.model.lm_head.weight",
    ],
)
def test_a_name_that_no_server_knows_is_not_let_through(name, tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"model.module.weight": torch.zeros(1)}, tmp_path / "fine.safetensors")
    result.plain(tmp_path)
    save_file({name: torch.zeros(1)}, tmp_path / "model.safetensors")

    with pytest.raises(DataError, match="a name that no server knows"):
        result.plain(tmp_path)
