"""Which samples go through the model together: an optimizer step's samples as micro-batches, shared out to the ranks.

Neither packing nor the number of ranks changes what is learned: a step's samples are fixed before, and its loss is the
mean over all their trained tokens.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heapreplace
from typing import TYPE_CHECKING

from sera_cli.train.rows import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

Micro = list[int]
"""A micro-batch: positions in the sequence of a training. An empty one only keeps a rank in step with the others."""
Document = tuple[Sequence[int], Sequence[int]]
"""Token ids and labels of one sample."""


def packed(
    lengths: Sequence[int], sequence: Sequence[int], batch: int, *, budget: int, ranks: int = 1
) -> list[list[Micro]]:
    """For each optimizer step its micro-batches, in the order in which ranks take them: i * ranks + r goes to rank r.

    `sequence` holds indices into `lengths` (tokens), `batch` of them a step. Documents share a micro-batch while they
    have `budget` tokens together; a longer one is alone, and with a budget of 0 each is. Every step has as many
    micro-batches as the one that needs most, a multiple of `ranks`, so that accumulation is the same in all of them.
    """
    steps = [range(first, min(first + batch, len(sequence))) for first in range(0, len(sequence), batch)]
    size = [lengths[index] for index in sequence]
    bins = [best_fit(step, size, budget) for step in steps]
    count = -(-max(map(len, bins), default=0) // ranks) * ranks
    return [_dealt(_spread(step, size, count, budget), size, ranks) for step in bins]


def best_fit(positions: Sequence[int], size: Sequence[int], budget: int) -> list[Micro]:
    """Bins of at most `budget` tokens by best-fit decreasing: each document, longest first, to the fullest with room.

    They are at most 11/9 of the fewest possible, and 4 more (Johnson et al., 1974).
    """
    bins: list[Micro] = []
    rooms: list[tuple[int, int]] = []  # free tokens and number of each bin, sorted
    for position in sorted(positions, key=lambda at: -size[at]):
        at = bisect_left(rooms, (size[position], -1))
        if at < len(rooms):
            free, number = rooms.pop(at)
        else:
            free, number = budget, len(bins)
            bins.append([])
        bins[number].append(position)
        if free > size[position]:
            insort(rooms, (free - size[position], number))
    return bins


def _spread(bins: list[Micro], size: Sequence[int], count: int, budget: int) -> list[Micro]:
    """The same documents in `count` bins, as even as can be: a rank that has less to read waits for the others.

    Where none would be too full, each document, longest first, goes to the bin that has least. Else the longest bins
    are halved while there are fewer, and empty ones added.
    """
    even = evenly([position for micro in bins for position in micro], size, count)
    if all(len(micro) < 2 or _tokens(micro, size) <= budget for micro in even):
        return even
    bins = list(bins)
    while len(bins) < count and (several := [micro for micro in bins if len(micro) > 1]):
        longest = max(several, key=lambda micro: _tokens(micro, size))
        bins.remove(longest)
        bins += evenly(longest, size, 2)
    return bins + [[] for _ in range(count - len(bins))]


def evenly(positions: Sequence[int], size: Sequence[int], count: int) -> list[Micro]:
    """`count` bins, of which the fullest has at most 4/3 of what the best division would give it (Graham, 1969)."""
    bins: list[Micro] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    for position in sorted(positions, key=lambda at: -size[at]):
        load, number = loads[0]
        bins[number].append(position)
        heapreplace(loads, (load + size[position], number))
    return bins


def _dealt(bins: list[Micro], size: Sequence[int], ranks: int) -> list[Micro]:
    """In rounds of `ranks`, longest first, so that no rank waits long; within one, most to the rank that had least.

    A micro-batch that does not fit into memory comes first, too, and fails within minutes and not within hours.
    """
    bins = sorted(bins, key=lambda micro: -_tokens(micro, size))
    had = [0] * ranks
    dealt: list[Micro] = []
    for first in range(0, len(bins), ranks):
        order = sorted(range(ranks), key=lambda rank: had[rank])
        shares = dict(zip(order, bins[first : first + ranks], strict=True))
        for rank in range(ranks):
            had[rank] += _tokens(shares[rank], size)
            dealt.append(shares[rank])
    return dealt


def _tokens(micro: Micro, size: Sequence[int]) -> int:
    return sum(size[position] for position in micro)


def collate(
    documents: Sequence[Document], *, filler: int = 0, multiple: int = 1, bounds: bool = False
) -> "dict[str, Tensor | int]":
    """A micro-batch as int64 tensors of shape [1, tokens]: input_ids, labels, position_ids, which restart per document.

    A document's first label is dropped, as the token before it is another's. No document gives the one token `filler`,
    which is not learned; more of it follows the last one until there are a `multiple` of tokens. `bounds` adds where
    documents begin and end, which flash attention would otherwise ask the GPU for in every layer. There is no attention
    mask: beside one, or with a cache, transformers does not look at positions to keep documents apart, so the model is
    to be called with `use_cache=False`.
    """
    import torch
    from torch.nn.functional import pad

    documents = documents or [([filler], [IGNORED])]
    parts = [torch.as_tensor(ids, dtype=torch.long) for ids, _ in documents]
    labels = [torch.as_tensor(given, dtype=torch.long).clone() for _, given in documents]
    for given in labels:
        given[0] = IGNORED
    short = -sum(map(len, parts)) % multiple
    parts[-1] = pad(parts[-1], (0, short), value=filler)
    labels[-1] = pad(labels[-1], (0, short), value=IGNORED)
    made: dict[str, Tensor | int] = {
        "input_ids": torch.cat(parts)[None], "labels": torch.cat(labels)[None],
        "position_ids": torch.cat([torch.arange(len(part)) for part in parts])[None],
    }
    return made | _bounds([len(part) for part in parts]) if bounds else made


def _bounds(lengths: list[int]) -> "dict[str, Tensor | int]":
    """What transformers hands on to the kernels for rows of several lengths."""
    import torch

    ends = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    longest = max(lengths)
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
