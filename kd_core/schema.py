"""The tables of the store, as a list of what was changed since the first version."""

from __future__ import annotations

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
