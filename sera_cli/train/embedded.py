"""The embedded student: a few million parameters, made on this machine from Python's standard library alone.

It proves the road from data to agent without a download. All rehearsal agents of a machine share it as their base.
"""

import fcntl
import json
import math
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sera_cli.errors import DataError
from sera_cli.train import memory
from sera_cli.train.corpus import conversation, functions, library, sources
from sera_cli.train.metrics import Progress
from sera_cli.types import Value, digest

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")


class Making(Value):
    """Everything the embedded student's weights depend on, apart from the standard library itself."""

    vocabulary: int = 8192
    hidden: int = 192
    layers: int = 4
    heads: int = 4
    shared_heads: int = 2
    head: int = 32
    inner: int = 640
    context: int = 8192
    length: int = 1024
    batch: int = 2
    steps: int = 120
    warmup: int = 30
    rate: float = 3e-3
    seed: int = 0


MAKING = Making()


def name(making: Making = MAKING) -> str:
    """`rehearsal-` and a digest: another recipe or another Python makes another base, and adapters must not mix."""
    return "rehearsal-" + digest([making.model_dump(), list(sys.version_info[:3])], 8)


def ensure(
    cache: Path, making: Making = MAKING, *, root: Path | None = None, on_progress: Progress | None = None
) -> Path:
    """The folder of the embedded student, made on first use. Concurrent callers wait for the one that makes it, and are
    told of step 0 when they begin to.
    """
    folder = cache / "students" / name(making)
    with _alone(folder, lambda: on_progress(0, making.steps, 0.0) if on_progress else None):
        if not (folder / "model.safetensors").exists():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            try:
                part.mkdir(parents=True)
                build(part, making, root=root, on_progress=on_progress)
                part.replace(folder)
            except OSError as error:
                raise DataError(f"the embedded student cannot be kept: {error.strerror or error}", folder) from error
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def build(
    folder: Path, making: Making = MAKING, *, root: Path | None = None, on_progress: Progress | None = None
) -> None:
    """Makes tokenizer and weights into `folder` from the sources under `root`, the standard library when None.

    The same sources, seed and thread count make the same bytes.
    """
    hush()
    memory.keep()
    texts = sources(root or library())
    tokenizer = _tokenizer(texts, making)
    rows = _rows(texts, tokenizer, making)
    model = _pretrain(rows, tokenizer, making, on_progress)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def hush() -> None:
    """No usage statistics (TRL sends some for each trainer), no progress bars but ours, no talk between libraries."""
    import warnings

    import datasets
    import huggingface_hub.constants
    from transformers.utils import logging

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|peft|trl")


def _tokenizer(texts: dict[str, str], making: Making) -> Any:
    """Byte-level BPE with the control tokens of ChatML and the markers of the wire format, as Qwen3's has them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=making.vocabulary - len(SPECIAL) - len(MARKERS), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    chosen = random.Random(making.seed).sample(sorted(texts), min(len(texts), 200))
    escaped = [json.dumps(texts[path]) for path in chosen[:50]]  # code as a tool call's argument has it
    bpe.train_from_iterator([*(texts[path] for path in chosen), *escaped], trainer)
    bpe.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    bpe.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKERS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False,
        model_max_length=making.context,
    )


def _rows(texts: dict[str, str], tokenizer: Any, making: Making) -> list[list[int]]:
    """Rows of `length` tokens: conversations made of single functions, laid end to end in a seeded order."""
    chance = random.Random(making.seed)
    pool = functions(texts)
    chance.shuffle(pool)
    rows: list[list[int]] = []
    row: list[int] = []
    for function in pool:
        row += tokenizer.encode(conversation(function, chance), add_special_tokens=False)[: making.length]
        while len(row) >= making.length:
            rows.append(row[: making.length])
            row = row[making.length :]
        if len(rows) >= making.steps * making.batch:
            break
    return rows


def _pretrain(rows: list[list[int]], tokenizer: Any, making: Making, tell: Progress | None) -> Any:
    import torch
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(making.seed)
    model = Qwen3ForCausalLM(_config(tokenizer, making)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=making.rate, betas=(0.9, 0.95), weight_decay=0.1)
    steps = min(making.steps, len(rows) // making.batch)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = making.rate * _schedule(step, steps, making.warmup)
        batch = torch.tensor(rows[step * making.batch : (step + 1) * making.batch])
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if tell:
            tell(step + 1, steps, loss.item())
    return model.eval()


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    rise = min(1.0, (step + 1) / warmup)
    return rise * (0.55 + 0.45 * math.cos(math.pi * step / max(1, steps)))


def _config(tokenizer: Any, making: Making) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=making.vocabulary, hidden_size=making.hidden, num_hidden_layers=making.layers,
        num_attention_heads=making.heads, num_key_value_heads=making.shared_heads, head_dim=making.head,
        intermediate_size=making.inner, max_position_embeddings=making.context, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )


@contextmanager
def _alone(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Waits until no other process makes this student. The lock is the file's, so a killed maker frees it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.with_name(f".{folder.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise DataError(f"the embedded student cannot be kept: {error.strerror or error}", folder) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
