"""What the loss of a training holds in memory: never the logits of a micro-batch, which are its largest by far.

32,768 tokens times Qwen3's 151,936 words are 20 GB in float32, and as much again for their gradient.
"""

import shutil
from array import array
from pathlib import Path

import pytest

from sera_cli.train.course import Course, write
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import IGNORED, Row
from sera_cli.train.student import Student
from sera_cli.train.tutor import trainer
from tests.students import FULL, LORA, tiny

WORDS, LENGTH = 131072, 100
CHECKPOINTED = FULL.model_copy(update={"checkpointing": True})


@pytest.fixture(scope="module")
def wordy(tmp_path_factory) -> Student:
    """A student of one narrow layer that knows many words, so that nothing else is nearly as large as its logits."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    base = tmp_path_factory.mktemp("wordy") / "base"
    shutil.copytree(tiny().base, base)
    config = Qwen3Config(
        vocab_size=WORDS, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1, head_dim=8,
        intermediate_size=8, tie_word_embeddings=False,
    )
    Qwen3ForCausalLM(config).save_pretrained(base)
    return Student(name="wordy", base=str(base), context=512)


def largest(work) -> int:
    """Elements of the largest tensor that anything made in `work`, forward and backward."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Record(TorchDispatchMode):
        most = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            sizes = [one.numel() for one in tree_leaves(made) if hasattr(one, "numel")]
            self.most = max(self.most, *sizes, 0)
            return made

    with Record() as record:
        work()
    return record.most


def row(number: int) -> Row:
    """A sample of which the second half is learned."""
    ids = array("i", range(number, number + LENGTH))
    return Row(f"s{number}", ids, array("i", [IGNORED] * (LENGTH // 2)) + ids[LENGTH // 2 :])


def tutor(student: Student, recipe: Recipe, folder: Path):
    """The trainer of one step of two samples in one micro-batch, with one held out; and how large its logits are."""
    course = Course(student=student, recipe=recipe.model_copy(update={"epochs": 1}), seed=1)
    write(folder / "training", course, [row(0), row(1)], [row(2)])
    made = trainer(course, folder / "training")
    assert made.args.gradient_accumulation_steps == 1
    return made, 2 * LENGTH * WORDS


@pytest.mark.parametrize("recipe", [FULL, CHECKPOINTED, LORA], ids=["full", "checkpointed", "lora"])
def test_a_step_of_training_makes_no_tensor_of_the_logits_size(recipe: Recipe, wordy: Student, tmp_path):
    made, logits = tutor(wordy, recipe, tmp_path)

    assert largest(made.train) <= logits / 4


def test_the_held_out_loss_makes_none_either(wordy: Student, tmp_path):
    made, _ = tutor(wordy, FULL, tmp_path)

    assert largest(made.evaluate) <= LENGTH * WORDS / 4


def test_nor_does_a_model_that_is_wrapped_for_several_processes(wordy: Student, tmp_path):
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    made, logits = tutor(wordy, LORA, tmp_path)
    batch = next(iter(made.get_train_dataloader()))
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(made.model)
        found = largest(lambda: made.compute_loss(wrapped, batch).backward())
    finally:
        distributed.destroy_process_group()

    assert found <= logits / 4
    assert any(weight.grad is not None and weight.grad.any() for weight in made.model.parameters())


def test_the_model_s_own_loss_would(wordy: Student, tmp_path):
    """Shows that the largest tensor is found where there is one."""
    made, logits = tutor(wordy, FULL, tmp_path)
    batch = next(iter(made.get_train_dataloader()))

    assert largest(lambda: made.model(**batch, use_cache=False).loss.backward()) >= logits
