"""Buffered writers of events and checkpoints for a run and for a sweep, with retries."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kd_core.base.errors import StorageError, storage_error
from kd_core.base.events import Event, Finished, Validated
from kd_core.files.checkpoint import Checkpoint, CheckpointRotation
from kd_core.store.store import EventBatch, Store
from kd_core.store.weight_snapshots import serialize_weights

FLUSH_SECONDS = 0.25  # for which events are buffered, to be written in one transaction
CHECKPOINT_SECONDS = 5.0  # between two checkpoints at least
CHECKPOINT_FRACTION = 0.05  # of the time at most, since checkpoints of large networks take seconds
RETRY_SECONDS = 1.0  # between two attempts to write


@dataclass
class RetryPolicy:
    """What happens when events or checkpoints cannot be written.

    ``notify`` shows a sentence beside the run, "" removes it. ``wait`` waits for some seconds and returns False when
    the run is to end.
    """

    notify: Callable[[str], None] = lambda _: None
    wait: Callable[[float], bool] = lambda _: False
    has_failed: bool = False

    def write(self, action: Callable[[], None]) -> None:
        """Repeat an action until it succeeds, since events are never dropped. Raises StorageError at the run's end."""
        while True:
            try:
                action()
                return self._succeed()
            except StorageError as error:
                self.has_failed = True
                self.notify(f"{error} Training waits until it can be written; nothing is lost.")
                if not self.wait(RETRY_SECONDS):
                    raise

    def try_once(self, action: Callable[[], None]) -> None:
        """Do an action whose failure does not hold the training, as for a checkpoint."""
        try:
            action()
            self._succeed()
        except OSError as error:
            self.has_failed = True
            self.notify(
                f"{storage_error('The checkpoint', error)} Training continues. If it is interrupted now, the steps "
                "since the last checkpoint are repeated with the same numbers."
            )

    def _succeed(self) -> None:
        if self.has_failed:
            self.has_failed = False
            self.notify("")


class _CheckpointWriter:
    """Decides when checkpoints are written, and writes them."""

    def __init__(self, checkpoints: CheckpointRotation, retry: RetryPolicy) -> None:
        self.checkpoints, self.retry = checkpoints, retry
        self.flushed = self.saved = time.monotonic()
        self._cost = 0.0  # seconds that the last checkpoint took

    def is_checkpoint_due(self, now: float) -> bool:
        """Return whether to write a checkpoint; ``now`` in seconds of the monotonic clock."""
        return now - self.saved > max(CHECKPOINT_SECONDS, self._cost / CHECKPOINT_FRACTION)

    def _write(self, state: Checkpoint) -> None:
        began = time.monotonic()
        self.retry.try_once(lambda: self.checkpoints.write(state))
        self.saved = time.monotonic()
        self._cost = self.saved - began


class EventWriter(_CheckpointWriter):
    """Writes the events of a run after number ``written``; later events in the store are deleted."""

    def __init__(
        self, store: Store, run: str, checkpoints: CheckpointRotation, written: int, retry: RetryPolicy | None = None
    ) -> None:
        super().__init__(checkpoints, retry or RetryPolicy())
        self.store, self.run, self.written = store, run, written
        self._events: list[tuple[float, Event]] = []
        self._weights: dict[int, dict[str, Tensor]] = {}  # by the number of their event
        self.retry.write(lambda: store.rewind(run, written))

    def add(self, event: Event, weights: dict[str, Tensor] | None = None) -> None:
        """Buffer an event and the weights stored with it; write the buffer every :data:`FLUSH_SECONDS`."""
        self._events.append((time.time(), event))
        if weights is not None:
            self._weights[self.written + len(self._events)] = weights
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the buffer in one transaction. Raises StorageError, and the buffer stays."""
        if not self._events:
            return
        weights = {number: serialize_weights(tensors) for number, tensors in self._weights.items()}
        self.retry.write(lambda: self.store.append(self.run, self.written + 1, self._events, weights))
        self.written += len(self._events)
        self.flushed = time.monotonic()
        self._events.clear()
        self._weights.clear()

    def save(self, state: Checkpoint) -> None:
        """Write a checkpoint of this moment, after all events before it."""
        self.flush()
        state.values["events"] = self.written
        self._write(state)


class SweepEventWriter(_CheckpointWriter):
    """Writes the events of the runs of a sweep, each after its number in ``written``, as :class:`EventWriter` does."""

    def __init__(
        self,
        store: Store,
        runs: Iterable[str],
        checkpoints: CheckpointRotation,
        written: Mapping[str, int],
        retry: RetryPolicy | None = None,
    ) -> None:
        super().__init__(checkpoints, retry or RetryPolicy())
        self.store, self.written = store, dict(written)
        self.ended: dict[str, str] = {}  # outcomes that are not yet in the store
        for run in runs:
            self.retry.write(functools.partial(store.rewind, run, self.written.get(run, 0)))
        self._evaluations = {run: _evaluations(store, run) for run in written}
        self._events: dict[str, list[tuple[float, Event]]] = {}
        self._weights: dict[str, dict[int, bytes]] = {}

    def add(self, events: list[tuple[str, Event]], weights: Callable[[str, dict[str, int]], dict[int, bytes]]) -> None:
        """Buffer events by run and empty the list; write the buffer every :data:`FLUSH_SECONDS`.

        ``weights`` returns those to store for an ended run by the number of their event, given the number of the last
        evaluation of each phase.
        """
        now = time.time()
        for run, event in events:
            self._events.setdefault(run, []).append((now, event))
            number = self.written.get(run, 0) + len(self._events[run])
            if isinstance(event, Validated):
                self._evaluations.setdefault(run, {})[event.phase] = number
            if isinstance(event, Finished):
                is_complete = event.outcome == "completed"
                self._weights[run] = weights(run, self._evaluations.get(run, {}) if is_complete else {"": number})
                self.ended[run] = event.outcome
        events.clear()
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self, seconds: float | None = None) -> None:
        """Write the buffer in one transaction; ``seconds`` of training are those of every ended run."""
        batches = [
            EventBatch(run, self.written.get(run, 0) + 1, events, self._weights.get(run, {}))
            for run, events in self._events.items()
        ]
        if batches or self.ended:
            self.retry.write(lambda: self.store.append_batches(batches, self.ended, seconds))
        for batch in batches:
            self.written[batch.run] = self.written.get(batch.run, 0) + len(batch.events)
        self._events, self._weights, self.ended = {}, {}, {}
        self.flushed = time.monotonic()

    def save(self, state: Checkpoint, number: int) -> None:
        """Write a checkpoint of the group of that number, after all events before it."""
        self.flush()
        state.values |= {"group": number, "written": self.written}
        self._write(state)


def _evaluations(store: Store, run: str) -> dict[str, int]:
    """Return the number of the last evaluation of each phase."""
    events = store.events(run, kinds=["validated"])
    return {event.phase: number for number, event in events if isinstance(event, Validated)}
