"""Store of runs, sweeps and append-only events in SQLite.

The events of a run are numbered from 1 and never changed. Only :meth:`Store.rewind` removes some from the end, when a
run is resumed from a checkpoint before them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kd_core.base.events import Event, Finished, Step, from_json, to_json
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.config.sweep.search import Search
from kd_core.datasets import Dataset
from kd_core.store.database import Database, StateChange
from kd_core.store.records import (
    ACTIVE,
    INTERRUPTED,
    RUN,
    STATE,
    SWEEP,
    EventBatch,
    Run,
    SweepRow,
    change_key,
    family_of,
)
from kd_core.store.step_codec import (
    MAX_STEPS_PER_ROW,
    StepBlock,
    decode_steps,
    encode_steps,
    group_steps,
    read_block,
)

__all__ = ["EventBatch", "Run", "Store", "SweepRow", "family_of"]

DATABASE = "distillery.sqlite"  # file in a data folder
TABLES = ("runs", "sweeps")
MEMBER_COLUMNS = "id, created, config, family, seed, state, sweep, place"
SET_STATE = "UPDATE {} SET state = ?, seconds = coalesce(?, seconds) WHERE id = ?"
# Without the hint SQLite reads all events of a run instead.
ADJUSTED = "FROM events INDEXED BY changes_by_hand WHERE kind = 'adjusted'"


class Store(Database):
    """Reads and writes runs, sweeps and events. Deleted runs (:mod:`kd_core.store.trash`) are not read."""

    events_written = 0  # by this object, in all threads
    _counting = threading.Lock()

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, run: str, config: RunConfig, state: str) -> None:
        """Add a run with the id ``run``."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs (id, created, config, family, seed, state) VALUES (?, ?, ?, ?, ?, ?)",
                (run, time.time(), config.to_json(), family_of(config), config.seed, state),
            )

    def add_sweep(self, sweep_id: str, sweep: Sweep, runs: Sequence[str], state: str) -> None:
        """Add a sweep and all of its runs, whose ids are in the order of :meth:`Sweep.configs`."""
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO sweeps (id, created, sweep, state) VALUES (?, ?, ?, ?)",
                (sweep_id, now, sweep.to_json(), state),
            )
            db.executemany(
                f"INSERT INTO runs ({MEMBER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (run, now, config.to_json(), family_of(config), config.seed, state, sweep_id, place)
                    for place, (run, config) in enumerate(zip(runs, sweep.configs(), strict=True))
                ],
            )

    def add_search(self, search_id: str, search: Search, state: str) -> None:
        """Add a search, a sweep whose runs are added by :meth:`add_members` as they are proposed."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO sweeps (id, created, sweep, state) VALUES (?, ?, ?, ?)",
                (search_id, time.time(), search.to_json(), state),
            )

    def add_members(self, search_id: str, members: Mapping[int, tuple[str, RunConfig]], state: str) -> None:
        """Add runs to a search by their place in it, each with its id."""
        now = time.time()
        with self._transaction() as db:
            db.executemany(
                f"INSERT INTO runs ({MEMBER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (run, now, config.to_json(), family_of(config), config.seed, state, search_id, place)
                    for place, (run, config) in members.items()
                ],
            )

    def places(self, search_id: str) -> dict[str, int]:
        """Return the place of every run of a search or sweep."""
        return dict(self._db().execute("SELECT id, place FROM runs WHERE sweep = ? ORDER BY place", (search_id,)))

    def append(
        self, run: str, first: int, events: Sequence[tuple[float, Event]], weights: Mapping[int, bytes] | None = None
    ) -> None:
        """Append the events of one :class:`EventBatch` to a run."""
        self.append_batches([EventBatch(run, first, events, weights or {})])

    def append_batches(
        self, batches: Iterable[EventBatch], ended: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> None:
        """Append events of several runs in one transaction, and set the states of those that have ended.

        Args:
            batches: The events.
            ended: New state by run.
            seconds: Training time of the runs that have ended.
        """
        batches = list(batches)
        with self._transaction() as db:
            for batch in batches:
                self._insert_events(db, batch.run, batch.first, batch.events)
                # A run of a sweep starts when its group does, long after the sweep.
                db.execute("UPDATE runs SET state = 'training' WHERE id = ? AND state = 'queued'", (batch.run,))
                db.executemany(
                    "INSERT INTO snapshots (run, n, weights) VALUES (?, ?, ?)",
                    [(batch.run, n, weights) for n, weights in batch.weights.items()],
                )
                for _, event in batch.events:
                    if isinstance(event, Finished):
                        db.execute("UPDATE runs SET test = ? WHERE id = ?", (json.dumps(event.test), batch.run))
            for run, state in (ended or {}).items():
                db.execute(SET_STATE.format("runs"), (state, seconds, run))
        with self._counting:
            self.events_written += sum(len(batch.events) for batch in batches)

    def set_state(self, run: str, state: str, seconds: float | None = None) -> None:
        """Set the state of a run or sweep, and its training time unless that is None."""
        self.set_states({run: (state, seconds)})

    def set_states(self, changes: Mapping[str, StateChange]) -> None:
        """Set the states of several runs and sweeps in one transaction."""
        with self._transaction() as db:
            for table in TABLES:
                values = [(state, seconds, run) for run, (state, seconds) in changes.items()]
                db.executemany(SET_STATE.format(table), values)

    def transition(self, run: str, before: Iterable[str], after: str) -> bool:
        """Change the state of a run or sweep if it is one of ``before``; return whether it was.

        The runs of a sweep that are neither completed nor pruned change with it. Of two simultaneous calls, one
        succeeds.
        """
        states = tuple(before)
        change = f"SET state = ? WHERE id = ? AND state IN ({_placeholders(states)}) AND deleted IS NULL"
        with self._transaction() as db:
            has_changed = [db.execute(f"UPDATE {table} {change}", (after, run, *states)).rowcount for table in TABLES]
            if any(has_changed):
                members = "WHERE sweep = ? AND state NOT IN ('completed', 'pruned')"
                db.execute(f"UPDATE runs SET state = ? {members}", (after, run))
        return any(has_changed)

    def rewind(self, run: str, keep: int) -> None:
        """Remove every event after number ``keep``, before a resumed run emits the same ones again.

        Removed option changes are remembered for :meth:`changes`, so that a second interruption before they are
        repeated does not lose them.
        """
        with self._transaction() as db:
            changes = self._changes(run, keep)
            split = db.execute(  # the row of steps that holds events on both sides
                "SELECT n, at, body FROM events WHERE run = ? AND n <= ? AND n + count - 1 > ? AND n > ? - ?",
                (run, keep, keep, keep, MAX_STEPS_PER_ROW),
            ).fetchone()
            if split:
                n, at, body = split
                db.execute("DELETE FROM events WHERE run = ? AND n = ?", (run, n))
                self._insert_events(db, run, n, [(at, step) for step in decode_steps(body)[: keep - n + 1]])
            for table in ("events", "snapshots"):
                db.execute(f"DELETE FROM {table} WHERE run = ? AND n > ?", (run, keep))
            repeat = json.dumps(list(changes.values())) if changes else None
            db.execute("UPDATE runs SET test = NULL, rewinds = rewinds + 1, repeat = ? WHERE id = ?", (repeat, run))

    # -- reading -----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> Run | None:
        """Return the run with this id, or None."""
        return next(iter(self._runs("WHERE id = ?", (run,))), None)

    def runs(self, limit: int = 100) -> list[Run]:
        """Return the newest runs that belong to no sweep, newest first."""
        return self._runs("WHERE sweep IS NULL ORDER BY created DESC LIMIT ?", (limit,))

    def sweep(self, sweep_id: str) -> SweepRow | None:
        """Return the sweep with this id, or None."""
        return next(iter(self._sweeps("WHERE id = ?", (sweep_id,))), None)

    def sweeps(self, limit: int = 100) -> list[SweepRow]:
        """Return the newest sweeps, newest first."""
        return self._sweeps("ORDER BY created DESC LIMIT ?", (limit,))

    def searches(self) -> set[str]:
        """Return the ids of the sweeps that are searches."""
        query = "SELECT id FROM sweeps WHERE json_type(sweep, '$.search') IS NOT NULL"
        return {row[0] for row in self._db().execute(query)}

    def members(self, sweep_id: str) -> list[Run]:
        """Return the runs of a sweep, in its order."""
        return self._runs("WHERE sweep = ? ORDER BY place", (sweep_id,))

    def siblings(self, family: str) -> list[Run]:
        """Return one run per seed of a family, by seed, the newest completed one or else the newest.

        Runs with option changes by hand are left out.
        """
        # Chosen in SQL, since every start of the server adds a run to the family of the start page.
        chosen = f"""id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY seed ORDER BY {STATE} = 'completed' DESC, created DESC)
                    AS place
                FROM runs
                WHERE family = ? AND deleted IS NULL AND NOT EXISTS (SELECT 1 {ADJUSTED} AND run = id)
            ) WHERE place = 1
        )"""
        return self._runs(f"WHERE {chosen} ORDER BY seed", (family,))

    def in_state(self, *states: str) -> list[Run | SweepRow]:
        """Return all sweeps and then all runs in one of these states, oldest first."""
        ahead = tuple(self.unwritten)
        clause = f"WHERE state IN ({_placeholders(states)}) OR id IN ({_placeholders(ahead)}) ORDER BY created"
        values = (*states, *ahead)
        rows: list[Run | SweepRow] = [*self._sweeps(clause, values), *self._runs(clause, values)]
        return [row for row in rows if row.state in states]

    def outcomes_of_active(self) -> dict[str, StateChange]:
        """Return how each run and sweep ended that a process left active, by its events or else as interrupted."""
        return {row.id: (self.outcome(row.id) or INTERRUPTED, None) for row in self.in_state(*ACTIVE)}

    def states(self) -> dict[str, str]:
        """Return the state of every sweep, and of every run that belongs to none, by id."""
        query = f"SELECT id, {STATE} FROM sweeps UNION ALL SELECT id, {STATE} FROM runs WHERE sweep IS NULL"
        return dict(self._db().execute(query))

    def count_by_state(self) -> dict[str, int]:
        """Return the number of runs in each state that occurs."""
        return dict(self._db().execute(f"SELECT {STATE}, count(*) FROM runs WHERE deleted IS NULL GROUP BY 1"))

    def has_run_on(self, dataset: Dataset) -> bool:
        """Return whether a stored run has this data set, with the same options."""
        body = json.dumps(dataset.to_dict(), sort_keys=True, separators=(",", ":"))  # as RunConfig.to_json() writes it
        query = "SELECT 1 FROM runs WHERE json_extract(config, '$.dataset') = ? LIMIT 1"
        return self._db().execute(query, (body,)).fetchone() is not None

    def rewinds(self, run: str) -> int:
        """Return how often events of a run were removed; a cache of its events is valid while this stays the same."""
        row = self._db().execute("SELECT rewinds FROM runs WHERE id = ?", (run,)).fetchone()
        return int(row[0]) if row else 0

    def count(self, run: str) -> int:
        """Return the number of events of a run."""
        query = "SELECT n + count - 1 FROM events WHERE run = ? ORDER BY n DESC LIMIT 1"
        row = self._db().execute(query, (run,)).fetchone()
        return int(row[0]) if row else 0

    def outcome(self, run: str) -> str:
        """Return the outcome in the last event of a run; "" if that is not its end."""
        query = "SELECT kind, body FROM events WHERE run = ? ORDER BY n DESC LIMIT 1"
        kind, body = self._db().execute(query, (run,)).fetchone() or ("", "")
        return str(json.loads(body)["outcome"]) if kind == "finished" else ""

    def was_adjusted(self, run: str) -> bool:
        """Return whether an option of a run was changed by hand."""
        return self._db().execute(f"SELECT 1 {ADJUSTED} AND run = ? LIMIT 1", (run,)).fetchone() is not None

    def changes(self, run: str, after: int) -> list[Event]:
        """Return the option changes that a run resumed after event number ``after`` has to repeat.

        These are the stored ones since then, and those that :meth:`rewind` removed and that were not repeated yet.
        """
        return [from_json(body) for body in self._changes(run, after).values()]

    def events(self, run: str, after: int = 0, kinds: Iterable[str] = ()) -> list[tuple[int, Event]]:
        """Return (number, event) after number ``after``, in order; only of these ``kinds`` unless there are none."""
        return list(self.iter_events(run, after, kinds))

    def iter_events(self, run: str, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Event]]:
        """Yield :meth:`events` one by one, since a hundred thousand at once take seconds of garbage collection."""
        for number, event in self.iter_blocks(run, after, kinds):
            if isinstance(event, StepBlock):
                yield from enumerate(event.steps(), start=number - len(event) + 1)
            else:
                yield number, event

    def iter_blocks(
        self, run: str, after: int = 0, kinds: Iterable[str] = ()
    ) -> Iterator[tuple[int, Event | StepBlock]]:
        """Yield :meth:`events` with steps in blocks, each with the number of its last step."""
        wanted = tuple(kinds)
        wanted += ("steps",) if "step" in wanted else ()
        of_kind = f"AND kind IN ({_placeholders(wanted)})" if wanted else ""
        # The row of steps that holds ``after`` may also hold later ones.
        rows = self._db().execute(
            f"""SELECT n, kind, body FROM events WHERE run = ? {of_kind} AND n >= coalesce(
                (SELECT max(n) FROM events WHERE run = ? AND n <= ?), 0) ORDER BY n""",
            (run, *wanted, run, after),
        )
        for n, kind, body in rows:
            if kind == "steps":
                block = read_block(body)
                last = n + len(block) - 1
                if last > after:
                    yield last, block.without(max(0, after + 1 - n))
            elif n > after:
                yield n, from_json(body)

    def snapshots(self, run: str) -> list[tuple[int, Event]]:
        """Return (number, event) of every event of a run with stored weights, in order."""
        query = "SELECT n, body FROM snapshots JOIN events USING (run, n) WHERE run = ? ORDER BY n"
        return [(n, from_json(body)) for n, body in self._db().execute(query, (run,))]

    def with_weights(self, runs: Iterable[str]) -> set[str]:
        """Return which of these runs have stored weights."""
        query = "SELECT 1 FROM snapshots WHERE run = ? LIMIT 1"
        return {run for run in runs if self._db().execute(query, (run,)).fetchone()}

    def weights(self, run: str, n: int) -> bytes | None:
        """Return the weights stored with event number ``n``, or None."""
        row = self._db().execute("SELECT weights FROM snapshots WHERE run = ? AND n = ?", (run, n)).fetchone()
        return bytes(row[0]) if row else None

    def _changes(self, run: str, after: int) -> dict[str, str]:
        """Return option changes as JSON by their key."""
        (repeat,) = self._db().execute("SELECT repeat FROM runs WHERE id = ?", (run,)).fetchone() or ("",)
        changes = {change_key(body): body for body in json.loads(repeat or "[]")}
        query = "SELECT n, body FROM events WHERE run = ? AND kind IN ('adjusted', 'switched') ORDER BY n"
        for n, body in self._db().execute(query, (run,)):
            if n > after:
                changes[change_key(body)] = body
            else:
                changes.pop(change_key(body), None)
        return changes

    @staticmethod
    def _insert_events(db: sqlite3.Connection, run: str, first: int, events: Sequence[tuple[float, Event]]) -> None:
        rows: list[tuple[str, int, float, str, str | bytes, int]] = []
        for group in group_steps(events):
            at, event = group[-1]
            steps = [step for _, step in group if isinstance(step, Step)]
            kind, body = ("steps", encode_steps(steps)) if steps else (event.kind, to_json(event))
            rows.append((run, first, at, kind, body, len(group)))
            first += len(group)
        db.executemany("INSERT INTO events (run, n, at, kind, body, count) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _runs(self, clause: str, values: Sequence[object]) -> list[Run]:
        query = f"SELECT {RUN} FROM (SELECT * FROM runs WHERE deleted IS NULL) {clause}"
        return [Run.of(row) for row in self._db().execute(query, values)]

    def _sweeps(self, clause: str, values: Sequence[object]) -> list[SweepRow]:
        query = f"SELECT {SWEEP} FROM (SELECT * FROM sweeps WHERE deleted IS NULL) {clause}"
        return [SweepRow.of(row) for row in self._db().execute(query, values)]


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
