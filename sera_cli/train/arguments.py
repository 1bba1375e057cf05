"""What the library's trainer is told: every field that matters, whatever its defaults become."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from sera_cli.errors import ConfigError
from sera_cli.train.course import Course
from sera_cli.train.recipe import Recipe

WARMUP_SHARE = 0.1875  # 48 steps of 256, the shortest run the paper's warm-up was meant for

OPTIMIZERS = {"adamw": "adamw_torch", "adamw_8bit": "paged_adamw_8bit"}


def arguments(course: Course, folder: Path, *, steps: int, accumulation: int) -> Any:
    """The trainer's settings, for a data set of micro-batches that are already in order.

    `steps` optimizer steps take `accumulation` micro-batches each on every rank. Warm-up shrinks with a short run.
    """
    import torch

    recipe, on_gpu = course.recipe, torch.cuda.is_available() and not course.layout.cpu
    return config(
        output_dir=str(folder), seed=course.seed, data_seed=course.seed, full_determinism=False, use_cpu=not on_gpu,
        # one item is one micro-batch; every epoch is laid out, so one sequential pass is the whole training
        num_train_epochs=1, max_steps=-1, train_sampling_strategy="sequential",
        per_device_train_batch_size=1, gradient_accumulation_steps=accumulation, per_device_eval_batch_size=1,
        average_tokens_across_devices=True,
        # we tokenize, label and pack; nothing is cut, packed, shuffled or masked again
        dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, packing=False, eval_packing=False,
        padding_free=False, shuffle_dataset=False, completion_only_loss=False, assistant_only_loss=False,
        pad_to_multiple_of=None, remove_unused_columns=False, dataloader_drop_last=False, dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        loss_type="nll", label_smoothing_factor=0.0, neftune_noise_alpha=None,
        optim=optimizer(recipe, on_gpu=on_gpu), learning_rate=recipe.learning_rate, lr_scheduler_type=recipe.schedule,
        warmup_steps=warmup(recipe, steps), weight_decay=recipe.weight_decay, adam_beta1=recipe.betas[0],
        adam_beta2=recipe.betas[1], adam_epsilon=recipe.epsilon, max_grad_norm=recipe.max_grad_norm,
        bf16=half(recipe) and on_gpu, fp16=False, tf32=None, checkpointing=recipe.checkpointing,
        activation_offloading=recipe.offload and on_gpu,  # a CPU has no other memory to move them to
        torch_compile=False, use_liger_kernel=False, use_cache=False, auto_find_batch_size=False,
        trust_remote_code=False, ddp_find_unused_parameters=False, ddp_timeout=7200,
        # when to evaluate and to save is said by callbacks, at the ends of epochs
        eval_strategy="no", save_strategy="no", save_only_model=False, save_total_limit=None, ignore_data_skip=False,
        load_best_model_at_end=False, restore_callback_states_from_checkpoint=False, prediction_loss_only=True,
        logging_strategy="steps", logging_steps=1, logging_first_step=True, logging_nan_inf_filter=False,
        report_to="none", push_to_hub=False, disable_tqdm=True, log_level="error",
    )  # fmt: skip


def config(*, checkpointing: bool, **wanted: object) -> Any:
    """The library's config, which must know every field: one that it ignored would train something else.

    Checkpointing goes by the name that the installed transformers has for it, as the older one warns in the newer.
    """
    from trl import SFTConfig

    known = {field.name for field in fields(SFTConfig)}
    kind = "activation" if "activation_checkpointing" in known else "gradient"
    wanted |= {f"{kind}_checkpointing": checkpointing, f"{kind}_checkpointing_kwargs": {"use_reentrant": False}}
    if strange := sorted(set(wanted) - known):
        raise ConfigError(f"this trl does not know {', '.join(strange)}; run: pip install -U trl transformers")
    return SFTConfig(**wanted)


def warmup(recipe: Recipe, steps: int) -> int:
    """The recipe's warm-up in steps, at most its share of the shortest run that it was meant for."""
    return min(recipe.warmup_steps, int(WARMUP_SHARE * steps))


def optimizer(recipe: Recipe, *, on_gpu: bool) -> str:
    """The library's name of it; on a GPU one kernel updates all parameters."""
    fused = "_fused" if on_gpu and recipe.optimizer == "adamw" else ""
    return OPTIMIZERS[recipe.optimizer] + fused


def half(recipe: Recipe) -> bool:
    """Whether it computes in bfloat16: as the recipe says on a GPU, never on a CPU."""
    import torch

    return recipe.precision == "bfloat16" and torch.cuda.is_available()
