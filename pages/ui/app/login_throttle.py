"""Guessing a password takes time: after a few wrong ones every further attempt must wait, longer each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FREE = 3  # wrong attempts of one session that cost nothing
LONGEST = 300.0  # seconds
ALL_FREE = 20  # wrong attempts of all sessions together: a new session is easily had
ALL_LONGEST = 30.0  # seconds; short, since it keeps out who knows the password, too
KNOWN = 10_000  # sessions whose attempts are remembered


class LoginThrottle:
    """Of all sessions of this process. Safe to use from any thread. ``clock``: seconds, never going back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}  # how many, and when the last one was
        self._all = 0, 0.0
        self._lock = threading.Lock()

    def attempt(self, session: str) -> float:
        """Seconds until this session may try again; with 0 the attempt counts as wrong until :meth:`succeed`.

        Asking and counting are one: of many attempts at once only the first is free.
        """
        with self._lock:
            now = self._clock()
            own = self._wrong.get(session, (0, 0.0))
            left = max(
                _left(own, now, FREE, LONGEST),
                _left(self._all, now, ALL_FREE, ALL_LONGEST),
            )
            if left > 0:
                return left
            self._wrong.pop(session, None)  # the latest stand last
            self._wrong[session] = own[0] + 1, now
            quiet = now - self._all[1] > LONGEST
            self._all = 1 if quiet else self._all[0] + 1, now
            if len(self._wrong) > KNOWN:
                del self._wrong[next(iter(self._wrong))]
            return 0.0

    def succeed(self, session: str) -> None:
        """The attempt was right."""
        with self._lock:
            self._wrong.pop(session, None)
            self._all = max(0, self._all[0] - 1), self._all[1]


def _left(wrong: tuple[int, float], now: float, free: int, longest: float) -> float:
    """Seconds from ``now`` on: one after the free attempts, and twice as long after each further one."""
    count, last = wrong
    if count < free:
        return 0.0
    return max(0.0, last + min(longest, 2.0 ** min(count - free, 30)) - now)
