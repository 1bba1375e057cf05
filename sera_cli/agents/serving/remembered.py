"""A tokenizer that remembers what it read: a conversation comes back whole with each turn, and little of it is new."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from sera_cli.harness.tokens import Tokenizer

MOST = 32 * 1024**2
"""Characters of texts that are kept, with about a byte of ids for each; a long conversation has some 200,000."""


class Remembered:
    """Reads as `tokenizer` does, each text once as long as it is among those last asked for. Threads may share it."""

    def __init__(self, tokenizer: Tokenizer, most: int = MOST) -> None:
        self._tokenizer, self._most = tokenizer, most
        self._known: OrderedDict[str, array[int]] = OrderedDict()
        self._held, self._lock = 0, Lock()

    def encode(self, text: str) -> list[int]:
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        with self._lock:
            found = {text: self._asked(text) for text in texts}
        new = [text for text, ids in found.items() if ids is None]
        read = dict(zip(new, self._tokenizer.batch(new), strict=True)) if new else {}
        with self._lock:
            for text in new:
                self._keep(text, array("i", read[text]))
        return [read[text] if (ids := found[text]) is None else ids.tolist() for text in texts]

    def special(self, name: str) -> int:
        return self._tokenizer.special(name)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)

    def _asked(self, text: str) -> "array[int] | None":
        if text in self._known:
            self._known.move_to_end(text)
        return self._known.get(text)

    def _keep(self, text: str, ids: "array[int]") -> None:
        if text not in self._known:
            self._held += len(text)
        self._known[text] = ids
        while self._held > self._most:
            self._held -= len(self._known.popitem(last=False)[0])
