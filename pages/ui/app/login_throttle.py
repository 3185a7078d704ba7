"""Delays that grow with the number of wrong passwords of one client."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

FREE = 3  # wrong attempts of one session without a delay
MAX_DELAY = 300.0  # seconds
ADDRESS_FREE = 20  # wrong attempts from one address without a pause, since a new session costs nothing
PAUSE = 1.0  # seconds before further attempts from that address are checked
MAX_PAUSING = 3  # of them at a time
MAX_CLIENTS = 10_000  # whose attempts are remembered

Failures = tuple[int, float]  # how many, and when the last one was


class LoginThrottle:
    """Login delays of all sessions of this process. Thread-safe.

    A client is a session, whose delays grow with its own wrong passwords alone. Whoever opens a new session for every
    guess is slowed down by the address, which many may have in common: its attempts are checked after a pause, a few at
    a time, and none is refused because of somebody else's mistakes.

    Args:
        clock: returns monotonic seconds.
        sleep: waits for some seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._sessions: dict[str, Failures] = {}
        self._addresses: dict[str, Failures] = {}
        self._pausing: Counter[str] = Counter()  # by address
        self._lock = threading.Lock()

    def attempt(self, session: str, address: str = "") -> float:
        """Return the seconds until this session may try again; 0, perhaps after a pause, if it may try now.

        An attempt that may be made counts as a failure until :meth:`succeed`: checking and counting are one operation,
        so that of many simultaneous attempts only the first is free.
        """
        with self._lock:
            now = self._clock()
            failures = self._sessions.get(session, (0, 0.0))
            if (delay := _remaining(failures, now)) > 0:
                return delay
            count, last = self._addresses.get(address, (0, 0.0))
            count = count if now - last <= MAX_DELAY else 0
            is_pausing = count >= ADDRESS_FREE
            if is_pausing and self._pausing[address] >= MAX_PAUSING:
                return PAUSE
            _remember(self._sessions, session, (failures[0] + 1, now))
            _remember(self._addresses, address, (count + 1, now))
            self._pausing[address] += is_pausing
        if is_pausing:
            self._sleep(PAUSE)
            with self._lock:
                self._pausing[address] -= 1
        return 0.0

    def succeed(self, session: str, address: str = "") -> None:
        """Forget the failures of a session that gave the right password."""
        with self._lock:
            self._sessions.pop(session, None)
            count, last = self._addresses.get(address, (1, 0.0))
            self._addresses[address] = max(0, count - 1), last


def _remember(clients: dict[str, Failures], client: str, failures: Failures) -> None:
    clients.pop(client, None)  # inserted again at the end, since the first entry is evicted
    clients[client] = failures
    if len(clients) > MAX_CLIENTS:
        del clients[next(iter(clients))]


def _remaining(failures: Failures, now: float) -> float:
    """Return the remaining delay in seconds. It is 1 s after the free attempts, doubled by each further failure."""
    count, last = failures
    if count < FREE:
        return 0.0
    return max(0.0, last + min(MAX_DELAY, 2.0 ** min(count - FREE, 30)) - now)
