"""How fast does a GPU train, beside plain TRL, and is it what the plan foretold? Weights are random and never saved.

    python tests/bench/train.py --shape 8b --method lora
    python tests/bench/train.py --shape 32b --method lora --plain none
    python tests/bench/train.py --shape 8b --method full --offload
    python tests/bench/train.py --shape tiny --device cpu

Rows are of the length profile of the SERA paper: a quarter is cut at the context, the others are spread evenly over
what is longer than a quarter of it; a quarter of their tokens is in the loss. The plan is printed first. Then the peak
of a plain matrix multiplication is measured, then our trainer on so many steps, then TRL's on the same rows with the
same `max_length`, batch, attention and adapter and its defaults otherwise: weights of float32 (`--plain default`), or
of what ours have (`--plain same`). The first step of each warms up and is not counted. Utilisation counts 4 operations
for each frozen weight of a token, 6 for each that learns, and attention; nothing that is computed twice.
"""

import argparse
import gc
import json
import random
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from sera_cli.train import course as courses  # noqa: E402
from sera_cli.train.course import Course  # noqa: E402
from sera_cli.train.effort import flops  # noqa: E402
from sera_cli.train.footprint import GIB  # noqa: E402
from sera_cli.train.layout import Layout, Machine, machine  # noqa: E402
from sera_cli.train.plan import Plan, plan, rows  # noqa: E402
from sera_cli.train.recipe import Recipe, recipe  # noqa: E402
from sera_cli.train.rows import IGNORED, Row  # noqa: E402
from sera_cli.train.shape import Shape, measured  # noqa: E402
from sera_cli.train.student import Student  # noqa: E402

SHAPES = {  # hidden, layers, heads, heads of keys, width of a head, inner, vocabulary, context
    "8b": (4096, 36, 32, 8, 128, 12288, 151936, 32768),
    "32b": (5120, 64, 64, 8, 128, 25600, 151936, 32768),
    "tiny": (64, 2, 4, 2, 16, 160, 512, 256),
}
SQUARE = {"cuda": 8192, "cpu": 512}
"""Rows and columns of the matrices whose product tells the peak."""
LEARNED = 0.25


def main(words: Sequence[str] | None = None) -> int:
    said = asked().parse_args(words)
    refusal = impossible(said.device)
    if refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        for found in benched(said, Path(folder)):
            print(json.dumps(found) if said.json else line(found), flush=True)
    return 0


def asked() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--shape", choices=SHAPES, default="8b")
    made.add_argument("--method", choices=("lora", "full"), default="lora")
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    made.add_argument("--steps", type=int, default=3, help="counted steps of the optimizer, after one that is not")
    made.add_argument("--batch", type=int, default=4, help="samples of a step")
    made.add_argument("--context", type=int, default=0, help="tokens of the longest row; 0: the shape's")
    made.add_argument("--rank", type=int, default=0, help="of the adapter; 0: the recipe's")
    made.add_argument("--attention", default="auto", help="as train.attention")
    made.add_argument("--offload", action="store_true", help="activations are kept in the machine's memory")
    made.add_argument("--optimizer", choices=("adamw", "adamw_8bit"), default="adamw")
    made.add_argument("--plain", choices=("default", "same", "none"), default="same")
    made.add_argument("--seed", type=int, default=0, help="of the rows")
    made.add_argument("--json", action="store_true")
    return made


def impossible(device: str) -> str:
    """Why this machine cannot do it, in one line; empty where it can."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return "no GPU is visible here; the same code runs at a small size with --shape tiny --device cpu"
    return ""


def benched(said: argparse.Namespace, folder: Path) -> Any:
    """What was foretold, then what was measured of ours and of TRL's."""
    import torch

    from sera_cli.train.embedded import hush

    hush()
    config, one = config_of(said), recipe_of(said)
    here = machine() if said.device == "cuda" else Machine(memory=machine().memory)
    course = written(said, config, one, folder)
    taught = drawn(said)
    foretold = plan(
        measured(config), one, [len(row.input_ids) for row in taught], here, course.layout,
        room=room(course), trained=round(LEARNED * sum(len(row.input_ids) for row in taught)),
    )  # fmt: skip
    yield {"foretold": rows(foretold), "allocated": foretold.memory.allocated, "fits": foretold.fits}
    fastest = peak(said.device, torch.bfloat16 if said.device == "cuda" else torch.float32)
    yield {"peak_tflops": fastest / 1e12, "gpu": here.gpu or "CPU"}
    work = Work(measured(config), one, fastest)
    counted = [len(row.input_ids) for row in taught[said.batch :]]
    courses.write(folder / "training", course, taught, [])
    yield row_of("sera", work, counted, ours(course, config, folder / "training", said), foretold)
    if said.plain != "none":
        who = f"TRL, weights {'of float32' if said.plain == 'default' else 'as ours'}"
        yield row_of(who, work, counted, plain(said, config, one, taught, folder))


class Work(NamedTuple):
    """What all rows of one call share."""

    shape: Shape
    recipe: Recipe
    fastest: float


def config_of(said: argparse.Namespace) -> Any:
    from transformers import Qwen3Config

    hidden, layers, heads, shared, head, inner, words, context = SHAPES[said.shape]
    return Qwen3Config(
        vocab_size=words, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=shared, head_dim=head, intermediate_size=inner, tie_word_embeddings=False,
        max_position_embeddings=max(context, said.context), architectures=["Qwen3ForCausalLM"],
        bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip


def recipe_of(said: argparse.Namespace) -> Recipe:
    name = f"{'paper' if said.method == 'full' else 'lora'}-{'32b' if said.shape == '32b' else '8b'}"
    changed = {"batch": said.batch, "epochs": 1, "attention": said.attention, "offload": said.offload,
               "optimizer": said.optimizer}  # fmt: skip
    return recipe(name, changes=changed | ({"rank": said.rank} if said.rank else {}))


def longest(said: argparse.Namespace) -> int:
    return int(said.context or SHAPES[said.shape][-1])


def written(said: argparse.Namespace, config: Any, one: Recipe, folder: Path) -> Course:
    """The course, of a student that has a config and a tokenizer of a few words, and no weights."""
    base = folder / "base"
    config.save_pretrained(base)
    words().save_pretrained(base)
    student = Student(name=f"random-{said.shape}", base=str(base), context=longest(said))
    layout = Layout(tokens=longest(said), cpu=said.device == "cpu")
    return Course(student=student, recipe=one, layout=layout, shuffle=False, versions=courses.versions())


def words() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    known = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(known, unk_token="<|endoftext|>")), eos_token="<|im_end|>",
        pad_token="<|endoftext|>", unk_token="<|endoftext|>",
    )  # fmt: skip


def drawn(said: argparse.Namespace) -> list[Row]:
    """Rows of random tokens, as many as the steps take, and of the profile's lengths."""
    chance, most = random.Random(said.seed), longest(said)
    made = []
    for number in range(said.batch * (said.steps + 1)):
        length = most if chance.random() < 0.25 else chance.randint(most // 4, most)
        ids = array("i", (chance.randrange(3, SHAPES[said.shape][6]) for _ in range(length)))
        made.append(Row(f"r{number}", ids, labels(ids, chance)))
    return made


def labels(ids: "array[int]", chance: random.Random) -> "array[int]":
    """Turns that are read, three times as long as those that are learned after each of them."""
    made, unit = array("i"), max(4, len(ids) // 64)
    while len(made) < len(ids):
        made += array("i", [IGNORED]) * chance.randint(2 * unit, 4 * unit)
        made += ids[len(made) : len(made) + chance.randint(unit // 2, unit + unit // 2)]
    return made[: len(ids)]


def room(course: Course) -> int:
    from sera_cli.train import tutor

    return tutor.room(course, tutor.attending(course))


def peak(device: str, dtype: Any) -> float:
    """Operations a second of the fastest of several products of two square matrices."""
    import torch

    side = SQUARE[device]
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        began = now(device)
        for _ in range(10):
            one @ other
        best = max(best, 10 * 2 * side**3 / (now(device) - began))
    return best


def now(device: str) -> float:
    """Seconds, once all that was asked of the device is done."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def random_model(config: Any, dtype: Any, attention: str, device: str) -> Any:
    """Made where it is used: transformers draws the weights there."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)


def ours(course: Course, config: Any, folder: Path, said: argparse.Namespace) -> tuple[float, int]:
    """Our trainer on the rows of a course's folder."""
    from sera_cli.train import tutor

    own = tutor.model
    try:
        tutor.model = lambda course, chosen: made(course.recipe, config, chosen.name, said)
        trainer = tutor.trainer(course, folder)
    finally:
        tutor.model = own
    return timed(trainer, said.device)


def made(one: Recipe, config: Any, attention: str, said: argparse.Namespace) -> Any:
    """As the tutor loads weights: bfloat16 under an adapter on a GPU, else float32."""
    import torch

    half = said.device == "cuda" and one.method == "lora"
    return random_model(config, torch.bfloat16 if half else torch.float32, attention, said.device)


def plain(
    said: argparse.Namespace, config: Any, one: Recipe, taught: list[Row], folder: Path
) -> tuple[float, int]:
    """TRL as its documentation has it, but that it takes the rows in the same order."""
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from sera_cli.train import attention, tutor

    kernel = attention.kernel(str(folder / "base"), one.attention).name
    same = said.plain == "same"
    model = made(one, config, kernel, said) if same else random_model(config, torch.float32, kernel, said.device)
    data = Dataset.from_dict({"input_ids": [list(row.input_ids) for row in taught],
                              "labels": [list(row.labels) for row in taught]})  # fmt: skip
    trainer = SFTTrainer(
        model=model, train_dataset=data, processing_class=words(), peft_config=tutor.lora(one),
        args=SFTConfig(
            output_dir=str(folder / "plain"), max_length=longest(said), per_device_train_batch_size=1,
            gradient_accumulation_steps=said.batch, num_train_epochs=1, use_cpu=said.device == "cpu",
            train_sampling_strategy="sequential", report_to="none", save_strategy="no", disable_tqdm=True,
        ),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return timed(trainer, said.device)


def timed(trainer: Any, device: str) -> tuple[float, int]:
    """Seconds of all steps but the first, 0 where memory ran out; and the most bytes that were held on a GPU."""
    import torch
    from transformers import TrainerCallback

    marks: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(now(device))

    trainer.add_callback(Clock())
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        trainer.train()
    except torch.OutOfMemoryError:
        marks = [0.0, 0.0]
    most = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    trainer.model = trainer.model_wrapped = trainer.optimizer = None
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return marks[-1] - marks[0], most


def row_of(
    who: str, work: Work, lengths: list[int], measured_: tuple[float, int], foretold: Plan | None = None
) -> dict[str, Any]:
    """What one trainer came to. Without memory to measure, on a CPU, there is none to compare."""
    seconds, most = measured_
    operations = flops(work.shape, work.recipe, lengths, trained=LEARNED)
    found: dict[str, Any] = {"who": who, "tokens": sum(lengths), "seconds": seconds}
    if not seconds:
        return found | {"failed": "out of memory", "peak_gib": most / GIB}
    found |= {
        "tokens_per_second": sum(lengths) / seconds, "utilisation": operations / seconds / work.fastest,
        "peak_gib": most / GIB,
    }  # fmt: skip
    if foretold and most:
        found |= {"foretold_gib": foretold.memory.allocated / GIB, "foretold_off": foretold.memory.allocated / most - 1}
    return found


def line(found: dict[str, Any]) -> str:
    """For a person: the plan as a table, or what was measured in a line."""
    if "foretold" in found:
        return "\n".join(f"{name:10} {value}" for name, value in found["foretold"])
    return ", ".join(f"{key} {value:,.3f}" if isinstance(value, float) else f"{key} {value}"
                     for key, value in found.items())  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
