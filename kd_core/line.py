"""The waiting line of runs: first come, first served, one at a time on each device."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kd_core.devices import AUTO, refusal


class Line:
    """``preferred`` are the devices that take runs which leave the choice open. Safe to use from any thread."""

    def __init__(self, devices: Sequence[str], preferred: Sequence[str]) -> None:
        self.devices, self.preferred = tuple(devices), tuple(preferred)
        self._wanted: dict[str, str] = {}  # the device that each run asks for, in the order of their coming
        self._taken: set[str] = set()  # those that train
        self._changed = threading.Condition()
        self._is_closed = False

    def check(self, wanted: str) -> None:
        """Raises ValueError for a device that takes no runs."""
        if said := refusal(wanted, self.devices):
            raise ValueError(said)

    def join(self, run: str, wanted: str) -> None:
        """Puts a run at the end."""
        with self._changed:
            self._wanted[run] = wanted
            self._changed.notify_all()

    def next(self, device: str) -> str | None:
        """Waits for a run that this device may take, and takes it; None once the line is closed."""
        with self._changed:
            while not self._is_closed:
                for run in self._wanted:
                    if run not in self._taken and self._may(device, run):
                        self._taken.add(run)
                        return run
                self._changed.wait()
        return None

    def leave(self, run: str) -> None:
        """Takes a run that is over out of the line."""
        with self._changed:
            del self._wanted[run]
            self._taken.discard(run)

    def ahead(self, run: str) -> int:
        """How many runs must end before it begins, at most."""
        with self._changed:
            if run not in self._wanted or run in self._taken:
                return 0
            able = [device for device in self.devices if self._may(device, run)]
            order = list(self._wanted)
            rivals = [other for other in order[: order.index(run)] if any(self._may(device, other) for device in able)]
            return max(0, len(rivals) - len(able) + 1)

    def close(self) -> None:
        """Lets everybody who waits go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _may(self, device: str, run: str) -> bool:
        wanted = self._wanted[run]
        return wanted == device or (wanted == AUTO and device in self.preferred)
