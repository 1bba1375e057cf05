"""The formulas of memory, beside a training of which every storage is counted."""

from itertools import accumulate

import pytest

from sera_cli.train.footprint import GIB, checkpoint, memory, result, trainable
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import recipe
from sera_cli.train.shape import STUDENTS, measure, measured
from tests.benches import bench

S = dict(STUDENTS)
LORA, FULL, QLORA = recipe("lora-8b"), recipe("paper-8b"), recipe("qlora-32b")
WIDE = {"vocab_size": 20_000, "hidden_size": 512, "intermediate_size": 1536, "tie_word_embeddings": True}
"""Of which the loss takes more than a layer."""
DEEP = {"vocab_size": 300, "hidden_size": 768, "intermediate_size": 3072, "tie_word_embeddings": False}
"""Of which a layer takes more."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("sizes", "tokens", "checkpointing"), [(WIDE, 2048, True), (DEEP, 16384, True), (DEEP, 16384, False)],
    ids=["wide", "deep", "kept"],
)
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("one", [LORA, FULL], ids=["lora", "full"])
def test_what_is_planned_is_what_a_training_takes(one, precision, checkpointing, sizes, tokens):
    from transformers import Qwen3Config

    config = Qwen3Config(
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=128, max_position_embeddings=16384,
        **sizes,
    )
    changed = {"rank": one.rank and 8, "checkpointing": checkpointing, "precision": precision}
    one = one.model_copy(update=changed)

    found = bench("plan").counted(config, one, tokens, half=precision == "bfloat16")
    told = memory(measured(config), one, Layout(tokens=tokens))

    assert {name: getattr(told, name) for name in ("adapter", "gradients", "optimizer")} == {
        name: found[name] for name in ("adapter", "gradients", "optimizer")}
    assert told.weights == pytest.approx(found["weights"], rel=1e-3)
    assert told.allocated == pytest.approx(sum(found.values()), rel=0.1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("one", [LORA, FULL], ids=["lora", "full"])
def test_what_is_counted_is_what_an_allocator_is_asked_for(one):
    """The same training on real tensors, of which torch's profiler tells every block that is taken and given back."""
    from torch.profiler import ProfilerActivity, profile
    from transformers import Qwen3Config

    made = bench("plan")
    config = Qwen3Config(
        vocab_size=2000, hidden_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=64, intermediate_size=768,
    )
    with made.as_on_a_gpu():
        model = made.made(config, one, half=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            made.trained(made.Ledger(), model, one, 1024)
    blocks = [event.nbytes() for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())

    assert weights + max(accumulate(blocks)) == pytest.approx(sum(made.counted(config, one, 1024).values()), rel=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("one", [LORA, FULL], ids=["lora", "full"])
def test_what_is_planned_is_what_one_of_eight_takes(one):
    from transformers import Qwen3Config

    config = Qwen3Config(num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=128, **DEEP)

    found = bench("plan").counted(config, one, 16384, gpus=8)
    told = memory(measured(config), one, Layout(kind="fsdp2", processes=8, tokens=16384))

    assert told.allocated == pytest.approx(sum(found.values()), rel=0.1)


def test_the_trainer_keeps_no_casts_that_the_plan_does_not_count(tmp_path):
    from sera_cli.train import sft, tutor
    from sera_cli.train.course import Course
    from tests.students import FULL as QUICK
    from tests.students import sample, tiny

    course = Course(student=tiny(), recipe=QUICK, layout=Layout(tokens=700))
    sft.begin(tmp_path / "training", course, [sample(0), sample(1)], [])

    assert tutor.trainer(course, tmp_path / "training").accelerator.autocast_handler.cache_enabled is False


@pytest.mark.parametrize("changed", [{}, {"method": "lora", "rank": 64, "alpha": 8}], ids=["full", "lora"])
def test_a_checkpoint_and_the_result_take_the_disk_that_was_told(changed, tmp_path):
    from sera_cli.train import sft, worker
    from sera_cli.train.course import Course
    from tests.students import FULL as QUICK
    from tests.students import sample, tiny

    course = Course(student=tiny(), recipe=QUICK.model_copy(update={"epochs": 1} | changed), layout=Layout(cpu=True))
    sft.begin(tmp_path, course, [sample(0), sample(1)], [])
    worker.work(tmp_path)
    shape = measure(tiny())

    def taken(place, *names):
        return sum(file.stat().st_size for name in names for file in place.glob(name))

    assert taken(tmp_path / "checkpoint-1", "*.safetensors", "optimizer.pt") == pytest.approx(
        checkpoint(shape, course.recipe), rel=0.1)
    assert taken(tmp_path / "result", "*.safetensors") == pytest.approx(
        result(shape, course.recipe, cpu=True), rel=0.1)


def test_a_checkpoint_of_the_papers_largest_is_366_gibibytes():
    assert round(checkpoint(S["Qwen/Qwen3-32B"], recipe("paper-32b")) / GIB) == 366
    assert result(S["Qwen/Qwen3-32B"], recipe("paper-32b"), cpu=False) == 2 * 32_762_123_264


def test_full_tuning_keeps_sixteen_bytes_a_parameter_and_lora_sixteen_of_its_adapter():
    whole, part = (memory(S["Qwen/Qwen3-8B"], one, Layout(tokens=1)) for one in (FULL, LORA))

    assert whole.weights + whole.gradients + whole.optimizer == 16 * 8_190_735_360
    assert part.adapter + part.gradients + part.optimizer == 16 * trainable(S["Qwen/Qwen3-8B"], LORA)
    assert part.weights == 2 * 8_190_735_360


def test_weights_of_four_bits_take_a_quarter():
    taken = memory(S["Qwen/Qwen3-32B"], QLORA, Layout(tokens=1))

    assert taken.weights / GIB == pytest.approx(17.9, abs=0.1)


def test_what_is_divided_takes_an_eighth_on_each_of_eight():
    alone, shared = (memory(S["Qwen/Qwen3-32B"], FULL, layout) for layout in (
        Layout(), Layout(kind="fsdp2", processes=8)))

    assert (shared.weights, shared.optimizer) == (alone.weights // 8, alone.optimizer // 8)
    assert shared.shared > 0 == alone.shared


def test_rows_that_are_shared_take_half_on_each_of_two():
    whole, half = (memory(S["Qwen/Qwen3-8B"], LORA, Layout(kind="fsdp2", processes=2, context_parallel=size))
                   for size in (1, 2))

    assert half.kept == pytest.approx(whole.kept / 2, rel=1e-6)


def test_offloaded_activations_leave_five_layers_behind():
    kept = memory(S["Qwen/Qwen3-8B"], LORA, Layout()).kept
    left = memory(S["Qwen/Qwen3-8B"], LORA.model_copy(update={"offload": True}), Layout()).kept

    assert left / kept == pytest.approx(5 / 36, rel=0.1)


def test_the_cpu_has_no_overhead_of_cuda():
    assert memory(S["Qwen/Qwen3-8B"], LORA, Layout(cpu=True)).overhead == 0
