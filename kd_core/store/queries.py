"""Search, filter, sort and page over stored runs, and read-only access to their events.

Runs are selected and counted in SQL, by the JSON of their configurations. No data set is loaded, and only the runs of
the requested page become objects.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from kd_core.base.events import Prepared, from_json
from kd_core.base.registry import plugins
from kd_core.store.database import add_state_functions
from kd_core.store.records import RUN, STATE, LatestEvaluation
from kd_core.store.store import ADJUSTED, Run, Store

FACETS = ("dataset", "method", "scheme", "state", "tag")
PLUGIN_GROUPS = {
    "dataset": "datasets", "method": "methods", "scheme": "schemes", "teacher": "models", "student": "models",
}  # fmt: skip
STUDENT, BASELINE = "json_extract(test, '$.student.accuracy')", "json_extract(test, '$.baseline.accuracy')"
# SQL expression and default direction.
ORDERS = {
    "newest": ("created", "DESC"),
    "oldest": ("created", "ASC"),
    "best": (STUDENT, "DESC"),
    "gain": (f"CASE WHEN state != 'failed' THEN {STUDENT} - {BASELINE} END", "DESC"),
    "baseline": (BASELINE, "DESC"),
    "longest": ("seconds", "DESC"),
    "name": ("nullif(folded(name), '')", "ASC"),
    "data": ("json_extract(config, '$.dataset.name')", "ASC"),
    "scheme": ("json_extract(config, '$.scheme.name')", "ASC"),
    "method": ("json_extract(config, '$.method.name')", "ASC"),
    "student": ("json_extract(config, '$.student')", "ASC"),
    "teacher": ("json_extract(config, '$.teacher')", "ASC"),
    "seed": ("seed", "ASC"),
    "state": (STATE, "ASC"),
}
OPPOSITE = {"ASC": "DESC", "DESC": "ASC"}
NOT_DELETED = "deleted IS NULL"
# A sweep without axes only repeats a run with other seeds, which belong to the family of that run.
SWEPT = "sweep IN (SELECT id FROM sweeps WHERE json_array_length(sweep, '$.axes') > 0)"
# A run that somebody named or pinned has a row of its own.
GROUP = f"CASE WHEN {SWEPT} THEN sweep WHEN name != '' OR pinned THEN id ELSE family END"


@dataclass(frozen=True)
class Search:
    """Words, filters and order of a list of runs. Pinned runs always come first, those without a value last."""

    words: str = ""  # a run must contain all of them
    facets: dict[str, str] = field(default_factory=dict)  # value by facet; "" for any value
    order: str = "newest"  # one of ORDERS
    is_reversed: bool = False
    sweep: str = ""  # id of the sweep that a run must belong to
    seeds_of: str = ""  # id of a run, from which a run must differ in its seed alone


class RunGroup(NamedTuple):
    """Runs that are one row of a table, those of a sweep or those that differ in their seed alone."""

    run: Run  # that comes first
    size: int
    key: str  # id of the sweep, the family, or id of the only run

    @property
    def sweep(self) -> str:
        """Id of the sweep that the row stands for, or an empty string."""
        return self.key if self.key == self.run.sweep else ""


class RunQueries:
    """Read-only queries over the runs of a store."""

    def __init__(self, store: Store) -> None:
        self.path, self.unwritten = store.path, store.unwritten

    def count(self, search: Search = Search()) -> int:
        """Return the number of runs that a search finds."""
        where, values = _where(search)
        return int(self._fetch(f"SELECT count(*) FROM runs {where}", values)[0][0])

    def page(self, search: Search, first: int, most: int) -> list[Run]:
        """Return at most ``most`` runs of a search from position ``first`` on.

        Raises ValueError for an unknown order.
        """
        where, values = _where(search)
        return self._runs(f"{where} ORDER BY {_order(search)} LIMIT ? OFFSET ?", [*values, most, first])

    def count_rows(self, search: Search = Search()) -> int:
        """Return the number of :meth:`rows` of a search."""
        where, values = _where(search)
        return int(self._fetch(f"SELECT count(DISTINCT {_group(search)}) FROM runs {where}", values)[0][0])

    def rows(self, search: Search, first: int, most: int) -> list[RunGroup]:
        """Return runs like :meth:`page`, those of one sweep as one row, and those that differ in their seed alone.

        In a search for the runs of one sweep or family every run has its row. Raises ValueError for an unknown order.
        """
        where, values = _where(search)
        group, order = _group(search), _order(search)
        rows = self._fetch(
            f"""SELECT {RUN}, row_size, {group} FROM runs JOIN (
                SELECT id AS first_id, count(*) OVER (PARTITION BY {group}) AS row_size,
                    row_number() OVER (PARTITION BY {group} ORDER BY {order}) AS row_place,
                    row_number() OVER (ORDER BY {order}) AS row_order
                FROM runs {where}
            ) ON id = first_id WHERE row_place = 1 ORDER BY row_order LIMIT ? OFFSET ?""",
            [*values, most, first],
        )
        return [RunGroup(Run.of(row), int(row[-2]), str(row[-1])) for row in rows]

    def group_keys(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the :attr:`RunGroup.key` of the rows that stand for these runs, by run."""
        return dict(self._fetch(f"SELECT id, {GROUP} FROM runs WHERE id IN ({_placeholders(ids)})", ids))

    def comparable(self, search: Search, most: int) -> list[Run]:
        """Return the newest completed runs of a search that are worth comparing, on the data of the newest one.

        These are one run per family, or several seeds where there is one family alone. Runs with changes by hand are
        left out, and so are those of sweeps unless the search names the sweep.
        """
        where, values = _where(search)
        unswept = "" if search.sweep else f"AND NOT coalesce({SWEPT}, 0)"
        newest = "created DESC, rowid DESC"
        seed_place = f"row_number() OVER (PARTITION BY family ORDER BY {newest}) AS seed_place"
        rows = self._fetch(
            f"""WITH candidates AS (
                SELECT *, rowid AS rowid, {seed_place} FROM runs
                {where} AND {STATE} = 'completed' {unswept} AND NOT EXISTS (SELECT 1 {ADJUSTED} AND run = runs.id)
            )
            SELECT {RUN}, seed_place FROM candidates WHERE json_extract(config, '$.dataset') = (
                SELECT json_extract(config, '$.dataset') FROM candidates ORDER BY {newest} LIMIT 1
            ) ORDER BY seed_place > 1, {newest} LIMIT ?""",
            [*values, most],
        )
        families = sum(row[-1] == 1 for row in rows)
        return [Run.of(row) for row in (rows[:families] if families > 1 else rows)]

    def pinned(self, most: int) -> list[Run]:
        """Return the newest pinned runs."""
        return self._runs(f"WHERE {NOT_DELETED} AND pinned ORDER BY created DESC LIMIT ?", (most,))

    def by_ids(self, ids: Sequence[str]) -> dict[str, Run]:
        """Return the runs with these ids, in the order of ``ids``, without those that are not stored."""
        runs = {run.id: run for run in self._runs(f"WHERE {NOT_DELETED} AND id IN ({_placeholders(ids)})", ids)}
        return {run: runs[run] for run in ids if run in runs}

    def choices(self) -> dict[str, dict[str, int]]:
        """Return for each facet the values that occur and in how many runs, the most frequent first."""
        counts: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        columns = {facet: _column(facet) for facet in FACETS if facet != "tag"}
        query = f"SELECT {', '.join(columns.values())}, count(*) FROM runs WHERE {NOT_DELETED} GROUP BY 1, 2, 3, 4"
        for *values, count in self._fetch(query, ()):
            for facet, value in zip(columns, values, strict=True):
                counts[facet][value] = counts[facet].get(value, 0) + count
        tags = f"SELECT value, count(*) FROM runs, json_each(runs.tags) WHERE {NOT_DELETED} GROUP BY 1"
        counts["tag"] = dict(self._fetch(tags, ()))
        return {facet: dict(sorted(values.items(), key=lambda item: -item[1])) for facet, values in counts.items()}

    def prepared(self, run: str) -> Prepared | None:
        """Return the event with the networks and phases of a run; None before it was emitted."""
        rows = self._fetch("SELECT body FROM events WHERE run = ? AND kind = 'prepared' ORDER BY n LIMIT 1", (run,))
        event = from_json(rows[0][0]) if rows else None
        return event if isinstance(event, Prepared) else None

    def event_rows(self, run: str, kinds: Sequence[str]) -> list[tuple[int, float, str, str | bytes, int]]:
        """Return (number, seconds since 1970, kind, body, number of steps) of each row of these kinds, in order."""
        clause = f"WHERE run = ? AND kind IN ({_placeholders(kinds)}) ORDER BY n"
        return self._fetch(f"SELECT n, at, kind, body, count FROM events {clause}", (run, *kinds))

    def version(self, run: str) -> tuple[str, int, int]:
        """Return state, number of the last event and rewinds of a run. If they are the same, so are its events."""
        return self._fetch(
            f"SELECT {STATE}, (SELECT coalesce(max(n), 0) FROM events WHERE run = runs.id), rewinds FROM runs "
            "WHERE id = ?", (run,)
        )[0]  # fmt: skip

    def latest_evaluations(self, sweep: str, role: str, control: str) -> list[LatestEvaluation]:
        """Return the last validation accuracies of ``role`` and ``control`` in each run of a sweep, in its order."""
        newest = (
            "(SELECT {columns} FROM events WHERE run = runs.id AND kind = 'validated' "
            "AND json_extract(body, ?) IS NOT NULL ORDER BY n DESC LIMIT 1)"
        )
        columns = "json_array(json_extract(body, ?), json_extract(body, '$.epoch'), json_extract(body, ?))"
        paths = [(f'$.accuracy."{name}"', f'$.correct."{name}"') for name in (role, control)]
        of_network = newest.format(columns=columns)
        rows = self._fetch(
            f"SELECT id, seed, {STATE}, {of_network}, {of_network} FROM runs WHERE sweep = ? ORDER BY place",
            (*(path for accuracy, correct in paths for path in (accuracy, correct, accuracy)), sweep),
        )
        evaluations = []
        for run, seed, state, *both in rows:
            (accuracy, epoch, correct), (control_accuracy, _, control_correct) = (
                json.loads(values) if values else (None, 0, None) for values in both
            )
            evaluations.append(
                LatestEvaluation(
                    run, seed, state, accuracy, control_accuracy, epoch, correct or "", control_correct or ""
                )
            )
        return evaluations

    def _runs(self, clause: str, values: Iterable[object]) -> list[Run]:
        return [Run.of(row) for row in self._fetch(f"SELECT {RUN} FROM runs {clause}", values)]

    def _fetch(self, query: str, values: Iterable[object]) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            # SQLite's own functions change the case of ASCII letters alone.
            db.create_function("folded", 1, str.casefold, deterministic=True)
            add_state_functions(db, dict(self.unwritten))  # as of now, like what the query reads
            return db.execute(query, tuple(values)).fetchall()


def _group(search: Search) -> str:
    return "id" if search.sweep or search.seeds_of else GROUP


def _order(search: Search) -> str:
    """Return the terms of ORDER BY. Raises ValueError for an unknown order."""
    if search.order not in ORDERS:
        raise ValueError(f"order = {search.order}: choose one of {', '.join(ORDERS)}.")
    expression, direction = ORDERS[search.order]
    if search.is_reversed:
        direction = OPPOSITE[direction]
    then = direction if expression == "created" else "DESC"
    # The runs of a sweep have the same time of creation.
    return f"pinned DESC, {expression} {direction} NULLS LAST, created {then}, rowid {then}"


def _column(facet: str) -> str:
    return STATE if facet == "state" else f"json_extract(config, '$.{facet}.name')"


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _where(search: Search) -> tuple[str, list[str]]:
    clauses, values = [NOT_DELETED], []
    for facet, value in search.facets.items():
        if value and facet == "tag":
            clauses.append("EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE folded(value) = folded(?))")
            values.append(value)
        elif value:
            clauses.append(f"{_column(facet)} = ?")
            values.append(value)
    if search.sweep:
        clauses.append("sweep = ?")
        values.append(search.sweep)
    if search.seeds_of:
        clauses.append(f"family = (SELECT family FROM runs WHERE id = ?) AND NOT coalesce({SWEPT}, 0)")
        values.append(search.seeds_of)
    for word in search.words.lower().split()[:8]:
        clause, word_values = _word_clause(word)
        clauses.append(f"({clause})")
        values += word_values
    return "WHERE " + " AND ".join(clauses), values


def _word_clause(word: str) -> tuple[str, list[str]]:
    """Return SQL and values that find ``word`` in the annotations, id, state, seed or the parts of a run."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    clauses, values = ["id LIKE ? ESCAPE '\\'", f"{STATE} LIKE ? ESCAPE '\\'"], [f"{escaped}%", f"{escaped}%"]
    clauses += [
        "instr(folded(name || char(10) || note), folded(?))",
        "EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE instr(folded(value), folded(?)))",
    ]
    values += [word, word]
    if word.isdecimal():
        clauses.append("seed = CAST(? AS INTEGER)")
        values.append(word)
    for part, group in PLUGIN_GROUPS.items():
        names = [key for key, cls in plugins(group).items() if word in f"{key} {cls.title}".lower()]
        if names:
            clauses.append(f"{_column(part)} IN ({_placeholders(names)})")
            values += names
    return " OR ".join(clauses), values
