"""Process settings for memory, thread switching and exit, and the environment of another process."""

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
from pathlib import Path

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
LARGEST_THRESHOLD = 1 << 30  # bytes


def keep_freed_memory() -> bool:
    """Let glibc's malloc keep freed memory in the process; return False where another allocator is used.

    By default each training step gives its memory back and asks for it again, hundreds of thousands of pages.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        return bool(mallopt(MMAP_THRESHOLD, LARGEST_THRESHOLD) and mallopt(TRIM_THRESHOLD, 2 * LARGEST_THRESHOLD - 1))
    return False


def child_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a process that can import this package, with some variables set."""
    folders = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders)), **variables}


# By default a busy thread keeps the interpreter for 5 ms; at 0.5 ms the screen answers while small networks train.
SWITCH_SECONDS = 0.0005

_lock = threading.Lock()
_training_threads = 0
_default_interval = 0.0  # seconds, before the first of them began


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """Shorten Python's switch interval until the last training thread leaves this context."""
    global _training_threads, _default_interval
    with _lock:
        if not _training_threads:
            _default_interval = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
        _training_threads += 1
    try:
        yield
    finally:
        with _lock:
            _training_threads -= 1
            if not _training_threads:
                sys.setswitchinterval(_default_interval)


@functools.cache
def exit_without_joining() -> None:
    """Make the process exit without waiting for background threads.

    Call it before anything else registers with ``atexit``, whose functions run in reverse order. A thread in which
    torch compiles cannot be stopped for some ten seconds; when it then returns to an interpreter that has ended, its
    C++ code aborts the process with an error status.
    """
    atexit.register(_exit_now)


def _exit_now() -> None:
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
