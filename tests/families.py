"""Students of every family, small enough to be made within a test: real control tokens and splitting, random weights.

Each family's own chat template comes with it: TRL's copies where TRL ships one, else a fixture.
"""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, get_args

from sera_cli.harness import wire
from sera_cli.harness.wire.family import Name
from sera_cli.train import embedded
from sera_cli.train.student import Student

NAMES: tuple[Name, ...] = get_args(Name)
CONTEXT = 4096
GOLDEN = Path(__file__).parent / "golden" / "templates"

CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CALLS = ["<tool_call>", "</tool_call>"]
QWEN3 = [*CALLS, "<tool_response>", "</tool_response>", "<think>", "</think>"]
LLAMA3 = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
]  # fmt: skip
MISTRAL = [
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]",
]  # fmt: skip
ADDED: dict[Name, tuple[list[str], list[str]]] = {
    "qwen2.5": (CHATML, CALLS), "qwen3": (CHATML, QWEN3), "qwen3-coder": (CHATML, QWEN3), "llama3": (LLAMA3, []),
    "mistral": (MISTRAL, []),
}
"""Control tokens, and markers that are plain text with an id of their own, as the families' tokenizers have them."""

ENDS: dict[Name, tuple[str | None, str, str]] = {
    "qwen2.5": (None, "<|im_end|>", "<|endoftext|>"),
    "qwen3": (None, "<|im_end|>", "<|endoftext|>"),
    "qwen3-coder": (None, "<|im_end|>", "<|endoftext|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>"),
    "mistral": ("<s>", "</s>", "<pad>"),
}
"""What a tokenizer calls bos, eos and pad."""

LETTERS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS: dict[Name, str] = {
    "qwen2.5": LETTERS % "", "qwen3": LETTERS % "", "qwen3-coder": LETTERS % "", "llama3": LETTERS % "{1,3}",
    "mistral": TEKKEN,
}
"""Where a text may be split into tokens, and where not: `>` and the newline after it are one piece."""


def own_template(family: Name) -> str:
    """The chat template that the family's models come with."""
    if family in ("qwen3-coder", "mistral"):
        return (GOLDEN / f"{family}.jinja").read_text(encoding="utf-8")
    return trl_template({"qwen2.5": "qwen2_5", "qwen3": "qwen3", "llama3": "llama3_1"}[family])


def trl_template(name: str) -> str:
    """A chat template that TRL ships, as it stands in the model's own repository."""
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


@cache
def merges(pattern: str) -> tuple[tuple[str, str], ...]:
    """Some hundred merges of byte-level BPE, in order, learned from a text that stays as it is."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = splitting(Regex(pattern))
    trainer = trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator([(GOLDEN / "qwen3-coder.jinja").read_text(encoding="utf-8")], trainer)
    return tuple((left, right) for left, right in json.loads(bpe.to_str())["model"]["merges"])


def splitting(pattern: Any) -> Any:
    from tokenizers import pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "isolated"), byte_level])


def byte_letters() -> list[str]:
    """How byte-level BPE writes each byte, 0 to 255, as one printable character."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256)]


def tokenizer(family: Name) -> Any:
    """Ids: control tokens and markers, then the 256 bytes, then what the merges make, in order."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, processors
    from transformers import PreTrainedTokenizerFast

    control, markers = ADDED[family]
    steps = merges(PATTERNS[family])
    words = [*control, *markers, *byte_letters(), *("".join(pair) for pair in steps)]
    bpe = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, list(steps)))
    bpe.pre_tokenizer = splitting(Regex(PATTERNS[family]))
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in control])
    bpe.add_tokens([AddedToken(text, special=False, normalized=False) for text in markers])
    bos, eos, pad = ENDS[family]
    if bos:  # where nobody says otherwise, the real ones put it in front of any text
        bpe.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=[(bos, words.index(bos))])
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=bos, eos_token=eos, pad_token=pad, clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )  # fmt: skip
    made.chat_template = own_template(family)
    return made


def tekken(place: Path) -> Path:
    """The same vocabulary as Mistral's own file has it: the ids are those of `tokenizer("mistral")`."""
    from base64 import b64encode

    bytes_of = {letter: number for number, letter in enumerate(byte_letters())}
    words = [*byte_letters(), *("".join(pair) for pair in merges(TEKKEN))]
    spelled = (bytes(bytes_of[letter] for letter in word) for word in words)
    file = place / "tekken.json"
    file.write_text(json.dumps({
        "config": {
            "pattern": TEKKEN, "num_vocab_tokens": len(words), "default_vocab_size": len(words) + len(MISTRAL),
            "default_num_special_tokens": len(MISTRAL), "version": "v13",
        },
        "vocab": [
            {"rank": rank, "token_bytes": b64encode(text).decode(), "token_str": None}
            for rank, text in enumerate(spelled)
        ],
        "special_tokens": [
            {"rank": rank, "token_str": text, "is_control": True} for rank, text in enumerate(MISTRAL)
        ],
    }))  # fmt: skip
    return file


@cache
def folder(family: Name) -> Path:
    """A model folder as the hub has them: config, weights, tokenizer, and the family's own chat template."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    place = Path(mkdtemp(prefix="family-")) / family
    embedded.hush()
    kind = {"qwen2.5": "qwen2", "qwen3": "qwen3", "qwen3-coder": "qwen3", "llama3": "llama", "mistral": "mistral"}
    made = tokenizer(family)
    config = AutoConfig.for_model(
        kind[family], vocab_size=len(made), hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32, intermediate_size=96, max_position_embeddings=CONTEXT,
        tie_word_embeddings=True, bos_token_id=made.bos_token_id, eos_token_id=made.eos_token_id,
        pad_token_id=made.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(place)
    made.save_pretrained(place)
    return place


@cache
def student(family: Name) -> Student:
    """A student of that family, its wire found from its tokenizer."""
    from sera_cli.train.student import student as found

    return found(str(folder(family)), Path("unused"))


def learned(given: Student, out: Path) -> Path:
    """What is left of a full training on one conversation, `tests.students.chat()`, until it is known by heart."""
    from tests.students import FULL, TOOLS, chat, sample, train

    row = sample().model_copy(update={"messages": tuple(wire.flatten(chat(), TOOLS, given.wire))})
    longer = FULL.model_copy(update={"epochs": 120, "batch": 1, "learning_rate": 1e-2, "save_every": 120})
    train([row], [], given, longer, out, seed=0)
    return out
