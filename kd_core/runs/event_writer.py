"""Buffered writer of events and checkpoints, with retries."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kd_core.base.errors import StorageError, storage_error
from kd_core.base.events import Event
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


class EventWriter:
    """Writes the events of runs, each after its number in ``written``, and checkpoints of their training.

    Later events in the store are deleted.
    """

    def __init__(
        self,
        store: Store,
        written: Mapping[str, int],
        checkpoints: CheckpointRotation,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.store, self.written, self.checkpoints = store, dict(written), checkpoints
        self.retry = retry or RetryPolicy()
        self._events: dict[str, list[tuple[float, Event]]] = {}  # by run
        self._weights: dict[str, dict[int, dict[str, Tensor]]] = {}  # by run and number of their event
        self._ended: dict[str, str] = {}  # outcomes that are not yet in the store
        self._flushed = self._saved = time.monotonic()
        self._cost = 0.0  # seconds that the last checkpoint took
        for run, count in written.items():
            self.retry.write(functools.partial(store.rewind, run, count))

    def add(self, run: str, event: Event, weights: dict[str, Tensor] | None = None) -> None:
        """Buffer an event and the weights stored with it; write the buffer every :data:`FLUSH_SECONDS`."""
        events = self._events.setdefault(run, [])
        events.append((time.time(), event))
        if weights:
            self._weights.setdefault(run, {})[self.written[run] + len(events)] = weights
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def end(self, run: str, outcome: str) -> None:
        """Set the state of a run of a sweep together with its last event; that of another run is set by its end."""
        self._ended[run] = outcome

    def rewind(self, run: str, count: int) -> None:
        """Delete the events of a run after number ``count``, since a worker emits them again."""
        self.flush()
        self.retry.write(functools.partial(self.store.rewind, run, count))
        self.written[run] = count

    def flush(self, seconds: float | None = None) -> None:
        """Write the buffer in one transaction. Raises StorageError, and the buffer stays.

        ``seconds`` of training are those of every ended run of a sweep.
        """
        if not self._events and not self._ended:
            return
        batches = [
            EventBatch(run, self.written[run] + 1, events, self._serialized_weights(run))
            for run, events in self._events.items()
        ]
        self.retry.write(lambda: self.store.append_batches(batches, self._ended, seconds))
        for batch in batches:
            self.written[batch.run] += len(batch.events)
        self._events, self._weights, self._ended = {}, {}, {}
        self._flushed = time.monotonic()

    def is_checkpoint_due(self, now: float) -> bool:
        """Return whether to write a checkpoint; ``now`` in seconds of the monotonic clock."""
        return now - self._saved > max(CHECKPOINT_SECONDS, self._cost / CHECKPOINT_FRACTION)

    def save(self, state: Checkpoint, group: int) -> None:
        """Write a checkpoint of the ``group`` of runs at this moment, after all events before it."""
        self.flush()
        state.values |= {"group": group, "written": self.written}
        began = time.monotonic()
        self.retry.try_once(lambda: self.checkpoints.write(state))
        self._saved = time.monotonic()
        self._cost = self._saved - began

    def _serialized_weights(self, run: str) -> dict[int, bytes]:
        return {number: serialize_weights(weights) for number, weights in self._weights.get(run, {}).items()}
