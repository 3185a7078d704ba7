"""Delays that grow with the number of wrong passwords."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FREE = 3  # wrong attempts of one session without a delay
MAX_DELAY = 300.0  # seconds
TOTAL_FREE = 20  # wrong attempts of all sessions together without a delay, since a new session costs nothing
TOTAL_MAX_DELAY = 30.0  # seconds; short, since it also delays those who know the password
MAX_SESSIONS = 10_000  # whose attempts are remembered


class LoginThrottle:
    """Login delays of all sessions of this process. Thread-safe.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}  # by session: count and time of the last one
        self._total = 0, 0.0
        self._lock = threading.Lock()

    def attempt(self, session: str) -> float:
        """Return the seconds until this session may try again; 0 counts as a failure until :meth:`succeed`.

        Checking and counting are one operation, so that of many simultaneous attempts only the first is free.
        """
        with self._lock:
            now = self._clock()
            failures = self._failures.get(session, (0, 0.0))
            delay = max(
                _remaining(failures, now, FREE, MAX_DELAY),
                _remaining(self._total, now, TOTAL_FREE, TOTAL_MAX_DELAY),
            )
            if delay > 0:
                return delay
            self._failures.pop(session, None)  # inserted again at the end, since the first entry is evicted
            self._failures[session] = failures[0] + 1, now
            is_first = now - self._total[1] > MAX_DELAY
            self._total = 1 if is_first else self._total[0] + 1, now
            if len(self._failures) > MAX_SESSIONS:
                del self._failures[next(iter(self._failures))]
            return 0.0

    def succeed(self, session: str) -> None:
        """Forget the failures of a session that gave the right password."""
        with self._lock:
            self._failures.pop(session, None)
            self._total = max(0, self._total[0] - 1), self._total[1]


def _remaining(failures: tuple[int, float], now: float, free: int, max_delay: float) -> float:
    """Return the remaining delay in seconds. It is 1 s after the free attempts, doubled by each further failure."""
    count, last = failures
    if count < free:
        return 0.0
    return max(0.0, last + min(max_delay, 2.0 ** min(count - free, 30)) - now)
