"""Deleting runs so that it can be undone: what is deleted is hidden at once and removed when the app ends or starts."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from kd_core.base.errors import StorageError
from kd_core.base.paths import artefact_folder
from kd_core.store.database import Database
from kd_core.store.records import ACTIVE, RUN, Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrashItem:
    """Something that can still be had back: one run, or a sweep by its first run, and how many runs that are.
    ``at`` in seconds since 1970."""

    id: str
    at: float
    run: Run
    count: int


class Trash(Database):
    """What was deleted since the app was started. A sweep is deleted as a whole, whichever of its runs is named."""

    def delete(self, run: str) -> TrashItem:
        """Deletes a run, or the sweep that it is one of, or a sweep.

        Raises ValueError for what is not there, and for what is queued or training: stop it first.
        """
        one, now = self._whole(run), time.time()
        idle = f"deleted IS NULL AND state NOT IN ({', '.join('?' * len(ACTIVE))})"
        with self._transaction() as db:
            rows = [
                *db.execute(f"UPDATE sweeps SET deleted = ? WHERE id = ? AND {idle} RETURNING id", (now, one, *ACTIVE)),
                *db.execute(
                    f"UPDATE runs SET deleted = ? WHERE id = ? AND sweep IS NULL AND {idle} RETURNING id",
                    (now, one, *ACTIVE),
                ),
            ]
            if rows:
                db.execute("UPDATE runs SET deleted = ? WHERE sweep = ?", (now, one))
        found = self.find(one)
        if found is None:
            is_there = self._db().execute(
                "SELECT 1 FROM runs WHERE id = ? OR sweep = ? UNION SELECT 1 FROM sweeps WHERE id = ?", (one, one, one)
            )
            raise ValueError(
                "This run is still training or waits for its turn. Stop it first, then delete it."
                if is_there.fetchone()
                else "There is no such run any more, so there is nothing to delete."
            )
        return found

    def restore(self, run: str) -> None:
        """Everything is as it was. Raises ValueError for what is not in the trash, or no longer."""
        one = self._whole(run)
        with self._transaction() as db:
            count = db.execute("UPDATE runs SET deleted = NULL WHERE id = ? OR sweep = ?", (one, one)).rowcount
            db.execute("UPDATE sweeps SET deleted = NULL WHERE id = ?", (one,))
        if not count:
            raise ValueError("This run was removed when the app was restarted. Train it again with the same settings.")

    def find(self, run: str) -> TrashItem | None:
        """What was deleted under this id: of a run, of one of the runs of a sweep, or of a sweep."""
        one = self._whole(run)
        return next((deleted for deleted in self.all() if deleted.id == one), None)

    def all(self) -> list[TrashItem]:
        """What can be had back, the last deleted first."""
        rows = self._db().execute(
            f"SELECT {RUN}, deleted, count(*), min(coalesce(place, 0)) FROM runs WHERE deleted IS NOT NULL "
            "GROUP BY coalesce(sweep, id) ORDER BY deleted DESC"
        )
        found = [(Run.of(row), row[-3], row[-2]) for row in rows]
        return [TrashItem(run.sweep or run.id, at, run, count) for run, at, count in found]

    def size_of(self, run: str) -> int:
        """How many runs are deleted together with this one, itself included."""
        one = self._whole(run)
        found = self._db().execute("SELECT count(*) FROM runs WHERE id = ? OR sweep = ?", (one, one)).fetchone()
        return int(found[0])

    def empty(self, folder: Path) -> int:
        """Removes for good what was deleted, with the checkpoints in ``folder``; returns how many runs that were.

        Files go first: if the process ends in between, the rest is still known to be deleted at the next start. What
        cannot be removed now stays deleted, and is tried again then.
        """
        removed = 0
        for deleted in self.all():
            kind = "sweeps" if deleted.run.sweep else "runs"
            try:
                _remove(folder, kind, deleted.id)
                with self._transaction() as db:
                    # Events and snapshots go with their run.
                    marked = "deleted IS NOT NULL AND (id = ? OR sweep = ?)"
                    removed += db.execute(f"DELETE FROM runs WHERE {marked}", (deleted.id, deleted.id)).rowcount
                    db.execute("DELETE FROM sweeps WHERE deleted IS NOT NULL AND id = ?", (deleted.id,))
            except (OSError, StorageError):
                log.warning("%s could not be removed", deleted.id, exc_info=True)
        return removed

    def _whole(self, run: str) -> str:
        """The id of the sweep that a run is one of, or its own."""
        found = self._db().execute("SELECT sweep FROM runs WHERE id = ?", (run,)).fetchone()
        return str(found[0]) if found and found[0] else run


def _remove(folder: Path, kind: str, name: str) -> None:
    try:
        path = artefact_folder(folder, kind, name)
    except ValueError:  # so it never had any
        return
    if path.exists():
        shutil.rmtree(path)
