import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.train.fitting import advice, budget, suggestion
from sera_cli.train.footprint import GIB
from sera_cli.train.layout import Layout, Machine
from sera_cli.train.recipe import recipe
from sera_cli.train.shape import STUDENTS

S = dict(STUDENTS)


def card(gib, count=1):
    return Machine(gpus=count, gpu_memory=gib * GIB, memory=128 * GIB, gpu="H100")


@pytest.mark.parametrize(
    ("gib", "expected"),
    [
        (4, None), (24, ("Qwen/Qwen3-1.7B", "lora")), (40, ("Qwen/Qwen3-8B", "lora")),
        (80, ("Qwen/Qwen3-14B", "lora")), (139, ("Qwen/Qwen3-32B", "lora")),
    ],
)
def test_a_gpu_is_offered_the_largest_student_that_fits_it(gib, expected):
    assert suggestion(gib * GIB) == expected


@pytest.mark.parametrize(
    ("student", "named", "machine", "expected"),
    [
        ("8B", "paper-8b", card(139), "--set train.offload=true"),
        ("8B", "paper-8b", card(80, 8), "--set train.layout=fsdp2"),
        ("8B", "paper-8b", card(80), "--method lora"),
        ("32B", "lora-32b", card(80), "--method qlora"),
        ("8B", "lora-8b", card(24), "--method qlora --set train.offload=true"),
        ("32B", "qlora-32b", card(48), "--set train.offload=true"),
        ("32B", "lora-32b", card(40),
         "--set student.context=24576 (from sera prepare on) --method qlora --set train.offload=true"),
        ("14B", "qlora-32b", card(24),
         "--set student.context=24576 (from sera prepare on) --set train.offload=true"),
        ("32B", "qlora-32b", card(24), "--student Qwen/Qwen3-1.7B --method lora"),
        ("32B", "qlora-32b", card(2), ""),
    ],
)
def test_what_does_not_fit_is_told_the_least_that_would(student, named, machine, expected):
    assert advice(S[f"Qwen/Qwen3-{student}"], recipe(named), Layout(), machine) == expected


def test_checkpointing_is_asked_for_where_it_is_off():
    one = recipe("lora-8b").model_copy(update={"checkpointing": False})

    assert advice(S["Qwen/Qwen3-8B"], one, Layout(), card(80)) == "--set train.checkpointing=true"


def test_a_cpu_is_not_told_of_what_needs_a_gpu():
    machine, layout = Machine(memory=64 * GIB), Layout(cpu=True)

    assert "qlora" not in advice(S["Qwen/Qwen3-14B"], recipe("lora-8b"), layout, machine)


@given(available=st.integers(0, 2000), most=st.integers(1, 500))
def test_the_budget_is_the_most_that_fits(available, most):
    found = budget(lambda tokens: 100 + 3 * tokens, most, available)

    assert found == max(0, min(most, (available - 100) // 3))
