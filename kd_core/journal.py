"""What one run says, on its way to the store; and its checkpoint, which knows how much of it was written."""

from __future__ import annotations

import time
from pathlib import Path

from kd_core.checkpoint import Checkpoint
from kd_core.events import Event
from kd_core.store import Store

FLUSH_SECONDS = 0.25  # events wait that long to be written in one transaction


class Journal:
    """Goes on after event number ``written``; whatever the store holds beyond it is forgotten, to be said again."""

    def __init__(self, store: Store, run: str, checkpoint: Path, written: int) -> None:
        self.store, self.run, self.checkpoint, self.written = store, run, checkpoint, written
        self.flushed = self.saved = time.monotonic()
        self._said: list[tuple[float, Event]] = []
        self._weights: dict[int, bytes] = {}  # by the number of the event they belong to
        store.rewind(run, written)

    def add(self, event: Event, weights: bytes | None = None) -> None:
        """Notes an event and the weights kept with it; writes all that wait when the oldest has waited long enough."""
        self._said.append((time.time(), event))
        if weights is not None:
            self._weights[self.written + len(self._said)] = weights
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits, in one transaction."""
        if not self._said:
            return
        self.store.append(self.run, self.written + 1, self._said, self._weights)
        self.written += len(self._said)
        self.flushed = time.monotonic()
        self._said.clear()
        self._weights.clear()

    def save(self, state: Checkpoint) -> None:
        """Writes ``state``, the training's as of this moment, after everything that was said before it."""
        self.flush()
        state.values["events"] = self.written
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state.write(self.checkpoint)
        self.saved = time.monotonic()
