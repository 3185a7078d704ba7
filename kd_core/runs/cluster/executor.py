"""Interface of whatever trains parts, and its implementation by threads of this process."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from kd_core.runs.cluster.part import MEMORY, Part, PartTrainer, Phases, Report, merged, start_part
from kd_core.runs.control import Command

Handle = Any  # of a part that trains
PhasesRef = Any  # of phases that a worker has trained, which need not be in this process


class LostError(RuntimeError):
    """Worker that is gone, with its part; the message is a clause that says why."""


class ClusterGoneError(RuntimeError):
    """Cluster that cannot be reached; the message is a sentence."""


class Executor(Protocol):
    """Workers that train parts. Methods that reach a cluster raise ClusterGoneError."""

    device: str  # the type of device that the parts train on, such as "cuda"

    def capacity(self) -> int:
        """Return how many parts can train at once."""

    def has_room(self) -> bool:
        """Return whether another part can be started."""

    def start(self, part: Part, files: Mapping[str, bytes], phases: Sequence[PhasesRef]) -> Handle:
        """Give a part to a worker, whose first report says that it has begun.

        Args:
            part: What it trains, on a device that the executor chooses.
            files: Uploaded data and weights that it needs, by their path in the data folder.
            phases: Those that were trained before.
        """

    def send(self, handle: Handle, command: Command) -> None:
        """Send a command to a worker."""

    def advance(self, handle: Handle, *, is_checkpoint_due: bool, condemned: Sequence[int]) -> None:
        """Ask a worker to end some runs of its part, by their places, and to train until its next report."""

    def wait(self, handles: Sequence[Handle], seconds: float) -> list[tuple[Handle, Report | LostError]]:
        """Return the reports that have arrived, after at most so many seconds if none has."""

    def phases(self, handle: Handle) -> PhasesRef:
        """Return a reference to the phases that a worker has trained."""

    def share(self, phases: Phases) -> PhasesRef:
        """Return a reference to phases of this process."""

    def fetch(self, reference: PhasesRef) -> Phases:
        """Return the phases of a reference. Raises LostError if they are gone."""

    def end(self, handle: Handle, *, is_broken: bool = False) -> None:
        """Release the worker of a part that is over, or that is given up."""


@dataclass(frozen=True)
class Cards:
    """Device of this machine, and others of its kind that are borrowed while nothing else trains there.

    ``first`` takes part all the time, ``count`` are all of them. ``borrow`` returns one that is free, or None, and
    ``give_back`` ends that.
    """

    first: str
    count: int = 1
    borrow: Callable[[], str | None] = lambda: None
    give_back: Callable[[str], None] = lambda _: None


class ThreadExecutor:
    """Workers that are threads of this process, one per device."""

    def __init__(self, cards: Cards) -> None:
        self.device = torch.device(cards.first).type
        self._cards, self._free = cards, [cards.first]
        self._pool = ThreadPoolExecutor(cards.count, "part")
        self._lock = threading.Lock()

    def capacity(self) -> int:
        """Return the number of devices."""
        return self._cards.count

    def has_room(self) -> bool:
        """Return whether a device is free, after borrowing one where that is necessary."""
        with self._lock:
            if not self._free and (borrowed := self._cards.borrow()) is not None:
                self._free.append(borrowed)
            return bool(self._free)

    def start(self, part: Part, files: Mapping[str, bytes], phases: Sequence[PhasesRef]) -> LocalHandle:  # noqa: ARG002
        """Start a part on a free device; its files are in the data folder."""
        with self._lock:
            handle = LocalHandle(self._free.pop(0))
        handle.pending = self._pool.submit(handle.begin, part, list(phases))
        return handle

    def send(self, handle: LocalHandle, command: Command) -> None:
        """Send a command to the thread."""
        handle.send(command)

    def advance(self, handle: LocalHandle, *, is_checkpoint_due: bool, condemned: Sequence[int]) -> None:
        """Let the thread train until its next report."""
        assert handle.trainer is not None
        handle.pending = self._pool.submit(
            handle.trainer.advance, is_checkpoint_due=is_checkpoint_due, condemned=condemned
        )

    def wait(self, handles: Sequence[LocalHandle], seconds: float) -> list[tuple[LocalHandle, Report | LostError]]:
        """Return the reports that have arrived. Raises what a part raised."""
        pending = {handle.pending: handle for handle in handles if handle.pending is not None}
        done, _ = concurrent.futures.wait(pending, seconds, concurrent.futures.FIRST_COMPLETED)
        results: list[tuple[LocalHandle, Report | LostError]] = []
        for future in done:
            handle = pending[future]
            handle.pending = None
            try:
                results.append((handle, future.result()))
            except torch.OutOfMemoryError as error:
                results.append((handle, Report(problem=MEMORY, reason=str(error))))
            except LostError as error:
                results.append((handle, error))
        return results

    def phases(self, handle: LocalHandle) -> Phases:
        """Return the phases that a thread has trained."""
        assert handle.trainer is not None
        return handle.trainer.phases()

    def share(self, phases: Phases) -> Phases:
        """Return the phases themselves."""
        return phases

    def fetch(self, reference: Phases) -> Phases:
        """Return the phases themselves."""
        return reference

    def end(self, handle: LocalHandle, *, is_broken: bool = False) -> None:  # noqa: ARG002
        """Free the device of a part, or give it back."""
        with self._lock:
            if handle.device == self._cards.first:
                self._free.append(handle.device)
            else:
                self._cards.give_back(handle.device)

    def close(self) -> None:
        """End the threads once they have reported."""
        self._pool.shutdown(wait=False)


class LocalHandle:
    """A part that a thread of this process trains on a device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.trainer: PartTrainer | None = None
        self.pending: Future[Report] | None = None
        self._early: list[Command] = []  # before the trainer was built
        self._lock = threading.Lock()

    def begin(self, part: Part, phases: Sequence[Phases]) -> Report:
        """Build the trainer."""
        trainer, report = start_part(part, self.device, merged(phases))
        with self._lock:
            self.trainer = trainer
            if trainer is not None:
                for command in self._early:
                    trainer.control.send(command)
        return report

    def send(self, command: Command) -> None:
        """Send a command to the trainer."""
        with self._lock:
            if self.trainer is None:
                self._early.append(command)
            else:
                self.trainer.control.send(command)
