"""What a process does with the memory that its tensors give back."""

from __future__ import annotations

import contextlib
import ctypes

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
LARGEST = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Lets the allocator of glibc keep what is freed instead of asking the system anew at every step, for hundreds of
    thousands of pages. False where the allocator is another one, which decides for itself.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        return bool(libc.mallopt(MMAP_THRESHOLD, LARGEST) and libc.mallopt(TRIM_THRESHOLD, 2 * LARGEST - 1))
    return False
