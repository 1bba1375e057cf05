"""A registered agent, or a bare base, answering in this process: the Model seam over transformers and PEFT."""

import json
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from sera_cli.errors import ContextOverflow, Late, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.harness.model import OnText
from sera_cli.harness.wire.family import Wire
from sera_cli.types import Message, Reply, Usage


class LocalModel:
    """`base` is a folder or a hub id; `weights` a PEFT adapter on it, a fully tuned model, or None for the base alone.

    It reads conversations, and writes thinking and calls, as `spoken` says: in the shape it was trained on.
    Replies are greedy at temperature 0, else sampled from `seed`: one instance makes the same replies to the same
    conversations. What a conversation shares with the one before it is not computed again. Not for several threads.
    """

    def __init__(
        self, base: str, weights: Path | None = None, *, name: str, context: int, max_tokens: int = 2048,
        temperature: float = 0.0, seed: int = 0, spoken: Wire = wire.DEFAULT,
    ) -> None:
        """Loads the weights. Raises ModelError when they are not there, do not load, or lack a token of the wire."""
        import torch

        self.name = name
        self.sampling: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
        self._context, self._max_tokens, self._temperature = context, max_tokens, temperature
        self._tokenizer = tokens.load(str(weights or base))
        self._spoken = spoken
        self._end = self._tokenizer.special(wire.ending(spoken))
        self._model = _load(base, weights)
        self._chance = torch.Generator(device="cpu").manual_seed(seed)
        self._seen: list[int] = []
        self._cache: Any = None

    def reply(
        self, messages: list[Message], tools: list[dict[str, Any]], *, on_text: OnText | None = None, until: float = inf
    ) -> Reply:
        """The next assistant message; `on_text` hears it as it grows. Raises ContextOverflow when nothing more fits."""
        flat = wire.flatten(messages, tools, self._spoken)
        prompt = tokens.encode(flat, self._tokenizer, self._spoken, prompt=True).ids
        room = self._context - len(prompt)
        if room <= 0:
            raise ContextOverflow(f"the conversation has {len(prompt)} tokens, and {self.name} reads {self._context}")
        reused = self._rewind(prompt)
        sampled: list[int] = []
        shown = ""
        for token in self._sample(prompt[reused:], min(room, self._max_tokens), self._temperature):
            sampled.append(token)
            if monotonic() > until:
                raise Late(f"{self.name} was still writing after {len(sampled)} tokens")
            if on_text:
                shown = _tell(self._tokenizer.decode(sampled), shown, on_text)
        if not self._ended and len(sampled) >= room:
            raise ContextOverflow(f"the reply of {self.name} does not fit into its {self._context} tokens")
        turn = sum(message["role"] == "assistant" for message in messages)
        made = wire.parse(self._tokenizer.decode(sampled), turn=turn, tools=tools, spoken=self._spoken)
        usage = Usage(prompt=len(prompt), cached=reused, completion=len(sampled))
        return made.model_copy(update={"usage": usage})

    def grows(self, prompt: Sequence[int], limit: int, *, temperature: float) -> Iterator[str]:
        """All that it writes after these ids, with each token of at most `limit`, until its turn ends.

        A character whose bytes have not all come waits for the next token.
        """
        sampled: list[int] = []
        for token in self._sample(prompt[self._rewind(prompt):], limit, temperature):
            sampled.append(token)
            yield self._tokenizer.decode(sampled).rstrip("\ufffd")

    def _rewind(self, prompt: Sequence[int]) -> int:
        """Keeps of the cache what `prompt` begins with, short of its last token; returns how many tokens that is."""
        from transformers import DynamicCache

        shared = 0
        for old, new in zip(self._seen, prompt[:-1], strict=False):
            if old != new:
                break
            shared += 1
        if self._cache is None or shared == 0:
            self._cache, shared = DynamicCache(), 0
        elif shared < len(self._seen):
            self._cache.crop(shared - len(self._seen))  # negative: how many to take off the end
        self._seen = list(prompt[:shared])
        return shared

    def _sample(self, fresh: Sequence[int], limit: int, temperature: float) -> Iterator[int]:
        """Reads `fresh`, then yields token after token until the turn ends or `limit` of them came."""
        self._ended = False
        for _ in range(limit):
            token = self._next(fresh, temperature)
            self._ended = token == self._end
            if self._ended:
                return
            yield token
            fresh = [token]

    def _next(self, fresh: Sequence[int], temperature: float) -> int:
        import torch

        cache, self._cache = self._cache, None  # Ctrl-C may leave some of its layers a token ahead of others
        with torch.inference_mode():
            ids = torch.tensor([list(fresh)], device=self._model.device)
            out = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._seen += fresh
        self._cache = cache
        scores = out.logits[0, -1].float().cpu()
        if temperature == 0:
            return int(scores.argmax())
        return int(torch.multinomial(torch.softmax(scores / temperature, -1), 1, generator=self._chance))


def _tell(text: str, shown: str, on_text: OnText) -> str:
    """Passes on what is new. A character whose bytes have not all come yet waits for the next token."""
    whole = text.rstrip("\ufffd")
    if len(whole) > len(shown):
        on_text(whole[len(shown):])
        return whole
    return shown


def _load(base: str, weights: Path | None) -> Any:
    """The model, in evaluation mode, on a GPU when there is one."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    adapter = weights is not None and (weights / "adapter_config.json").exists()
    source = base if weights is None or adapter else str(weights)
    gpu = torch.cuda.is_available()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.bfloat16 if gpu else torch.float32, attn_implementation="sdpa",
            trust_remote_code=False, use_safetensors=True,
        )
        if adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(weights), is_trainable=False)
    except (OSError, ValueError, RuntimeError, SafetensorError, json.JSONDecodeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"the weights of {source} do not load: {reason}") from error
    return model.to("cuda" if gpu else "cpu").eval()
