"""Python's interpreter while networks train: how long a busy thread may keep its lock, and how it ends beside one."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Python lets a busy thread keep the interpreter for 5 ms; at 0.5 ms the screen answers while small networks train.
SWITCH_SECONDS = 0.0005

_lock = threading.Lock()
_busy = 0  # threads that train
_usual = 0.0  # seconds, before the first of them began


@contextmanager
def shared() -> Iterator[None]:
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
def end_without_waiting() -> None:
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
