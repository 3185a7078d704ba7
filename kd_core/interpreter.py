"""Python's interpreter lock while networks train: how long a busy thread may keep it from the others."""

from __future__ import annotations

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
