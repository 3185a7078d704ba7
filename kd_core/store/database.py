"""The SQLite file behind everything that is stored: opened at the current schema, one connection for each thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kd_core.base.errors import DAMAGED, is_environment_error, storage_error

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
            raise storage_error(path.name, error) from error
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
            if isinstance(error, sqlite3.DatabaseError) and is_environment_error(error):
                raise storage_error(self.path.name, error) from error
            raise


# A migration is never edited once released: a change of the schema is a new entry at the end.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        created REAL NOT NULL,      -- seconds since 1970
        config TEXT NOT NULL,       -- RunConfig.to_json()
        family TEXT NOT NULL,       -- the same without the seed: runs that differ by luck alone
        seed INTEGER NOT NULL,
        state TEXT NOT NULL,
        seconds REAL NOT NULL DEFAULT 0,  -- spent training, pauses left out
        rewinds INTEGER NOT NULL DEFAULT 0,  -- how often the end was forgotten, to be said again
        test TEXT                   -- Finished.test, once there is one
    );
    CREATE INDEX runs_by_family ON runs (family, seed);
    CREATE TABLE events (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        at REAL NOT NULL,           -- seconds since 1970
        kind TEXT NOT NULL,
        body TEXT NOT NULL,         -- events.to_json()
        PRIMARY KEY (run, n)
    ) WITHOUT ROWID;
    CREATE INDEX changes_by_hand ON events (run) WHERE kind = 'adjusted';
    """,
    """
    CREATE TABLE snapshots (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        n INTEGER NOT NULL,         -- of the event that was said with these weights
        weights BLOB NOT NULL,      -- snapshots.pack(): safetensors
        PRIMARY KEY (run, n)
    );
    """,
    # A row of kind "steps" holds the steps number n, n + 1, ...: packing.pack(). Before, each had a row of JSON.
    "ALTER TABLE events ADD COLUMN count INTEGER NOT NULL DEFAULT 1",
    """
    CREATE TABLE sweeps (
        id TEXT PRIMARY KEY,
        created REAL NOT NULL,      -- seconds since 1970
        sweep TEXT NOT NULL,        -- Sweep.to_json()
        state TEXT NOT NULL,        -- as of a run
        seconds REAL NOT NULL DEFAULT 0
    );
    ALTER TABLE runs ADD COLUMN sweep TEXT REFERENCES sweeps (id);
    ALTER TABLE runs ADD COLUMN place INTEGER;  -- among the runs of its sweep
    CREATE INDEX runs_by_sweep ON runs (sweep, place);
    CREATE INDEX runs_by_age ON runs (created);
    CREATE INDEX runs_by_state ON runs (state)
    """,
    # Changes by hand that were forgotten with the end of a run, to be made again: a JSON list of events.to_json().
    "ALTER TABLE runs ADD COLUMN repeat TEXT",
    # What people say of a run or a sweep: labels.py; and when they threw it away: trash.py.
    "".join(
        f"""
        ALTER TABLE {table} ADD COLUMN name TEXT NOT NULL DEFAULT '';
        ALTER TABLE {table} ADD COLUMN note TEXT NOT NULL DEFAULT '';
        ALTER TABLE {table} ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';    -- JSON
        ALTER TABLE {table} ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;  -- 1: yes
        ALTER TABLE {table} ADD COLUMN deleted REAL;                       -- seconds since 1970
        """
        for table in ("runs", "sweeps")
    ),
)


def version_of(path: Path) -> int:
    """How many migrations a database has seen; 0 if there is none.

    Read without changing a byte of it. Raises ValueError for one that a newer version wrote, that is damaged, or that
    is not Distillery's, and NotWrittenError where it cannot be read at all.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    try:
        # Opened for reading alone: else SQLite would tidy up after a crash in a file that may be somebody else's.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        if not is_environment_error(error):
            raise ValueError(f"{path.name} cannot be read. {DAMAGED}.") from error
        raise storage_error(path.name, error) from error
    if version > len(MIGRATIONS):
        raise ValueError(
            f"{path.name} was written by a newer version of Distillery (schema {version}, this one knows "
            f"{len(MIGRATIONS)}). Update Distillery, or choose another folder with DISTILLERY_DATA."
        )
    if missing := sorted(_names(version) - there):
        raise ValueError(f"{path.name} has no {', '.join(missing)}, though its schema is {version}. {DAMAGED}.")
    if there and not version:
        raise ValueError(
            f"{path.name} belongs to another program. Move it away, or choose another folder with DISTILLERY_DATA."
        )
    return version


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Everything since that version, within the caller's transaction: all of it happens, or nothing."""
    for number in range(version, len(MIGRATIONS)):
        for statement in _statements(number):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number + 1}")


def _statements(number: int) -> Iterator[str]:
    yield from MIGRATIONS[number].split(";")


def _names(version: int) -> set[str]:
    """Tables and indices of a database of that version."""
    with closing(sqlite3.connect(":memory:")) as db:
        for number in range(version):
            for statement in _statements(number):
                db.execute(statement)
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")}
