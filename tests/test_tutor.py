"""The trainer of a course: what it takes in, in which order, and the weights it begins with."""

import pytest

from sera_cli.errors import ConfigError, ModelError
from sera_cli.train import sft, tutor
from sera_cli.train.attention import Kernel
from sera_cli.train.course import Course, order
from sera_cli.train.layout import Layout
from sera_cli.train.rows import kept, rows
from sera_cli.train.student import Student
from tests.students import FULL, LORA, sample, tiny

COURSE = Course(student=tiny(), recipe=FULL, seed=1)
ALL = Kernel(name="flash_attention_2", isolated=True)


def test_each_step_takes_the_next_samples_of_the_order_however_they_are_packed():
    for room, ranks in ((0, 1), (20, 1), (20, 2), (100, 4)):
        course = COURSE.model_copy(update={"layout": Layout(kind="ddp", processes=ranks)})
        taken = tutor.steps(course, [9, 8, 7, 6, 5], room)

        assert [sorted(at for micro in step for at in micro) for step in taken] == [
            sorted(order(5, 2, 1)[first : first + 2]) for first in range(0, 10, 2)
        ]
        assert {len(step) % ranks for step in taken} == {0}
        assert len({len(step) for step in taken}) == 1


def test_samples_share_a_micro_batch_only_where_the_recipe_and_the_kernel_let_them():
    course = COURSE.model_copy(update={"layout": Layout(tokens=9000)})

    assert tutor.room(course, ALL) == 9000
    assert tutor.room(course, Kernel(name="sdpa", isolated=False)) == 0
    alone = course.model_copy(update={"recipe": FULL.model_copy(update={"packing": False})})
    assert tutor.room(alone, ALL) == 0


def test_a_lesson_is_made_of_rows_on_disk_when_it_is_asked_for(tmp_path):
    import torch

    sft.begin(tmp_path / "training", COURSE, [sample(1), sample(2)], [])
    one, two = rows([sample(1), sample(2)], tiny())

    lessons = tutor.lessons(kept(tmp_path / "training" / "rows"), [[1, 0], [0], []], tutor.collate)

    assert lessons[0]["input_ids"].tolist() == [[*two.input_ids, *one.input_ids]]
    assert lessons[0]["position_ids"].tolist() == [[*range(len(two.input_ids)), *range(len(one.input_ids))]]
    assert lessons[1]["labels"].tolist() == [list(one.labels)]
    assert lessons[2]["labels"].tolist() == [[-100]]
    assert lessons[0]["input_ids"].dtype == torch.long


def test_an_adapter_is_on_every_linear_layer_and_full_tuning_has_none():
    made = tutor.lora(LORA)

    assert (made.r, made.lora_alpha, made.target_modules, made.bias, made.use_rslora) == (
        4, 8, "all-linear", "none", False
    )
    assert made.modules_to_save is None
    assert tutor.lora(FULL) is None


def test_weights_on_a_cpu_are_float32_whatever_the_recipe_says():
    half = COURSE.model_copy(update={"recipe": LORA.model_copy(update={"precision": "bfloat16"})})

    made = tutor.model(half, tutor.attending(half))

    assert str(made.dtype) == "torch.float32"
    assert made.config._attn_implementation == "sdpa"


def test_a_base_that_is_broken_is_one_line(tmp_path):
    import shutil

    base = shutil.copytree(tiny().base, tmp_path / "base")
    (base / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0no json!")
    course = COURSE.model_copy(update={"student": Student(name="broken", base=str(base), context=64)})

    with pytest.raises(ModelError, match=r"^student broken does not load: ") as caught:
        tutor.model(course, Kernel(name="sdpa", isolated=True))
    assert "\n" not in str(caught.value)


def test_four_bits_without_bitsandbytes_says_what_to_install():
    from importlib.util import find_spec

    if find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    four = LORA.model_copy(update={"method": "qlora"})

    assert tutor.quantized(LORA) is None
    with pytest.raises(ConfigError, match=r"QLoRA needs bitsandbytes; run: pip install 'sera\[qlora\]'"):
        tutor.model(COURSE.model_copy(update={"recipe": four}), Kernel(name="sdpa", isolated=True))
