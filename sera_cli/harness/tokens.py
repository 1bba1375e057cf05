"""ChatML as token ids, with the mask that says which of them are learned. Training, cutting and sampling count alike.

Control tokens are put in by id and nowhere else: `<|im_end|>` in a file that a model reads is plain text.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from sera_cli.errors import ModelError
from sera_cli.types import Message, Value

START, END = "<|im_start|>", "<|im_end|>"


class Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]:
        """Ids of a text in which control tokens mean nothing; markers such as `<tool_call>` keep their own ids."""
        ...

    def special(self, name: str) -> int:
        """The id of a control token or marker. Raises ModelError when the vocabulary lacks it."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens and markers included."""
        ...


class Encoded(Value):
    """Token ids, and for each whether the loss covers it."""

    ids: tuple[int, ...]
    mask: tuple[bool, ...]


def load(name: str) -> Tokenizer:
    """The tokenizer of a local folder or a hub id; no code of the model's runs. Raises ModelError."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ModelError("transformers is not installed; run: pip install 'sera[train]'") from error
    try:
        return Pretrained(name, AutoTokenizer.from_pretrained(name, trust_remote_code=False))
    except (OSError, ValueError, ImportError) as error:
        why = str(error).strip().partition("\n")[0]
        text = f"no tokenizer can be loaded from {name!r} ({why}); is it a model folder or a hub id?"
        raise ModelError(text) from error


def encode(flat: Iterable[Message], tokenizer: Tokenizer, *, prompt: bool = False) -> Encoded:
    """A flattened conversation as ids; with `prompt`, up to where the next assistant turn begins.

    The mask covers what the assistant writes in turns to be trained on, `<|im_end|>` included, and nothing else. The
    ids of a conversation begin with the ids of any of its own beginnings.
    """
    parts = list(turns(flat, tokenizer))
    if prompt:
        head = (tokenizer.special(START), *tokenizer.encode("assistant\n"))
        parts.append(Encoded(ids=head, mask=(False,) * len(head)))
    return Encoded(
        ids=tuple(token for part in parts for token in part.ids),
        mask=tuple(learned for part in parts for learned in part.mask),
    )


def turns(flat: Iterable[Message], tokenizer: Tokenizer) -> Iterator[Encoded]:
    """The conversation message by message; their ids laid end to end are the conversation's."""
    start, end = tokenizer.special(START), tokenizer.special(END)
    newline = tokenizer.encode("\n")
    for message in flat:
        role, content = message["role"], message["content"]
        if role == "assistant":  # in two parts, since the first is what a student is given and the second what it adds
            head, body = [start, *tokenizer.encode("assistant\n")], [*tokenizer.encode(content), end]
        else:
            head, body = [start, *tokenizer.encode(f"{role}\n{content}"), end], []
        mask = (*[False] * len(head), *[bool(message["train"])] * len(body), *[False] * len(newline))
        yield Encoded(ids=(*head, *body, *newline), mask=mask)


class Pretrained:
    """A transformers tokenizer as a Tokenizer."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        self._name = name
        self._tokenizer = tokenizer
        self._added: dict[str, int] = tokenizer.get_added_vocab()

    def encode(self, text: str) -> list[int]:
        whole = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair breaks the tokenizer
        ids: list[int] = self._tokenizer.encode(whole, add_special_tokens=False, split_special_tokens=True)
        return ids

    def special(self, name: str) -> int:
        if name not in self._added:
            raise ModelError(f"the tokenizer of {self._name} has no {name}; take a ChatML student, such as Qwen3")
        return self._added[name]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
