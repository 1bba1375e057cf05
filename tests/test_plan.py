import pytest

from sera_cli.errors import ModelError
from sera_cli.train.plan import GIB, STUDENTS, Shape, measure, memory, plan, suggestion, trainable
from sera_cli.train.student import Student
from tests.students import FULL, LORA, TINY, tiny


def test_a_plan_counts_steps_and_tokens_over_all_epochs():
    made = plan(tiny(), FULL, [100, 200, 300], available=GIB)

    assert (made.steps, made.tokens) == (3, 1200)
    assert made.trainable == made.parameters
    assert made.verdict.endswith("of 1.0: fits")


def test_what_is_too_large_is_said_to_be():
    made = plan(tiny(), FULL, [100], available=1000)

    assert "will probably not fit" in made.verdict


def test_sizes_are_read_without_loading_a_weight():
    from safetensors.torch import load_file

    weights = load_file(f"{tiny().base}/model.safetensors")

    assert measure(tiny()) == Shape(
        parameters=sum(weight.numel() for weight in weights.values()), layers=TINY.layers, hidden=TINY.hidden
    )


def test_a_student_without_a_config_is_named(tmp_path):
    with pytest.raises(ModelError, match="student ghost has no config"):
        measure(Student(name="ghost", base=str(tmp_path), context=1))


def test_full_tuning_keeps_sixteen_bytes_a_parameter_and_lora_far_less():
    shape = dict(STUDENTS)["Qwen/Qwen3-8B"]

    assert memory(shape, "full", 1) > 16 * shape.parameters
    assert memory(shape, "lora", 1) < 3 * shape.parameters
    assert memory(shape, "lora", 32768, checkpointing=False) > 5 * memory(shape, "lora", 32768)


def test_the_trainable_share_of_lora_is_near_what_peft_counts():
    from peft import get_peft_model
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from sera_cli.train.sft import _lora

    shape = Qwen3Config(
        vocab_size=100, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        intermediate_size=640,
    )
    tuned = get_peft_model(Qwen3ForCausalLM(shape), _lora(LORA))
    counted, _ = tuned.get_nb_trainable_parameters()

    guessed = trainable(Shape(parameters=0, layers=2, hidden=128), "lora", LORA.rank)
    assert guessed == pytest.approx(counted, rel=0.35)


@pytest.mark.parametrize(
    ("gib", "expected"),
    [(4, None), (24, ("Qwen/Qwen3-4B", "lora")), (80, ("Qwen/Qwen3-14B", "lora")), (140, ("Qwen/Qwen3-32B", "lora"))],
)
def test_a_gpu_is_offered_the_largest_student_that_fits_it(gib, expected):
    assert suggestion(gib * GIB) == expected
