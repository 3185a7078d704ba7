"""Fair job queue that serves its owners in turn and runs one job per device."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from kd_core.base.devices import AUTO, device_error


@dataclass(frozen=True)
class Job:
    """Requested device and owner of a queued run."""

    device: str
    owner: str


class JobQueue:
    """Queue of runs for one worker per device. Safe to use from any thread.

    ``preferred`` devices take the runs that leave the choice open. Owners take turns (round robin among sources, as in
    Nagle 1985, RFC 970). The next run is the one that has waited longest of the owner whose last turn is longest ago,
    so with one owner it is first in, first out.
    """

    def __init__(self, devices: Sequence[str], preferred: Sequence[str]) -> None:
        self.devices, self.preferred = tuple(devices), tuple(preferred)
        self._jobs: dict[str, Job] = {}  # waiting and running, in the order of arrival
        self._running: list[str] = []  # in the order of their start
        self._turns: dict[str, int] = {}  # last turn of each owner; a larger number is later
        self._changed = threading.Condition()
        self._is_closed = False

    def check(self, device: str) -> None:
        """Raise ValueError for a device that takes no runs."""
        if error := device_error(device, self.devices):
            raise ValueError(error)

    def put(self, run: str, device: str, owner: str = "") -> None:
        """Add a run after the others of its owner."""
        with self._changed:
            self._jobs[run] = Job(device, owner)
            self._changed.notify_all()

    def next(self, device: str) -> str | None:
        """Wait for a run that this device may take, and take it; return None once the queue is closed."""
        with self._changed:
            while not self._is_closed:
                if run := next((run for run in self._order() if self._may_take(device, run)), None):
                    self._running.append(run)
                    self._take_turn(self._turns, run)
                    return run
                self._changed.wait()
        return None

    def leave(self, run: str) -> None:
        """Remove a run that has ended."""
        with self._changed:
            del self._jobs[run]
            if run in self._running:
                self._running.remove(run)
            if not self._jobs:  # earlier turns count only while somebody waits
                self._turns.clear()

    def is_running(self, run: str) -> bool:
        """Return whether a worker has taken a run."""
        with self._changed:
            return run in self._running

    def runs_ahead(self, run: str) -> list[str]:
        """Return the runs that may delay a waiting one, which are the running ones, then those with an earlier turn."""
        with self._changed:
            if run not in self._jobs or run in self._running:
                return []
            devices, order = self._devices_for(run), self._order()
            earlier = [*self._running, *order[: order.index(run)]]
            return [other for other in earlier if any(self._may_take(device, other) for device in devices)]

    def count_ahead(self, run: str) -> int:
        """Return how many runs must end before this one starts, at most, if no other arrives."""
        with self._changed:
            if run not in self._jobs:
                return 0
            return max(0, len(self.runs_ahead(run)) - len(self._devices_for(run)) + 1)

    def waiting_count(self, owner: str) -> int:
        """Return how many runs of an owner wait."""
        with self._changed:
            return sum(job.owner == owner for run, job in self._jobs.items() if run not in self._running)

    def close(self) -> None:
        """Release all workers that wait in :meth:`next`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _order(self) -> list[str]:
        """Return the waiting runs in the order in which one device that may take all of them would."""
        waiting: dict[str, list[str]] = {}  # by owner, in the order of their first runs
        for run, job in self._jobs.items():
            if run not in self._running:
                waiting.setdefault(job.owner, []).append(run)
        turns, order = dict(self._turns), []
        while waiting:
            owner = min(waiting, key=lambda name: turns.get(name, 0))  # of equal turns the owner who came first
            order.append(waiting[owner].pop(0))
            self._take_turn(turns, order[-1])
            if not waiting[owner]:
                del waiting[owner]
        return order

    def _take_turn(self, turns: dict[str, int], run: str) -> None:
        turns[self._jobs[run].owner] = max(turns.values(), default=0) + 1

    def _devices_for(self, run: str) -> list[str]:
        return [device for device in self.devices if self._may_take(device, run)]

    def _may_take(self, device: str, run: str) -> bool:
        requested = self._jobs[run].device
        return requested == device or (requested == AUTO and device in self.preferred)
