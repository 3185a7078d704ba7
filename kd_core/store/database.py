"""SQLite connection per thread, transactions, and schema migrations."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from kd_core.base.errors import DAMAGED, is_environment_error, storage_error

TIMEOUT = 10.0  # seconds to wait for another program that is writing
StateChange = tuple[str, float | None]  # new state of a run or sweep, and its seconds of training where they change


class Database:
    """SQLite database that can be used from any thread, since each thread has its own connection.

    ``unwritten`` holds state changes by run that the database does not have yet; every query sees them.
    """

    def __init__(self, path: Path, unwritten: dict[str, StateChange] | None = None) -> None:
        """Open or create the database and migrate it to the current schema.

        Args:
            path: File of the database.
            unwritten: State changes shared with another object for the same file; default none.

        Raises:
            StorageError: The disk or another program prevents it. Every method that writes raises this, too.
            ValueError: The file was written by a newer version or another program, or is damaged; it is left unchanged.
        """
        self.path, self._local = path, threading.local()
        self.unwritten = {} if unwritten is None else unwritten
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            version = version_of(path)
            if not version:  # it has an effect before the first table only
                self._db().execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db().execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
        except (OSError, sqlite3.OperationalError) as error:
            raise storage_error(path.name, error) from error
        if version < len(MIGRATIONS):  # otherwise nothing is written, so that a full disk can be read
            with self._transaction() as db:
                migrate(db, version, len(MIGRATIONS))

    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None)
            # A checkpoint relies on the events before it, so they must survive a power cut.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            self._local.unwritten = {}
            add_state_functions(db, self._local.unwritten)
            self._local.db = db
        # Copied before the statement begins, since a change that is written meanwhile, and no longer listed then, is
        # missing in what the statement reads.
        self._local.unwritten.clear()
        self._local.unwritten.update(self.unwritten)
        connection: sqlite3.Connection = self._local.db
        return connection

    def fold_log(self) -> None:
        """Move the write-ahead log into the database, so that a copy of that file alone is complete.

        Raises StorageError.
        """
        self._maintain("PRAGMA wal_checkpoint(TRUNCATE)")

    def give_space_back(self) -> None:
        """Shrink the file by the pages that deletions left free. Raises StorageError.

        A database of an earlier version is written anew once, if most of it is free.
        """
        free, pages, mode = (
            self._db().execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_count", "auto_vacuum")
        )
        if mode:
            self._maintain("PRAGMA incremental_vacuum")
        elif free > pages / 2:
            self._maintain("PRAGMA auto_vacuum = INCREMENTAL", "VACUUM")

    def rewrite(self) -> None:
        """Write the file anew without free pages, which takes as much space again meanwhile. Raises StorageError."""
        self._maintain("PRAGMA auto_vacuum = INCREMENTAL", "VACUUM")
        self.fold_log()

    def _maintain(self, *statements: str) -> None:
        try:
            for statement in statements:
                self._db().executescript(statement)  # execute() would end after the first page
        except sqlite3.DatabaseError as error:
            raise storage_error(self.path.name, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._db()
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.rollback()  # does nothing if SQLite has already rolled back
                raise
        except OSError as error:
            raise storage_error(self.path.name, error) from error
        except sqlite3.DatabaseError as error:
            if is_environment_error(error):
                raise storage_error(self.path.name, error) from error
            raise


def add_state_functions(db: sqlite3.Connection, unwritten: Mapping[str, StateChange]) -> None:
    """Add the SQL functions ``current_state(id, state)`` and ``current_seconds(id, seconds)`` to a connection.

    They return the values of ``unwritten`` where it has some, else their second argument.
    """

    def current_state(run: str, state: str) -> str:
        return unwritten.get(run, (state, None))[0]

    def current_seconds(run: str, stored: float) -> float:
        seconds = unwritten.get(run, ("", None))[1]
        return stored if seconds is None else seconds

    db.create_function("current_state", 2, current_state)
    db.create_function("current_seconds", 2, current_seconds)


# A released migration is never edited; a change of the schema is a new entry at the end.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,      -- seconds since 1970
            config TEXT NOT NULL,       -- RunConfig.to_json()
            family TEXT NOT NULL,       -- records.family_of(): the configuration without its seed
            seed INTEGER NOT NULL,
            state TEXT NOT NULL,
            seconds REAL NOT NULL DEFAULT 0,  -- of training, without pauses
            rewinds INTEGER NOT NULL DEFAULT 0,  -- how often events were removed to be emitted again
            test TEXT                   -- Finished.test of a run that has ended
        )
        """,
        "CREATE INDEX runs_by_family ON runs (family, seed)",
        """
        CREATE TABLE events (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            n INTEGER NOT NULL,
            at REAL NOT NULL,           -- seconds since 1970
            kind TEXT NOT NULL,
            body TEXT NOT NULL,         -- events.to_json()
            PRIMARY KEY (run, n)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX changes_by_hand ON events (run) WHERE kind = 'adjusted'",
    ),
    (
        """
        CREATE TABLE snapshots (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            n INTEGER NOT NULL,         -- of the event that was emitted with these weights
            weights BLOB NOT NULL,      -- weight_snapshots.serialize_weights()
            PRIMARY KEY (run, n)
        )
        """,
    ),
    # A row of kind "steps" holds the steps n, n + 1, ... (step_codec.encode_steps()); before, each had a row of JSON.
    ("ALTER TABLE events ADD COLUMN count INTEGER NOT NULL DEFAULT 1",),
    (
        """
        CREATE TABLE sweeps (
            id TEXT PRIMARY KEY,
            created REAL NOT NULL,      -- seconds since 1970
            sweep TEXT NOT NULL,        -- Sweep.to_json() or Search.to_json()
            state TEXT NOT NULL,        -- as of a run
            seconds REAL NOT NULL DEFAULT 0
        )
        """,
        "ALTER TABLE runs ADD COLUMN sweep TEXT REFERENCES sweeps (id)",
        "ALTER TABLE runs ADD COLUMN place INTEGER",  # position in its sweep
        "CREATE INDEX runs_by_sweep ON runs (sweep, place)",
        "CREATE INDEX runs_by_age ON runs (created)",
        "CREATE INDEX runs_by_state ON runs (state)",
    ),
    # Option changes whose events were removed by a rewind, to be repeated: a JSON list of events.to_json().
    ("ALTER TABLE runs ADD COLUMN repeat TEXT",),
    # User annotations (annotations.py), and the time of deletion in seconds since 1970 (trash.py).
    tuple(
        f"ALTER TABLE {table} ADD COLUMN {column}"
        for table in ("runs", "sweeps")
        for column in (
            "name TEXT NOT NULL DEFAULT ''",
            "note TEXT NOT NULL DEFAULT ''",
            "tags TEXT NOT NULL DEFAULT '[]'",  # JSON
            "pinned INTEGER NOT NULL DEFAULT 0",  # 1 if pinned
            "deleted REAL",
        )
    ),
)


def version_of(path: Path) -> int:
    """Return how many migrations a database has seen, without changing a byte of it; 0 if there is none.

    Raises:
        StorageError: The file cannot be read.
        ValueError: The file was written by a newer version or another program, or is damaged.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    try:
        # Read only, since SQLite would otherwise clean up after a crash in a file that may be another program's.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        if not is_environment_error(error):
            raise ValueError(f"{path.name} cannot be read. {DAMAGED}.") from error
        raise storage_error(path.name, error) from error
    if version > len(MIGRATIONS):
        raise ValueError(
            f"{path.name} was written by a newer version of Distillery (schema {version}, this one knows "
            f"{len(MIGRATIONS)}). Update Distillery, or choose another folder with DISTILLERY_DATA."
        )
    if missing := sorted(_expected_names(version) - names):
        raise ValueError(f"{path.name} has no {', '.join(missing)}, though its schema is {version}. {DAMAGED}.")
    if names and not version:
        raise ValueError(
            f"{path.name} belongs to another program. Move it away, or choose another folder with DISTILLERY_DATA."
        )
    return version


def migrate(db: sqlite3.Connection, version: int, target: int) -> None:
    """Migrate a database from one schema version to another within the caller's transaction."""
    for number in range(version, target):
        for statement in MIGRATIONS[number]:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number + 1}")


def _expected_names(version: int) -> set[str]:
    """Return the names of the tables and indices of a schema version."""
    with closing(sqlite3.connect(":memory:")) as db:
        migrate(db, 0, version)
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")}
