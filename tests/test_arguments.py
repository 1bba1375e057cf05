"""What the trainer is told, and what the installed release would do of its own accord."""

import warnings
from dataclasses import MISSING, fields

import pytest

from sera_cli.errors import ConfigError
from sera_cli.train.arguments import arguments, config, optimizer
from sera_cli.train.course import Course
from tests.students import FULL, tiny

PAPER = FULL.model_copy(update={"warmup_steps": 48, "batch": 32, "weight_decay": 0.01, "learning_rate": 1e-5})

OWN = {
    "accelerator_config": None, "activation_checkpointing": None, "adam_beta1": 0.9, "adam_beta2": 0.999,
    "adam_epsilon": 1e-08, "average_tokens_across_devices": True, "bf16": None, "dataloader_drop_last": False,
    "dataloader_num_workers": 0, "eval_strategy": "no", "gradient_accumulation_steps": 1,
    "gradient_checkpointing": True, "include_num_input_tokens_seen": "no", "label_smoothing_factor": 0.0,
    "learning_rate": 2e-05, "load_best_model_at_end": False, "logging_nan_inf_filter": True, "logging_steps": 10,
    "loss_type": "nll", "lr_scheduler_kwargs": None, "lr_scheduler_type": "linear", "max_grad_norm": 1.0,
    "max_length": 1024, "max_steps": -1, "neftune_noise_alpha": None, "num_train_epochs": 3.0,
    "optim": "adamw_torch_fused",
    "optim_args": None, "optim_target_modules": None, "packing": False, "packing_strategy": "bfd",
    "padding_free": False, "per_device_train_batch_size": 8, "remove_unused_columns": True,
    "router_aux_loss_coef": None, "save_strategy": "steps", "seed": 42, "shuffle_dataset": False,
    "train_sampling_strategy": "random",
    "truncation_mode": "keep_start", "use_cache": False, "use_liger_kernel": False, "warmup_steps": 0,
    "weight_decay": 0.0,
}
"""The library's defaults on which learning depends, as they were when this was last looked at."""


def course(**changed: object) -> Course:
    return Course(student=tiny(), recipe=PAPER.model_copy(update=changed), seed=3)


def test_a_default_that_a_new_release_changed_is_named():
    """Look at what the new one does, set it in arguments.py if it matters, and note it here."""
    from trl import SFTConfig

    now = {field.name: field.default for field in fields(SFTConfig) if field.default is not MISSING}
    changed = {name: (was, now.get(name, "gone")) for name, was in OWN.items() if now.get(name, "gone") != was}

    assert changed == {}


def test_every_field_is_one_that_the_installed_release_wants(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = arguments(course(), tmp_path, steps=20, accumulation=4)

    assert made.report_to == []
    assert made.max_length is None
    assert not made.activation_checkpointing


def test_what_is_learned_is_as_the_recipe_says_and_not_as_the_release_would(tmp_path):
    made = arguments(course(schedule="linear", betas=(0.8, 0.7), epsilon=1e-7), tmp_path, steps=300, accumulation=4)

    assert (made.learning_rate, made.weight_decay, made.warmup_steps, made.max_grad_norm) == (1e-5, 0.01, 48, 1.0)
    assert (made.adam_beta1, made.adam_beta2, made.adam_epsilon) == (0.8, 0.7, 1e-7)
    assert (made.lr_scheduler_type, made.optim, made.seed, made.data_seed) == ("linear", "adamw_torch", 3, 3)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps, made.num_train_epochs) == (1, 4, 1)
    assert (made.bf16, made.fp16, made.packing, made.train_sampling_strategy) == (False, False, False, "sequential")


@pytest.mark.parametrize(("steps", "warmup"), [(300, 48), (256, 48), (32, 6), (1, 0)])
def test_warm_up_is_forty_eight_steps_or_the_same_share_of_a_short_run(steps, warmup, tmp_path):
    assert arguments(course(), tmp_path, steps=steps, accumulation=1).warmup_steps == warmup


def test_a_field_that_the_library_has_dropped_is_not_passed_over():
    with pytest.raises(ConfigError, match="this trl does not know trained_by_magic; run: pip install -U trl"):
        config(checkpointing=False, trained_by_magic=True)


@pytest.mark.parametrize(
    ("kind", "on_gpu", "name"),
    [("adamw", False, "adamw_torch"), ("adamw", True, "adamw_torch_fused"), ("adamw_8bit", True, "paged_adamw_8bit")],
)
def test_an_optimizer_goes_by_the_name_that_the_library_has_for_it(kind, on_gpu, name):
    from transformers.training_args import OptimizerNames

    assert optimizer(PAPER.model_copy(update={"optimizer": kind}), on_gpu=on_gpu) == name
    assert name in {known.value for known in OptimizerNames}
