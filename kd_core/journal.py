"""What runs say, on its way to the store; and their checkpoints, which know how much of it was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kd_core.checkpoint import Checkpoint
from kd_core.events import Event, Finished, Validated
from kd_core.store import Entry, Store

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


class Minutes:
    """What many runs of a sweep say; goes on after the event number ``written`` of each, as a :class:`Journal` does."""

    def __init__(self, store: Store, runs: Iterable[str], checkpoint: Path, written: Mapping[str, int]) -> None:
        self.store, self.checkpoint, self.written = store, checkpoint, dict(written)
        self.flushed = self.saved = time.monotonic()
        self.ended: dict[str, str] = {}  # outcomes that are not yet in the store
        for run in runs:
            store.rewind(run, self.written.get(run, 0))
        self._looks = {run: _looks(store, run) for run in written}
        self._said: dict[str, list[tuple[float, Event]]] = {}
        self._weights: dict[str, dict[int, bytes]] = {}

    def take(self, said: list[tuple[str, Event]], weights: Callable[[str, dict[str, int]], dict[int, bytes]]) -> None:
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
            Entry(run, self.written.get(run, 0) + 1, said, self._weights.get(run, {}))
            for run, said in self._said.items()
        ]
        if entries:
            self.store.append_all(entries)
        for entry in entries:
            self.written[entry.run] = self.written.get(entry.run, 0) + len(entry.said)
        for run, outcome in self.ended.items():
            self.store.set_state(run, outcome, seconds)
        self._said, self._weights, self.ended = {}, {}, {}
        self.flushed = time.monotonic()

    def save(self, state: Checkpoint, number: int) -> None:
        """Writes the checkpoint of the group of that number, after everything that was said before it."""
        self.flush()
        state.values |= {"group": number, "written": self.written}
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state.write(self.checkpoint)
        self.saved = time.monotonic()


def _looks(store: Store, run: str) -> dict[str, int]:
    looks = store.events(run, kinds=["validated"])
    return {look.phase: number for number, look in looks if isinstance(look, Validated)}
