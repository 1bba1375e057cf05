"""Training on a CPU asks for the same large blocks again at every step; here the C library is told to keep them."""

import ctypes

TRIM, MAP = -1, -3
"""glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD: free memory at the top of the heap that is given back; block size from
which memory is mapped for one block alone. By default every large tensor is mapped, cleared and unmapped by the kernel.
"""
KEPT, MAPPED = 2**31 - 1, 2**30


def keep() -> bool:
    """Keeps freed memory for the next step, for this process; whether the C library knows how (glibc does)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MAP, MAPPED)) and bool(mallopt(TRIM, KEPT))
