"""Soft delete of runs and sweeps, undo, and final removal when the app ends or starts, or when space is needed."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from kd_core.base.errors import StorageError
from kd_core.base.paths import artefact_folder
from kd_core.store.database import Database
from kd_core.store.records import ACTIVE, RUN, STATE, Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrashItem:
    """Deleted run or sweep that can still be restored."""

    id: str
    deleted_at: float  # seconds since 1970
    run: Run  # of a sweep the first one
    count: int  # of runs


class Trash(Database):
    """Deleted runs and sweeps. A sweep is deleted and restored as a whole, by its id or that of any of its runs."""

    def delete(self, run: str) -> TrashItem:
        """Delete a run or sweep and return it.

        Raises:
            ValueError: It is queued or training, or does not exist.
        """
        item_id, now = self._item_id(run), time.time()
        idle = f"deleted IS NULL AND {STATE} NOT IN ({', '.join('?' * len(ACTIVE))})"
        values = (now, item_id, *ACTIVE)
        with self._transaction() as db:
            rows = [
                *db.execute(f"UPDATE sweeps SET deleted = ? WHERE id = ? AND {idle} RETURNING id", values),
                *db.execute(
                    f"UPDATE runs SET deleted = ? WHERE id = ? AND sweep IS NULL AND {idle} RETURNING id", values
                ),
            ]
            if rows:
                db.execute("UPDATE runs SET deleted = ? WHERE sweep = ?", (now, item_id))
        item = self.find(item_id)
        if item is None:
            query = "SELECT 1 FROM runs WHERE id = ? OR sweep = ? UNION SELECT 1 FROM sweeps WHERE id = ?"
            raise ValueError(
                "This run is still training or waits for its turn. Stop it first, then delete it."
                if self._db().execute(query, (item_id, item_id, item_id)).fetchone()
                else "There is no such run any more, so there is nothing to delete."
            )
        return item

    def restore(self, run: str) -> None:
        """Undo the deletion of a run or sweep. Raises ValueError if it has been removed for good."""
        item_id = self._item_id(run)
        with self._transaction() as db:
            change = "UPDATE runs SET deleted = NULL WHERE id = ? OR sweep = ?"
            count = db.execute(change, (item_id, item_id)).rowcount
            db.execute("UPDATE sweeps SET deleted = NULL WHERE id = ?", (item_id,))
        if not count:
            raise ValueError(
                "This run was removed when the app was restarted or the data folder was full. Train it again with the "
                "same settings."
            )

    def find(self, run: str) -> TrashItem | None:
        """Return the deleted run or sweep with this id, or None."""
        item_id = self._item_id(run)
        return next((item for item in self.all() if item.id == item_id), None)

    def all(self) -> list[TrashItem]:
        """Return everything that can be restored, the last deleted first."""
        rows = self._db().execute(
            f"SELECT {RUN}, deleted, count(*), min(coalesce(place, 0)) FROM runs WHERE deleted IS NOT NULL "
            "GROUP BY coalesce(sweep, id) ORDER BY deleted DESC"
        )
        items = []
        for row in rows:
            *_, deleted_at, count, _ = row
            run = Run.of(row)
            items.append(TrashItem(run.sweep or run.id, deleted_at, run, count))
        return items

    def size_of(self, run: str) -> int:
        """Return how many runs are deleted together with this one, itself included."""
        item_id = self._item_id(run)
        row = self._db().execute("SELECT count(*) FROM runs WHERE id = ? OR sweep = ?", (item_id, item_id)).fetchone()
        return int(row[0])

    def empty(self, folder: Path) -> int:
        """Remove everything deleted for good, with its files in the data folder, and return the number of runs.

        Files are removed first, so that their rows are still marked as deleted at the next start if the process ends in
        between. What cannot be removed now is tried again then.
        """
        removed = 0
        for item in self.all():
            kind = "sweeps" if item.run.sweep else "runs"
            try:
                _remove_files(folder, kind, item.id)
                with self._transaction() as db:
                    # Events and snapshots are removed by the foreign keys.
                    condition = "deleted IS NOT NULL AND (id = ? OR sweep = ?)"
                    removed += db.execute(f"DELETE FROM runs WHERE {condition}", (item.id, item.id)).rowcount
                    db.execute("DELETE FROM sweeps WHERE deleted IS NOT NULL AND id = ?", (item.id,))
            except (OSError, StorageError):
                log.warning("%s could not be removed", item.id, exc_info=True)
        if removed:
            with contextlib.suppress(StorageError):  # the free pages are used again
                self.give_space_back()
        return removed

    def _item_id(self, run: str) -> str:
        """Return the id of the sweep that a run belongs to, or the run's own."""
        row = self._db().execute("SELECT sweep FROM runs WHERE id = ?", (run,)).fetchone()
        return str(row[0]) if row and row[0] else run


def _remove_files(folder: Path, kind: str, name: str) -> None:
    try:
        path = artefact_folder(folder, kind, name)
    except ValueError:  # such an id never had any files
        return
    if path.exists():
        shutil.rmtree(path)
