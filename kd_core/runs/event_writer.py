"""What runs say, on its way to the store; and their checkpoints, which know how much of it was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kd_core.base.errors import StorageError, storage_error
from kd_core.base.events import Event, Finished, Validated
from kd_core.files.checkpoint import Checkpoint, CheckpointRotation
from kd_core.store.store import EventBatch, Store
from kd_core.store.weight_snapshots import serialize_weights

FLUSH_SECONDS = 0.25  # events wait that long to be written in one transaction
CHECKPOINT_SECONDS = 5.0  # between two checkpoints at least
CHECKPOINT_FRACTION = 0.05  # of the time, at most: those of large networks take seconds
RETRY_SECONDS = 1.0  # until what could not be written is tried again


@dataclass
class RetryPolicy:
    """What a run does while it cannot be written down. ``notify`` shows a sentence beside it, "" takes that away;
    ``wait`` waits so many seconds and is False when the run is to end."""

    notify: Callable[[str], None] = lambda _: None
    wait: Callable[[float], bool] = lambda _: False
    is_in_trouble: bool = False

    def write(self, act: Callable[[], None]) -> None:
        """Events are never dropped: training waits until they are written. Raises NotWrittenError if it is to end."""
        while True:
            try:
                act()
                return self._over()
            except StorageError as error:
                self.is_in_trouble = True
                self.notify(f"{error} Training waits, and goes on by itself as soon as it can; nothing is lost.")
                if not self.wait(RETRY_SECONDS):
                    raise

    def try_once(self, act: Callable[[], None]) -> None:
        """A checkpoint is worth less than the training: without one it goes on."""
        try:
            act()
            self._over()
        except OSError as error:
            self.is_in_trouble = True
            self.notify(
                f"{storage_error('The checkpoint', error)} Training goes on; if it is interrupted now, it repeats what "
                "followed the last checkpoint, with the same numbers."
            )

    def _over(self) -> None:
        if self.is_in_trouble:
            self.is_in_trouble = False
            self.notify("")


class _Saving:
    """When checkpoints are written, and what happens if they are not."""

    def __init__(self, generations: CheckpointRotation, patience: RetryPolicy) -> None:
        self.checkpoints, self.patience = generations, patience
        self.flushed = self.saved = time.monotonic()
        self._cost = 0.0  # seconds that the last one took

    def is_due(self, now: float) -> bool:
        """Whether it is time for a checkpoint; ``now`` in seconds of the monotonic clock."""
        return now - self.saved > max(CHECKPOINT_SECONDS, self._cost / CHECKPOINT_FRACTION)

    def _write(self, state: Checkpoint) -> None:
        begun = time.monotonic()
        self.patience.try_once(lambda: self.checkpoints.write(state))
        self.saved = time.monotonic()
        self._cost = self.saved - begun


class EventWriter(_Saving):
    """Goes on after event number ``written``; whatever the store holds beyond it is forgotten, to be said again."""

    def __init__(
        self, store: Store, run: str, generations: CheckpointRotation, written: int, patience: RetryPolicy | None = None
    ) -> None:
        super().__init__(generations, patience or RetryPolicy())
        self.store, self.run, self.written = store, run, written
        self._said: list[tuple[float, Event]] = []
        self._weights: dict[int, dict[str, Tensor]] = {}  # by the number of the event they belong to
        self.patience.write(lambda: store.rewind(run, written))

    def add(self, event: Event, weights: dict[str, Tensor] | None = None) -> None:
        """Notes an event and the weights kept with it; writes all that wait when the oldest has waited long enough."""
        self._said.append((time.time(), event))
        if weights is not None:
            self._weights[self.written + len(self._said)] = weights
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits, in one transaction. Raises NotWrittenError, and it still waits."""
        if not self._said:
            return
        packed = {number: serialize_weights(taken) for number, taken in self._weights.items()}
        self.patience.write(lambda: self.store.append(self.run, self.written + 1, self._said, packed))
        self.written += len(self._said)
        self.flushed = time.monotonic()
        self._said.clear()
        self._weights.clear()

    def save(self, state: Checkpoint) -> None:
        """Writes ``state``, the training's as of this moment, after everything that was said before it."""
        self.flush()
        state.values["events"] = self.written
        self._write(state)


class SweepEventWriter(_Saving):
    """What many runs of a sweep say; goes on after the event number ``written`` of each, as a :class:`EventWriter`
    does."""

    def __init__(
        self,
        store: Store,
        runs: Iterable[str],
        generations: CheckpointRotation,
        written: Mapping[str, int],
        patience: RetryPolicy | None = None,
    ) -> None:
        super().__init__(generations, patience or RetryPolicy())
        self.store, self.written = store, dict(written)
        self.ended: dict[str, str] = {}  # outcomes that are not yet in the store
        for run in runs:
            store.rewind(run, self.written.get(run, 0))
        self._looks = {run: _looks(store, run) for run in written}
        self._said: dict[str, list[tuple[float, Event]]] = {}
        self._weights: dict[str, dict[int, bytes]] = {}

    def add(self, said: list[tuple[str, Event]], weights: Callable[[str, dict[str, int]], dict[int, bytes]]) -> None:
        """Notes what was said and empties the list; writes all that wait when the oldest has waited long enough.

        ``weights`` gives those that an ended run leaves behind, by the number of the event that they belong to, from
        that of the last look of each of its phases.
        """
        now = time.time()
        for run, event in said:
            self._said.setdefault(run, []).append((now, event))
            if isinstance(event, Validated):
                number = self.written.get(run, 0) + len(self._said[run])
                self._looks.setdefault(run, {})[event.phase] = number
            if isinstance(event, Finished):
                is_whole = event.outcome == "completed"
                looks = self._looks.get(run, {}) if is_whole else {"": self.written.get(run, 0) + len(self._said[run])}
                self._weights[run] = weights(run, looks)
                self.ended[run] = event.outcome
        said.clear()
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self, seconds: float | None = None) -> None:
        """Writes what waits, in one transaction; ``seconds`` are those of every run that has ended."""
        entries = [
            EventBatch(run, self.written.get(run, 0) + 1, said, self._weights.get(run, {}))
            for run, said in self._said.items()
        ]
        if entries or self.ended:
            self.patience.write(lambda: self.store.append_all(entries, self.ended, seconds))
        for entry in entries:
            self.written[entry.run] = self.written.get(entry.run, 0) + len(entry.events)
        self._said, self._weights, self.ended = {}, {}, {}
        self.flushed = time.monotonic()

    def save(self, state: Checkpoint, number: int) -> None:
        """Writes the checkpoint of the group of that number, after everything that was said before it."""
        self.flush()
        state.values |= {"group": number, "written": self.written}
        self._write(state)


def _looks(store: Store, run: str) -> dict[str, int]:
    looks = store.events(run, kinds=["validated"])
    return {look.phase: number for number, look in looks if isinstance(look, Validated)}
