import pytest

from sera_cli.errors import ModelError
from sera_cli.train.shape import STUDENTS, dense, embedded, measure, measured
from sera_cli.train.student import Student
from tests.students import LORA, TINY, tiny


def test_sizes_are_read_without_loading_a_weight():
    from safetensors.torch import load_file

    weights = load_file(f"{tiny().base}/model.safetensors")

    assert measure(tiny()).parameters == sum(weight.numel() for weight in weights.values())


def test_the_embedded_student_is_known_before_it_is_made():
    assert embedded(TINY) == measure(tiny())


def test_the_family_is_known_without_its_config():
    sizes = {name: shape.parameters for name, shape in STUDENTS}

    assert sizes["Qwen/Qwen3-32B"] == 32_762_123_264
    assert sizes["Qwen/Qwen3-8B"] == 8_190_735_360
    assert sizes["Qwen/Qwen3-0.6B"] == 596_049_920
    assert measure(Student(name="q", base="Qwen/Qwen3-8B", context=1)) == dict(STUDENTS)["Qwen/Qwen3-8B"]


@pytest.mark.parametrize("tied", [True, False])
def test_a_config_says_the_same_as_the_numbers(tied):
    from transformers import Qwen3Config

    config = Qwen3Config(
        vocab_size=100, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        intermediate_size=640, tie_word_embeddings=tied,
    )

    assert measured(config) == dense(2, 128, 640, (4, 2, 32), 100, tied=tied)


def test_an_adapter_is_as_large_as_peft_makes_it():
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from sera_cli.train.tutor import lora

    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny().base), lora(LORA))
    counted, _ = tuned.get_nb_trainable_parameters()

    assert LORA.rank * measure(tiny()).sides == counted


def test_a_student_without_a_config_is_named(tmp_path):
    with pytest.raises(ModelError, match="student ghost has no config"):
        measure(Student(name="ghost", base=str(tmp_path), context=1))
