"""TRL's trainer of a course: the student's weights, the adapter, and the micro-batches that it takes in order."""

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from sera_cli.errors import ConfigError, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.train.arguments import arguments, half
from sera_cli.train.attention import Kernel, kernel
from sera_cli.train.course import HELDOUT, ROWS, Course, sequence
from sera_cli.train.packing import Document, Micro, collate, packed
from sera_cli.train.recipe import Recipe
from sera_cli.train.rows import kept


def trainer(course: Course, folder: Path) -> Any:
    """The trainer of the course in `folder`, with nothing trained yet. Raises ModelError for a student that fails."""
    with redirect_stdout(StringIO()):  # where W&B is offline, transformers says so, and stdout may be one document's
        from accelerate.utils import AutocastKwargs
        from transformers import PrinterCallback
        from trl import SFTTrainer

    class Tutor(SFTTrainer):  # type: ignore[misc]
        def create_model_card(self, *_: Any, **__: Any) -> None:
            """A card is the registry's to write."""

    taught, heldout = kept(folder / ROWS), kept(folder / HELDOUT)
    chosen, ranks = attending(course), course.layout.ranks
    taken = steps(course, taught["length"][:], room(course, chosen))
    # the settings come first: loading looks at how processes are laid out
    asked = arguments(course, folder, steps=len(taken), accumulation=len(taken[0]) // ranks)
    tokenizer = tokens.pretrained(course.student.base)
    tokenizer.eos_token = wire.ending(course.student.wire)  # a base that was never tuned to chat ends elsewhere
    shared = course.layout.context_parallel
    join = partial(collate, bounds=chosen.name.startswith("flash"), multiple=2 * shared if shared > 1 else 1)
    made = Tutor(
        model=model(course, chosen), args=asked, processing_class=tokenizer, peft_config=lora(course.recipe),
        train_dataset=lessons(taught, [micro for step in taken for micro in step], join), data_collator=_only,
        eval_dataset=lessons(heldout, [[at] for at in range(len(heldout))], join) if len(heldout) else None,
    )  # fmt: skip
    made.remove_callback(PrinterCallback)
    # else a cast of every weight is kept to the end of the forward, and none is used twice there
    made.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
    if course.recipe.method == "qlora":
        _sharpen(made.model)
    return made


def _sharpen(model: Any) -> None:
    """Keeps an adapter in float32, which trl makes bfloat16 over weights of 4 bits.

    In that, weights of 0.01 are 6e-5 apart, and the last steps of a cosine from 2e-4 are lost.
    """
    import torch

    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.float32)


def steps(course: Course, lengths: Sequence[int], room: int) -> list[list[Micro]]:
    """For each optimizer step its micro-batches, as indices of rows; every rank takes as many in each step."""
    taken = sequence(course, len(lengths))
    made = packed(lengths, taken, course.recipe.batch, budget=room, ranks=course.layout.ranks)
    return [[[taken[at] for at in micro] for micro in step] for step in made]


def attending(course: Course) -> Kernel:
    """How the student attends. Context parallelism knows one kernel, and lets documents of a row see each other."""
    if course.layout.context_parallel > 1:
        return Kernel(name="sdpa", isolated=False)
    return kernel(course.student.base, course.recipe.attention, half=half(course.recipe))


def room(course: Course, chosen: Kernel) -> int:
    """The most tokens of documents that share a micro-batch; 0 where none may."""
    return chosen.room(course.layout.tokens) if course.recipe.packing else 0


def model(course: Course, chosen: Kernel) -> Any:
    """The student's weights: bfloat16 under LoRA on a GPU, else float32, as full tuning by 1e-5 is lost in bfloat16."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    student, recipe = course.student, course.recipe
    dtype = torch.bfloat16 if recipe.method != "full" and half(recipe) else torch.float32
    try:
        return AutoModelForCausalLM.from_pretrained(
            student.base, dtype=dtype, attn_implementation=chosen.name, quantization_config=quantized(recipe),
            trust_remote_code=False, use_safetensors=True,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"student {student.name} does not load: {str(error).strip().partition(chr(10))[0]}") from error
    except ImportError as error:
        if recipe.method != "qlora":
            raise
        raise ConfigError("QLoRA needs bitsandbytes; run: pip install 'sera[qlora]'") from error


def quantized(recipe: Recipe) -> Any:
    """Four bits a weight for QLoRA (Dettmers et al., 2023): NF4, its constants quantised again; None for the others."""
    if recipe.method != "qlora":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def lora(recipe: Recipe) -> Any:
    """The adapter; None for full tuning."""
    from peft import LoraConfig

    if recipe.method == "full":
        return None
    return LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules="all-linear", bias="none",
        task_type="CAUSAL_LM", use_rslora=False,
    )


def lessons(rows: Any, micros: Sequence[Micro], join: Callable[[list[Document]], dict[str, Any]]) -> Any:
    """A data set of micro-batches, which `join` puts together from the rows on disk when they are asked for."""
    from datasets import Dataset, Features
    from datasets import List as Many
    from datasets import Value as Kind

    mapped = rows.select_columns(["input_ids", "labels"]).with_format("numpy")

    def transform(asked: dict[str, list[Micro]]) -> dict[str, list[Any]]:
        made = [join([_document(mapped[at]) for at in micro]) for micro in asked["micro"]]
        return {key: [one[key] for one in made] for key in made[0]}

    features = Features({"micro": Many(Kind("int32"))})
    return Dataset.from_dict({"micro": list(micros)}, features=features).with_transform(transform)


def _document(row: dict[str, Any]) -> Document:
    return row["input_ids"], row["labels"]


def _only(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A micro-batch is made whole; there is nothing to collate."""
    return items[0]
