"""The SQLite file behind everything that is stored: opened at the current schema, one connection for each thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kd_core.schema import MIGRATIONS


class Database:
    """Safe to use from any thread: each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the database. Raises ValueError for one that a newer version wrote, and leaves it alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._local = threading.local()
        version = self._db().execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise ValueError(
                f"{path.name} was written by a newer version of Distillery (schema {version}, this one knows "
                f"{len(MIGRATIONS)}). Update Distillery, or choose another folder with DISTILLERY_DATA."
            )
        self._db().execute("PRAGMA journal_mode = WAL")  # remembered by the file: readers never wait for the writer
        with self._transaction() as db:
            for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in script.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            self._local.db = db
        connection: sqlite3.Connection = self._local.db
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
