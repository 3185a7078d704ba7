"""How runs ended, until the store knows it, and what the reader should know about them as long as the process lives."""

from __future__ import annotations

import threading

from kd_core.base.errors import StorageError
from kd_core.store.records import ACTIVE, INTERRUPTED
from kd_core.store.store import Run, Store, SweepRow


class Outcomes:
    """Safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        """What the last process left in the middle is interrupted; or over, where it had said its end and the process
        ended before its row said so."""
        self.store = store
        self._notices: dict[str, str] = {}
        self._waiting: dict[str, tuple[str, float | None]] = {}  # states and seconds that are not yet in the store
        self._lock = threading.Lock()
        for row in store.in_state(*ACTIVE):
            self._waiting[row.id] = (store.outcome(row.id) or INTERRUPTED, None)
        self.flush()

    def set_notice(self, run: str, words: str) -> None:
        """Shows a sentence beside a run; "" takes it away."""
        self._notices[run] = words

    def notice(self, run: str) -> str:
        """That sentence."""
        return self._notices.get(run, "")

    def note(self, run: str, state: str, seconds: float | None) -> None:
        """A run is over; ``seconds``: it has trained so long, where that is known."""
        with self._lock:
            self._waiting[run] = (state, seconds)
        self.flush()

    def flush(self, wanted: str = "") -> None:
        """Writes down what is not yet in the store. What cannot be written now is known here until it can; raises
        NotWrittenError if the run that is ``wanted`` is among it."""
        with self._lock:
            try:
                for run, (state, seconds) in list(self._waiting.items()):
                    self.store.set_state(run, state, seconds)
                    del self._waiting[run]
            except StorageError:
                if wanted in self._waiting:
                    raise

    def of(self, row: Run | SweepRow) -> tuple[str, float]:
        """State and seconds of a run that nobody drives."""
        state, seconds = self._waiting.get(row.id, (row.state, None))
        return state, row.seconds if seconds is None else seconds
