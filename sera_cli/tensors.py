"""What a safetensors file holds, read off its header: names, types and shapes, and whether the file is whole."""

import json
import struct
from pathlib import Path
from typing import Any

from sera_cli.errors import DataError

LONGEST = 100_000_000
"""Bytes of a header that the format allows."""


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
