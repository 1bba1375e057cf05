import pytest

from sera_cli import templates
from sera_cli.train.effort import UTILISATION, flops, hours, peak
from sera_cli.train.recipe import recipe
from sera_cli.train.shape import STUDENTS

S = dict(STUDENTS)
LORA, FULL = recipe("lora-8b"), recipe("paper-8b")


def test_the_share_of_the_peak_that_is_assumed_is_what_the_paper_reached():
    """A trajectory as appendix D profiles it: what was new to the teacher or written by it, and so in the sample."""
    said = templates.table("paper.toml")
    tokens = said["trajectory"]["new"] + said["trajectory"]["output"]
    work = 3 * flops(S["Qwen/Qwen3-32B"], recipe("paper-32b"), [tokens])

    reached = work / (said["gpu_hours"]["training"] * 3600 * peak("H100"))

    assert reached == pytest.approx(UTILISATION, abs=0.01)


def test_a_weight_that_learns_takes_six_operations_a_token_and_one_that_does_not_four():
    shape = S["Qwen/Qwen3-8B"]
    multiplied = shape.linear + shape.vocabulary * shape.hidden

    assert flops(shape, FULL, [1]) == pytest.approx(6 * multiplied, rel=1e-4)
    assert flops(shape, LORA.model_copy(update={"rank": 1}), [1]) == pytest.approx(4 * multiplied, rel=1e-2)


def test_attention_grows_with_the_square_of_a_row():
    shape = S["Qwen/Qwen3-8B"]
    two, one = flops(shape, LORA, [16384, 16384]), flops(shape, LORA, [32768])

    assert one - two == 6 * 36 * 4096 * (32768**2 - 2 * 16384**2)


def test_the_output_layer_is_asked_about_what_the_loss_covers_alone():
    shape = S["Qwen/Qwen3-8B"]
    spared = flops(shape, FULL, [1000]) - flops(shape, FULL, [1000], trained=0.25)

    assert spared == pytest.approx(0.75 * 6 * 1000 * 151936 * 4096)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA H200", 989), ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362), ("NVIDIA L4", 121), ("NVIDIA GeForce RTX 4090", 165), ("NVIDIA A10G", 70),
        ("NVIDIA GH200 480GB", 989), ("Somebody's own", 0),
    ],
)
def test_a_card_is_known_by_its_name(name, expected):
    assert peak(name) == expected * 1e12


def test_twice_the_gpus_take_half_the_hours():
    assert hours(1e20, "NVIDIA H100", 2) == hours(1e20, "NVIDIA H100") / 2
    assert hours(1e20, "a card that nobody knows") is None
