"""Outcomes of runs that are not yet in the database, and notices to show beside runs."""

from __future__ import annotations

import threading

from kd_core.base.errors import StorageError
from kd_core.store.records import ACTIVE, INTERRUPTED
from kd_core.store.store import Run, Store, SweepRow


class Outcomes:
    """Outcomes and notices by run id. Safe to use from any thread; notices last as long as the process."""

    def __init__(self, store: Store) -> None:
        """Mark the runs that an earlier process left active as interrupted, or as ended if their events say so."""
        self.store = store
        self._notices: dict[str, str] = {}
        self._unwritten: dict[str, tuple[str, float | None]] = {}  # states and seconds
        self._lock = threading.Lock()
        for row in store.in_state(*ACTIVE):
            self._unwritten[row.id] = (store.outcome(row.id) or INTERRUPTED, None)
        self.flush()

    def set_notice(self, run: str, text: str) -> None:
        """Show a sentence beside a run; "" removes it."""
        self._notices[run] = text

    def notice(self, run: str) -> str:
        """Return the sentence beside a run; "" for none."""
        return self._notices.get(run, "")

    def add(self, run: str, state: str, seconds: float | None) -> None:
        """Record how a run ended, and its seconds of training where they are known."""
        with self._lock:
            self._unwritten[run] = (state, seconds)
        self.flush()

    def flush(self, run: str = "") -> None:
        """Write all outcomes that are not in the database; those that cannot be written stay in memory.

        Raises StorageError if that of ``run`` is among the latter.
        """
        with self._lock:
            try:
                for name, (state, seconds) in list(self._unwritten.items()):
                    self.store.set_state(name, state, seconds)
                    del self._unwritten[name]
            except StorageError:
                if run in self._unwritten:
                    raise

    def state(self, row: Run | SweepRow) -> tuple[str, float]:
        """Return state and seconds of a run that no worker has."""
        state, seconds = self._unwritten.get(row.id, (row.state, None))
        return state, row.seconds if seconds is None else seconds
