"""The state of every run, with changes that wait until the database can be written, and notices beside runs."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading

from kd_core.base.errors import StorageError, storage_error
from kd_core.runs import event_writer
from kd_core.store.records import ACTIVE
from kd_core.store.store import Store

log = logging.getLogger(__name__)

UNWRITTEN = "That this run is {} could not be stored yet; it is tried again until it can be."


class RunStates:
    """Changes of the states of runs and sweeps, and a notice for each. Safe to use from any thread.

    Every reader of the store sees a change at once. One that cannot be written, on a full disk or in a locked database,
    is tried again until it is, and a notice says so. Notices last as long as the process.
    """

    def __init__(self, store: Store) -> None:
        """Mark the runs that an earlier process left active as interrupted, or as ended if their events say so."""
        self.store = store
        self._notices: dict[str, str] = {}
        self._error = ""  # why the last attempt to write failed
        self._is_closed = False
        self._changed = threading.Condition()  # guards all of these and the unwritten changes
        self._writing = threading.Lock()
        store.unwritten |= store.outcomes_of_active()
        self.flush()

    def set_notice(self, run: str, text: str) -> None:
        """Show a sentence beside a run; "" removes it."""
        self._notices[run] = text

    def notice(self, run: str) -> str:
        """Return the sentences beside a run; "" for none."""
        text, (state, _) = self._notices.get(run, ""), self.store.unwritten.get(run, ("", None))
        if not self._error or state in ("", *ACTIVE):
            return text
        return f"{text or self._error} {UNWRITTEN.format(state)}"

    def set(self, run: str, state: str) -> None:
        """Change the state of a run or sweep; the database follows."""
        log.info("run %s is %s", run, state, extra={"event": "state", "run": run, "state": state})
        with self._changed:
            self.store.unwritten[run] = (state, None)
            self._changed.notify_all()

    def end(self, run: str, state: str, seconds: float | None) -> None:
        """Record how a run or sweep ended, and its seconds of training where they are known.

        The runs of a sweep that are still active end with it, each as its events say if they do.
        """
        details = {"event": "end", "run": run, "state": state, "seconds": seconds}
        log.info("run %s is %s", run, state, extra=details)
        changes = {run: (state, seconds)}
        with contextlib.suppress(sqlite3.Error):  # what cannot be read now is checked at the next start
            members = (member.id for member in self.store.members(run) if member.state in ACTIVE)
            changes |= {member: (self.store.outcome(member) or state, None) for member in members}
        with self._changed:
            self.store.unwritten |= changes
            self._changed.notify_all()
        self.flush()

    def flush(self, run: str = "") -> None:
        """Write all changes. Raises StorageError if that of ``run`` cannot be written."""
        with self._writing:
            changes = dict(self.store.unwritten)
            if not changes:
                return
            try:
                self.store.set_states(changes)
            except (StorageError, OSError, sqlite3.Error) as error:
                if not isinstance(error, StorageError):
                    error = storage_error(self.store.path.name, error)
                if str(error) != self._error:  # it is tried again every second
                    log.warning("%s", error, extra={"event": "not written"})
                self._error = str(error)
                if run in changes:
                    raise error from None
                return
            with self._changed:
                self._error = ""
                for name, change in changes.items():
                    if self.store.unwritten.get(name) is change:  # otherwise it has changed again
                        del self.store.unwritten[name]

    def write_until_closed(self) -> None:
        """Write changes as they come, the body of a thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self.store.unwritten)
                if self._is_closed:
                    return
            self.flush()
            if self._error:
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closed, event_writer.RETRY_SECONDS)

    def close(self) -> None:
        """End :meth:`write_until_closed`, and write what can be written."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.flush()
