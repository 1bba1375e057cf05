"""What a safetensors file holds, read off its header: names, types and shapes, and whether the file is whole."""

import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sera_cli.errors import DataError

LONGEST = 100_000_000
"""Bytes of a header that the format allows."""


PEFT = "base_model.model."
"""What PEFT begins the names of an adapter's weights with, once."""
WRAPPED = re.compile(
    r"(?<!\w)(?:_checkpoint_wrapped_module|_fsdp_wrapped_module|_forward_module|_orig_mod)\."
    r"|(?:^|(?<=^base_model\.model\.))module\."
)
"""What trainers wrap a model in, and what then stands in the names of its weights. Further in, `module` is a name."""


def wrapped(names: Iterable[str]) -> list[str]:
    """Those that are not the model's own names of weights, in their order, as a trainer's wrapping is in them."""
    return [name for name in sorted(names) if WRAPPED.search(name) or name.count(PEFT) > 1]


def header(file: Path) -> dict[str, dict[str, Any]]:
    """`dtype`, `shape` and `data_offsets` of every tensor, by name; no weight is read.

    Raises DataError for what is no such file, and for one that ends before its last tensor does.
    """
    try:
        with file.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > LONGEST:
                raise ValueError("it does not begin with the length of a header")
            found: dict[str, dict[str, Any]] = json.loads(handle.read(length))
            size = file.stat().st_size
        tensors = {name: about for name, about in found.items() if name != "__metadata__"}
        wanted = 8 + length + max((about["data_offsets"][1] for about in tensors.values()), default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DataError(f"is no safetensors file: {error}", file) from error
    if size < wanted:
        raise DataError(f"is torn: it has {size:,} bytes, and its header speaks of {wanted:,}", file)
    return tensors
