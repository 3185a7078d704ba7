"""The waiting line of runs: one at a time on each device, and whoever starts many makes nobody wait for all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from kd_core.base.devices import AUTO, device_error


@dataclass(frozen=True)
class Place:
    """What is known of somebody in the line: the device that is asked for, and who asks."""

    device: str
    owner: str


class JobQueue:
    """``preferred`` are the devices that take runs which leave the choice open. Safe to use from any thread.

    Owners take turns (round robin among sources, as in Nagle 1985, RFC 970): next is the run that has waited longest of
    the owner whose last turn is longest ago. Runs of one owner keep their order, so with one owner it is first come,
    first served.
    """

    def __init__(self, devices: Sequence[str], preferred: Sequence[str]) -> None:
        self.devices, self.preferred = tuple(devices), tuple(preferred)
        self._places: dict[str, Place] = {}  # of every run in the order of their coming, those that train included
        self._taken: list[str] = []  # those that train, in the order of their beginning
        self._turns: dict[str, int] = {}  # the last turn of each owner; larger is later
        self._changed = threading.Condition()
        self._is_closed = False

    def check(self, wanted: str) -> None:
        """Raises ValueError for a device that takes no runs."""
        if said := device_error(wanted, self.devices):
            raise ValueError(said)

    def put(self, run: str, wanted: str, owner: str = "") -> None:
        """Puts a run at the end of its owner's."""
        with self._changed:
            self._places[run] = Place(wanted, owner)
            self._changed.notify_all()

    def next(self, device: str) -> str | None:
        """Waits for a run that this device may take, and takes it; None once the line is closed."""
        with self._changed:
            while not self._is_closed:
                if run := next((run for run in self._order() if self._may(device, run)), None):
                    self._taken.append(run)
                    self._take_turn(self._turns, run)
                    return run
                self._changed.wait()
        return None

    def leave(self, run: str) -> None:
        """Takes a run that is over out of the line."""
        with self._changed:
            del self._places[run]
            if run in self._taken:
                self._taken.remove(run)
            if not self._places:  # nobody is owed anything by an empty line
                self._turns.clear()

    def runs_ahead(self, run: str) -> list[str]:
        """The runs that may be in the way of one that waits: those that train, then those whose turn is earlier."""
        with self._changed:
            if run not in self._places or run in self._taken:
                return []
            able, order = self._able(run), self._order()
            rivals = [*self._taken, *order[: order.index(run)]]
            return [other for other in rivals if any(self._may(device, other) for device in able)]

    def count_ahead(self, run: str) -> int:
        """How many runs must end before it begins, at most, if nobody else comes."""
        with self._changed:
            if run not in self._places:
                return 0
            return max(0, len(self.runs_ahead(run)) - len(self._able(run)) + 1)

    def waiting_count(self, owner: str) -> int:
        """How many runs of an owner wait for their turn."""
        with self._changed:
            return sum(place.owner == owner for run, place in self._places.items() if run not in self._taken)

    def close(self) -> None:
        """Lets everybody who waits go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _order(self) -> list[str]:
        """Those who wait, in the order in which they will be taken by one device that takes everything."""
        waiting: dict[str, list[str]] = {}  # of each owner, in the order of their first ones
        for run, place in self._places.items():
            if run not in self._taken:
                waiting.setdefault(place.owner, []).append(run)
        turns, order = dict(self._turns), []
        while waiting:
            owner = min(waiting, key=lambda own: turns.get(own, 0))  # of equals the one who came first
            order.append(waiting[owner].pop(0))
            self._take_turn(turns, order[-1])
            if not waiting[owner]:
                del waiting[owner]
        return order

    def _take_turn(self, turns: dict[str, int], run: str) -> None:
        turns[self._places[run].owner] = max(turns.values(), default=0) + 1

    def _able(self, run: str) -> list[str]:
        return [device for device in self.devices if self._may(device, run)]

    def _may(self, device: str, run: str) -> bool:
        wanted = self._places[run].device
        return wanted == device or (wanted == AUTO and device in self.preferred)
