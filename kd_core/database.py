"""The SQLite file behind everything that is stored: opened at the current schema, one connection for each thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kd_core.base.errors import is_outside, not_written
from kd_core.schema import MIGRATIONS, migrate, version_of

PATIENCE = 10.0  # seconds to wait for another program that is writing


class Database:
    """Safe to use from any thread: each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the database. Raises ValueError for one that a newer version wrote or that is damaged, and
        leaves it alone; NotWrittenError, as every change does, where the disk or another program refuses it."""
        self.path, self._local = path, threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            version = version_of(path)
            self._db().execute("PRAGMA journal_mode = WAL")  # kept by the file: readers never wait for the writer
        except (OSError, sqlite3.OperationalError) as error:
            raise not_written(path.name, error) from error
        if version < len(MIGRATIONS):  # else nothing is written: a full disk can still be read
            with self._transaction() as db:
                migrate(db, version)

    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            # What was said once survives a power cut: a checkpoint relies on everything that was said before it.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            self._local.db = db
        connection: sqlite3.Connection = self._local.db
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except BaseException as error:
            db.rollback()  # does nothing where SQLite has ended it by itself
            if isinstance(error, sqlite3.DatabaseError) and is_outside(error):
                raise not_written(self.path.name, error) from error
            raise
