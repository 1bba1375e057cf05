import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.train.footprint import GIB
from sera_cli.train.layout import Layout, Machine
from sera_cli.train.plan import document, plan, rows, told
from sera_cli.train.recipe import recipe
from sera_cli.train.shape import STUDENTS
from tests.students import FULL

S = dict(STUDENTS)
H200 = Machine(gpus=1, gpu_memory=140 * GIB, memory=128 * GIB, gpu="NVIDIA H200")
LENGTHS = [32768, 20000, 9000, 3000] * 40


def eight_b(**more):
    return plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), LENGTHS, H200, Layout(), **more)


def test_a_plan_counts_steps_and_tokens_over_all_epochs():
    made = plan(S["Qwen/Qwen3-0.6B"], FULL, [100, 200, 300], H200, Layout())

    assert (made.samples, made.steps, made.tokens, made.longest) == (3, 3, 1200, 300)
    assert made.trainable == made.parameters == 596_049_920


def test_a_short_run_warms_up_for_a_share_of_its_steps():
    made = eight_b()

    assert (made.steps, made.warmup) == (30, 5)
    assert dict(rows(made))["steps"] == "30 of 16 samples, 5 of them to warm up, not 48, as they are few"
    long = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), [10] * 4096, H200, Layout())
    assert (long.steps, long.warmup) == (768, 48)
    assert dict(rows(long))["steps"] == "768 of 16 samples, 48 of them to warm up"


def test_samples_share_micro_batches_where_there_is_room():
    alone, shared = (plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), [1000] * 64, H200, Layout(), room=room)
                     for room in (0, 4096))

    assert (alone.micro, alone.most) == (16, 1000)
    assert (shared.micro, shared.most) == (4, 4000)


def test_every_gpu_takes_its_share_of_a_step():
    two = Machine(gpus=2, gpu_memory=140 * GIB, gpu="NVIDIA H200")
    made = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), LENGTHS, two, Layout(kind="ddp", processes=2))

    assert made.micro == 8
    assert made.gpu_hours == pytest.approx(2 * made.hours)
    assert made.hours == pytest.approx(eight_b().hours / 2)


def test_dollars_are_hours_at_the_rate_of_a_gpu():
    made = eight_b(rate=3.5)

    assert made.dollars == pytest.approx(3.5 * made.hours)
    assert eight_b(rate=0.0).dollars == 0


def test_what_is_too_large_is_told_what_would_fit():
    made = plan(S["Qwen/Qwen3-32B"], recipe("lora-32b"), [32768], Machine(gpus=1, gpu_memory=80 * GIB), Layout())

    assert not made.fits
    assert "; will not fit; here this would: --method qlora" in told(made)[1]


def test_the_memory_is_that_of_the_longest_micro_batch_and_not_of_the_context():
    short = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), [4000], H200, Layout(tokens=32768))

    assert short.memory.total < eight_b().memory.total
    assert short.most == 4000


def test_without_a_gpu_the_hours_are_those_of_the_papers():
    here = Machine(memory=512 * GIB)
    made = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), LENGTHS, here, Layout(cpu=True))

    assert (made.gpu, made.assumed) == ("H100", True)
    assert made.hours == pytest.approx(eight_b().hours)
    assert dict(rows(made))["time"] == "unknown on a CPU; 25 minutes on an H100 at 28% of 989 TFLOP/s"
    assert dict(rows(made))["dollars"] == "$0.82 at $2.00 for one GPU's hour"
    assert len(told(made)) == 3


def test_processes_of_a_cpu_share_its_memory_and_are_no_gpus():
    here = Machine(memory=64 * GIB)
    made = plan(S["Qwen/Qwen3-0.6B"], recipe("lora-8b"), [1000] * 64, here, Layout(kind="ddp", processes=4, cpu=True))
    said = dict(rows(made))

    assert made.available == 16 * GIB
    assert said["memory"].endswith("of 16.0 GiB on each of 4 processes by ddp")
    assert said["batches"] == "4 micro-batches a step on each of 4 processes, of up to 1,000 tokens"


def test_gpus_that_share_a_row_take_the_same_micro_batches():
    four = Machine(gpus=4, gpu_memory=140 * GIB, gpu="NVIDIA H200")
    layout = Layout(kind="fsdp2", processes=4, context_parallel=2)
    said = dict(rows(plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), LENGTHS, four, layout)))

    assert said["batches"] == "8 micro-batches a step on each 2 of 4 GPUs, of up to 32,768 tokens"


def test_what_is_over_at_once_is_told_in_words():
    made = plan(S["Qwen/Qwen3-0.6B"], FULL, [100, 200], H200, Layout())

    assert dict(rows(made))["time"].startswith("under a minute on 1 NVIDIA H200 ")
    assert dict(rows(made))["batches"] == "2 micro-batches a step, of up to 200 tokens"
    assert dict(rows(plan(S["Qwen/Qwen3-0.6B"], FULL, [9, 9], H200, Layout(), room=99)))["batches"] == (
        "1 micro-batch a step, of up to 18 tokens")


def test_one_of_a_thing_is_told_as_one():
    made = plan(S["Qwen/Qwen3-0.6B"], FULL.model_copy(update={"epochs": 1, "batch": 1}), [1], H200, Layout())
    said = dict(rows(made))

    assert told(made)[0].endswith(" parameters learn, in 1 step of 1 sample, 1 token")
    assert (said["tokens"], said["longest"]) == ("1 in 1 epoch", "1 token")
    assert said["steps"].startswith("1 of 1 sample, ")


def test_the_disk_for_checkpoints_and_result_is_told():
    assert dict(rows(eight_b()))["disk"] == "6.5 GiB for 2 checkpoints, the next one and the result"


def test_without_a_gpu_the_one_that_would_do_is_told():
    made = plan(S["Qwen/Qwen3-32B"], recipe("lora-32b"), LENGTHS, Machine(memory=24 * GIB), Layout(cpu=True))

    assert told(made)[1] == (
        "memory: 190.7 GiB of 24.0 GiB on the machine; will not fit; one GPU with 105.3 GiB would do; "
        "here this would: --student Qwen/Qwen3-1.7B --method lora"
    )


def test_a_card_of_unknown_speed_has_no_hours():
    made = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), LENGTHS, H200.model_copy(update={"gpu": "X"}), Layout())

    assert (made.hours, made.dollars) == (None, None)
    assert dict(rows(made))["time"] == "unknown, as the speed of X is"
    assert "dollars" not in dict(rows(made))


def test_the_head_of_a_run_says_what_it_takes():
    said = told(eight_b(trained=sum(LENGTHS) // 4))

    assert said == [
        "lora-8b: 174,587,904 of 8,190,735,360 parameters learn, in 30 steps of 16 samples, 7,772,160 tokens, "
        "25% of them trained",
        "memory: 38.7 GiB of 140.0 GiB on the GPU; fits",
        "of it 15.3 GiB weights, 0.7 GiB adapter, 0.7 GiB gradients, 1.3 GiB Adam's moments, 9.0 GiB kept for the "
        "backward, 10.3 GiB a layer at work, 1.6 GiB CUDA's own and gaps",
        "time: 24 minutes on 1 NVIDIA H200 at 28% of 989 TFLOP/s; $0.79 at $2.00 for one GPU's hour",
    ]


def test_the_table_of_a_plan_fits_eighty_columns():
    said = rows(eight_b(trained=sum(LENGTHS) // 4).model_copy(update={"reason": ""}))

    assert max(len(f"{name:10} {value}") for name, value in said) <= 80
    assert ("", "  15.3 GiB  weights") in said


def test_a_program_is_told_the_sums_too():
    found = document(eight_b())

    assert found["memory"]["total"] == found["memory"]["allocated"] + found["memory"]["overhead"]
    assert found["utilisation"] == 0.28


@given(lengths=st.lists(st.integers(1, 40000), min_size=1, max_size=60), room=st.sampled_from([0, 4096, 32768]))
def test_a_plan_is_made_of_any_rows(lengths, room):
    made = plan(S["Qwen/Qwen3-8B"], recipe("lora-8b"), lengths, H200, Layout(), room=room)

    assert max(lengths) <= made.most <= max(max(lengths), room)
    assert made.steps == -(-3 * len(lengths) // 16)
