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

    A run that can be cut into parts borrows preferred devices that have nothing to do.
    """

    def __init__(self, devices: Sequence[str], preferred: Sequence[str]) -> None:
        self.devices, self.preferred = tuple(devices), tuple(preferred)
        self._jobs: dict[str, Job] = {}  # waiting and running, in the order of arrival
        self._running: dict[str, str] = {}  # device by run, in the order of their start
        self._idle: list[str] = []  # devices whose worker waits
        self._lent: dict[str, str] = {}  # run by device
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
                if run := self._next_for(device):
                    self._running[run] = device
                    self._take_turn(self._turns, run)
                    return run
                self._idle.append(device)
                self._changed.wait()
                self._idle.remove(device)
        return None

    def leave(self, run: str) -> None:
        """Remove a run that has ended."""
        with self._changed:
            del self._jobs[run]
            self._running.pop(run, None)
            if not self._jobs:  # earlier turns count only while somebody waits
                self._turns.clear()

    def borrow(self, run: str) -> str | None:
        """Take a preferred device that has nothing to do for parts of a run; None if there is none."""
        with self._changed:
            free = (device for device in self.preferred if device in self._idle and not self._next_for(device))
            device = next((device for device in free if device not in self._lent), None)
            if device is not None:
                self._lent[device] = run
            return device

    def give_back(self, device: str) -> None:
        """Let a borrowed device take runs again."""
        with self._changed:
            self._lent.pop(device, None)
            self._changed.notify_all()

    def devices_of(self, run: str) -> list[str]:
        """Return the devices on which a run trains, the borrowed ones last."""
        with self._changed:
            taken = [self._running[run]] if run in self._running else []
            return [*taken, *(device for device, borrower in self._lent.items() if borrower == run)]

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

    def _next_for(self, device: str) -> str | None:
        if device in self._lent:
            return None
        return next((run for run in self._order() if self._may_take(device, run)), None)

    def _take_turn(self, turns: dict[str, int], run: str) -> None:
        turns[self._jobs[run].owner] = max(turns.values(), default=0) + 1

    def _devices_for(self, run: str) -> list[str]:
        return [device for device in self.devices if self._may_take(device, run)]

    def _may_take(self, device: str, run: str) -> bool:
        requested = self._jobs[run].device
        return requested == device or (requested == AUTO and device in self.preferred)
