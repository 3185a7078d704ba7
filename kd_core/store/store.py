"""SQLite: runs, and what they said. Events are only ever appended, and numbered from 1 within their run."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kd_core.base.events import Event, Finished, Step, from_json, to_json
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.store.database import Database
from kd_core.store.records import RUN, SWEEP, EventBatch, Run, SweepRow, change_key, family_of
from kd_core.store.step_codec import MAX_STEPS_PER_ROW, decode_steps, encode_steps, group_steps

__all__ = ["EventBatch", "Run", "Store", "SweepRow", "family_of"]

TABLES = ("runs", "sweeps")  # of what is trained
SET_STATE = "UPDATE {} SET state = ?, seconds = coalesce(?, seconds) WHERE id = ?"
# Left to itself SQLite walks through all the events of a run instead.
BY_HAND = "FROM events INDEXED BY changes_by_hand WHERE kind = 'adjusted'"


class Store(Database):
    """All reading and writing of what is trained. What was deleted (:mod:`kd_core.store.trash`) is not read."""

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, run: str, config: RunConfig, state: str) -> None:
        """A new run."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs (id, created, config, family, seed, state) VALUES (?, ?, ?, ?, ?, ?)",
                (run, time.time(), config.to_json(), family_of(config), config.seed, state),
            )

    def add_sweep(self, sweep_id: str, sweep: Sweep, runs: Sequence[str], state: str) -> None:
        """A new sweep and all of its ``runs``, in the order of :meth:`Sweep.configs`."""
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO sweeps (id, created, sweep, state) VALUES (?, ?, ?, ?)",
                (sweep_id, now, sweep.to_json(), state),
            )
            columns = "id, created, config, family, seed, state, sweep, place"
            db.executemany(
                f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (run, now, config.to_json(), family_of(config), config.seed, state, sweep_id, place)
                    for place, (run, config) in enumerate(zip(runs, sweep.configs(), strict=True))
                ],
            )

    def append(
        self, run: str, first: int, events: Sequence[tuple[float, Event]], weights: Mapping[int, bytes] | None = None
    ) -> None:
        """One :class:`EventBatch`."""
        self.append_all([EventBatch(run, first, events, weights or {})])

    def append_all(
        self, entries: Iterable[EventBatch], ended: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> None:
        """Everything in one transaction, with the states of the runs that have ``ended`` after so many seconds."""
        with self._transaction() as db:
            for entry in entries:
                self._insert(db, entry.run, entry.first, entry.events)
                db.executemany(
                    "INSERT INTO snapshots (run, n, weights) VALUES (?, ?, ?)",
                    [(entry.run, n, kept) for n, kept in entry.weights.items()],
                )
                for _, event in entry.events:
                    if isinstance(event, Finished):
                        db.execute("UPDATE runs SET test = ? WHERE id = ?", (json.dumps(event.test), entry.run))

            for run, state in (ended or {}).items():
                db.execute(SET_STATE.format("runs"), (state, seconds, run))

    def set_state(self, run: str, state: str, seconds: float | None = None) -> None:
        """The state of a run or a sweep, and the seconds it has trained where they are known."""
        with self._transaction() as db:
            for table in TABLES:
                db.execute(SET_STATE.format(table), (state, seconds, run))

    def set_unfinished_state(self, sweep_id: str, after: str) -> None:
        """Changes the state of every run of a sweep that is not completed."""
        with self._transaction() as db:
            db.execute("UPDATE runs SET state = ? WHERE sweep = ? AND state != 'completed'", (after, sweep_id))

    def transition(self, run: str, before: Iterable[str], after: str) -> bool:
        """Changes the state if it is one of ``before``; False if it is not. Of two at once, one succeeds."""
        states = tuple(before)
        marks = ", ".join("?" * len(states))
        change = f"SET state = ? WHERE id = ? AND state IN ({marks}) AND deleted IS NULL"
        with self._transaction() as db:
            return any(db.execute(f"UPDATE {table} {change}", (after, run, *states)).rowcount for table in TABLES)

    def rewind(self, run: str, keep: int) -> None:
        """Forgets every event after number ``keep``: a resumed run says them again, the same ones.

        :meth:`changes` stay known: who is interrupted again before they were made again makes them then.
        """
        with self._transaction() as db:
            changes = self._changes(run, keep)
            cut = db.execute(
                "SELECT n, at, body FROM events WHERE run = ? AND n <= ? AND n + count - 1 > ? AND n > ? - ?",
                (run, keep, keep, keep, MAX_STEPS_PER_ROW),
            ).fetchone()
            if cut:
                n, at, body = cut
                db.execute("DELETE FROM events WHERE run = ? AND n = ?", (run, n))
                self._insert(db, run, n, [(at, step) for step in decode_steps(body)[: keep - n + 1]])
            for table in ("events", "snapshots"):
                db.execute(f"DELETE FROM {table} WHERE run = ? AND n > ?", (run, keep))
            repeat = json.dumps(list(changes.values())) if changes else None
            db.execute("UPDATE runs SET test = NULL, rewinds = rewinds + 1, repeat = ? WHERE id = ?", (repeat, run))

    def changes(self, run: str, after: int) -> list[Event]:
        """Changes by hand that a run resumed after event number ``after`` has to make again: those that were said
        since, and those that were forgotten before they could be said again."""
        return [from_json(body) for body in self._changes(run, after).values()]

    # -- reading -----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> Run | None:
        """One run, or None if there is no such id."""
        return next(self._runs("WHERE id = ?", (run,)), None)

    def runs(self, limit: int = 100) -> list[Run]:
        """The newest runs that were started one by one, newest first."""
        return list(self._runs("WHERE sweep IS NULL ORDER BY created DESC LIMIT ?", (limit,)))

    def sweep(self, sweep_id: str) -> SweepRow | None:
        """One sweep, or None if there is no such id."""
        return next(self._sweeps("WHERE id = ?", (sweep_id,)), None)

    def sweeps(self, limit: int = 100) -> list[SweepRow]:
        """The newest sweeps, newest first."""
        return list(self._sweeps("ORDER BY created DESC LIMIT ?", (limit,)))

    def members(self, sweep_id: str) -> list[Run]:
        """The runs of a sweep, in its order."""
        return list(self._runs("WHERE sweep = ? ORDER BY place", (sweep_id,)))

    def siblings(self, family: str) -> list[Run]:
        """One run of each seed of a family, by seed: the newest that was completed, else the newest.

        A run that was changed by hand is no one's sibling.
        """
        # Every start of the server adds one to the family of the start page: the database chooses among them, not we.
        chosen = f"""id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY seed ORDER BY state = 'completed' DESC, created DESC)
                    AS place
                FROM runs
                WHERE family = ? AND deleted IS NULL AND NOT EXISTS (SELECT 1 {BY_HAND} AND run = id)
            ) WHERE place = 1
        )"""
        return list(self._runs(f"WHERE {chosen} ORDER BY seed", (family,)))

    def was_adjusted(self, run: str) -> bool:
        """Whether somebody changed a run by hand while it trained."""
        return self._db().execute(f"SELECT 1 {BY_HAND} AND run = ? LIMIT 1", (run,)).fetchone() is not None

    def rewinds(self, run: str) -> int:
        """How often the end of a run was forgotten: what was read before such a time may no longer be true."""
        found = self._db().execute("SELECT rewinds FROM runs WHERE id = ?", (run,)).fetchone()
        return int(found[0]) if found else 0

    def in_state(self, *states: str) -> list[Run | SweepRow]:
        """All sweeps and runs in one of these states, oldest first of each."""
        chosen = f"WHERE state IN ({', '.join('?' * len(states))}) ORDER BY created"
        return [*self._sweeps(chosen, states), *self._runs(chosen, states)]

    def states(self) -> dict[str, str]:
        """The state of every sweep and of every run that was started alone, by id."""
        all_ = "SELECT id, state FROM sweeps UNION ALL SELECT id, state FROM runs WHERE sweep IS NULL"
        return dict(self._db().execute(all_))

    def events(self, run: str, after: int = 0, kinds: Iterable[str] = ()) -> list[tuple[int, Event]]:
        """(number, event) of a run after number ``after``, in order; of these ``kinds`` alone if any are given."""
        return list(self.iter_events(run, after, kinds))

    def iter_events(self, run: str, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Event]]:
        """:meth:`events` one by one: a hundred thousand of them at once keep the garbage collector busy for seconds."""
        chosen = tuple(kinds)
        chosen += ("steps",) if "step" in chosen else ()
        wanted = f"AND kind IN ({', '.join('?' * len(chosen))})" if chosen else ""
        # Steps share rows, so the row that holds ``after`` may hold what follows it, too.
        rows = self._db().execute(
            f"""SELECT n, kind, body FROM events WHERE run = ? {wanted} AND n >= coalesce(
                (SELECT max(n) FROM events WHERE run = ? AND n <= ?), 0) ORDER BY n""",
            (run, *chosen, run, after),
        )
        for n, kind, body in rows:
            if kind == "steps":
                yield from ((at, step) for at, step in enumerate(decode_steps(body), start=n) if at > after)
            elif n > after:
                yield n, from_json(body)

    def snapshots(self, run: str) -> list[tuple[int, Event]]:
        """(number, event) of everything a run said together with weights, in order."""
        rows = self._db().execute(
            "SELECT n, body FROM snapshots JOIN events USING (run, n) WHERE run = ? ORDER BY n", (run,)
        )
        return [(n, from_json(body)) for n, body in rows]

    def with_weights(self, among: Iterable[str]) -> set[str]:
        """The ids ``among`` these of runs that weights were kept of."""
        one = "SELECT 1 FROM snapshots WHERE run = ? LIMIT 1"
        return {run for run in among if self._db().execute(one, (run,)).fetchone()}

    def weights(self, run: str, n: int) -> bytes | None:
        """The weights kept with event number ``n``, or None if there are none."""
        found = self._db().execute("SELECT weights FROM snapshots WHERE run = ? AND n = ?", (run, n)).fetchone()
        return bytes(found[0]) if found else None

    def count(self, run: str) -> int:
        """The number of the last event of a run; 0 if it has said nothing."""
        last = "SELECT n + count - 1 FROM events WHERE run = ? ORDER BY n DESC LIMIT 1"
        found = self._db().execute(last, (run,)).fetchone()
        return int(found[0]) if found else 0

    def outcome(self, run: str) -> str:
        """How a run ended, by the last that it said; "" if that is not its end."""
        clause = "WHERE run = ? ORDER BY n DESC LIMIT 1"
        kind, body = self._db().execute(f"SELECT kind, body FROM events {clause}", (run,)).fetchone() or ("", "")
        return str(json.loads(body)["outcome"]) if kind == "finished" else ""

    def _changes(self, run: str, after: int) -> dict[str, str]:
        """By what each changes, and when."""
        (text,) = self._db().execute("SELECT repeat FROM runs WHERE id = ?", (run,)).fetchone() or ("",)
        found = {change_key(body): body for body in json.loads(text or "[]")}
        said = "SELECT n, body FROM events WHERE run = ? AND kind IN ('adjusted', 'switched') ORDER BY n"
        for n, body in self._db().execute(said, (run,)):
            if n > after:
                found[change_key(body)] = body
            else:
                found.pop(change_key(body), None)
        return found

    @staticmethod
    def _insert(db: sqlite3.Connection, run: str, first: int, said: Sequence[tuple[float, Event]]) -> None:
        rows: list[tuple[str, int, float, str, str | bytes, int]] = []
        for group in group_steps(said):
            at, event = group[-1]
            steps = [step for _, step in group if isinstance(step, Step)]
            kind, body = ("steps", encode_steps(steps)) if steps else (event.kind, to_json(event))
            rows.append((run, first, at, kind, body, len(group)))
            first += len(group)
        db.executemany("INSERT INTO events (run, n, at, kind, body, count) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _runs(self, clause: str, values: Sequence[object]) -> Iterator[Run]:
        for row in self._db().execute(f"SELECT {RUN} FROM (SELECT * FROM runs WHERE deleted IS NULL) {clause}", values):
            yield Run.of(row)

    def _sweeps(self, clause: str, values: Sequence[object]) -> Iterator[SweepRow]:
        rows = f"SELECT {SWEEP} FROM (SELECT * FROM sweeps WHERE deleted IS NULL) {clause}"
        for row in self._db().execute(rows, values):
            yield SweepRow.of(row)
