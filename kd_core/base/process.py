"""What a process does with the memory that its tensors give back."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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


# Python lets a busy thread keep the interpreter for 5 ms; at 0.5 ms the screen answers while small networks train.
SWITCH_SECONDS = 0.0005

_lock = threading.Lock()
_busy = 0  # threads that train
_usual = 0.0  # seconds, before the first of them began


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """For a thread that trains. What was usual comes back when the last of them is done, in whatever order they end."""
    global _busy, _usual
    with _lock:
        if not _busy:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
        _busy += 1
    try:
        yield
    finally:
        with _lock:
            _busy -= 1
            if not _busy:
                sys.setswitchinterval(_usual)


@functools.cache
def exit_without_joining() -> None:
    """For a server, before anything else registers with ``atexit``: when all that did is done, the process ends.

    Threads in the background cannot be told to end while torch compiles, some ten seconds, and Python lets none of them
    back in: the C++ under them then aborts the process, with an exit status as if something had been lost.
    """
    atexit.register(_end)


def _end() -> None:
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
