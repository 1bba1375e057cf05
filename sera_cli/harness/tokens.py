"""Conversations as token ids, with what of them is learned. Training, cutting and sampling count alike.

Control tokens are put in by id and nowhere else: `<|im_end|>` in a file that a model reads is plain text.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from sera_cli.errors import ModelError
from sera_cli.harness import wire
from sera_cli.harness.wire.family import DEFAULT, Wire
from sera_cli.types import Message

FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tokenizer.model",
)  # fmt: skip
"""What a tokenizer may be made of, in a model's folder."""
TEMPLATE = "chat_template.jinja"


class Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]:
        """Ids of a text in which control tokens mean nothing; markers such as `<tool_call>` keep their own ids."""
        ...

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        """What `encode` gives for each text, at the speed of all cores."""
        ...

    def special(self, name: str) -> int:
        """The id of a control token or marker. Raises ModelError when the vocabulary lacks it."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens and markers included."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and which of them the loss covers: from one index up to another, in order and never touching."""

    ids: "array[int]"
    learned: tuple[tuple[int, int], ...] = ()

    @property
    def trained(self) -> int:
        """How many tokens the loss covers."""
        return sum(end - start for start, end in self.learned)

    @property
    def mask(self) -> tuple[bool, ...]:
        """For each id whether the loss covers it."""
        made = bytearray(len(self.ids))
        for start, end in self.learned:
            made[start:end] = b"\1" * (end - start)
        return tuple(map(bool, made))


def load(name: str) -> Tokenizer:
    """The tokenizer of a local folder or a hub id; no code of the model's runs. Raises ModelError."""
    return Pretrained(name, pretrained(name))


def pretrained(name: str) -> Any:
    """That tokenizer as transformers has it, by its tokenizer.json. Raises ModelError."""
    try:
        from transformers import AutoTokenizer, PreTrainedTokenizerFast
    except ImportError as error:
        raise ModelError("transformers is not installed; run: pip install 'sera[train]'") from error
    try:
        found = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        if not hasattr(found, "backend_tokenizer"):  # where mistral-common is installed, it comes first for Mistral's
            found = PreTrainedTokenizerFast.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        why = str(error).strip().partition("\n")[0]
        text = f"no tokenizer can be loaded from {name!r} ({why}); is it a model folder or a hub id?"
        raise ModelError(text) from error
    return found


def encode(flat: Iterable[Message], tokenizer: Tokenizer, spoken: Wire = DEFAULT, *, prompt: bool = False) -> Encoded:
    """A flattened conversation as ids; with `prompt`, up to where the next assistant turn begins.

    The loss covers what the assistant writes in turns to be trained on, the token that ends the turn included, and
    nothing else. The ids of a conversation begin with the ids of any of its own beginnings.
    """
    framed = list(chain.from_iterable(frames(flat, spoken)))
    if prompt:
        framed += wire.opening(spoken)
    texts = list({piece.text: None for piece in framed if not piece.control})
    return lay(framed, tokenizer, dict(zip(texts, tokenizer.batch(texts), strict=True)).__getitem__)


def turns(flat: Iterable[Message], tokenizer: Tokenizer, spoken: Wire = DEFAULT) -> Iterator[Encoded]:
    """The conversation message by message; their ids laid end to end are the conversation's."""
    return (lay(framed, tokenizer, tokenizer.encode) for framed in frames(flat, spoken))


def frames(flat: Iterable[Message], spoken: Wire) -> Iterator[list[wire.Piece]]:
    """The text of each message and what stands around it."""
    return (wire.frame(message, spoken, first=not place) for place, message in enumerate(flat))


def lay(framed: Iterable[wire.Piece], tokenizer: Tokenizer, read: Callable[[str], Iterable[int]]) -> Encoded:
    """Pieces end to end as ids, where `read` knows the ids of their texts."""
    ids = array("i")
    learned: list[tuple[int, int]] = []
    for piece in framed:
        start = len(ids)
        if piece.control:
            ids.append(tokenizer.special(piece.text))
        else:
            ids.extend(read(piece.text))
        if piece.learned and len(ids) > start:
            begin = learned.pop()[0] if learned and learned[-1][1] == start else start
            learned.append((begin, len(ids)))
    return Encoded(ids, tuple(learned))


class Pretrained:
    """A transformers tokenizer as a Tokenizer."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        """Takes what counts into a tokenizer of its own, so that nobody else's settings change how a text is read."""
        from tokenizers import Tokenizer as Rust

        if not hasattr(tokenizer, "backend_tokenizer"):
            raise ModelError(f"the tokenizer of {name} has no tokenizer.json; take a student that has one")
        self._name = name
        self._tokenizer = tokenizer
        self._added: dict[str, int] = tokenizer.get_added_vocab()
        self._rust = Rust.from_str(tokenizer.backend_tokenizer.to_str())
        self._rust.encode_special_tokens = True  # text is text: no control token is read out of it
        self._rust.no_truncation()
        self._rust.no_padding()

    def encode(self, text: str) -> list[int]:
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        # half a surrogate pair breaks the tokenizer
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [made.ids for made in self._rust.encode_batch_fast(whole, add_special_tokens=False)]

    def special(self, name: str) -> int:
        if name not in self._added:
            text = f"the tokenizer of {self._name} has no {name}; take another student, or set student.family"
            raise ModelError(text)
        return self._added[name]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
