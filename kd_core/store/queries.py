"""Reading many stored runs at once: which there are, a page of them at a time, and what a comparison starts from.

Everything is chosen and counted in SQL, from the text of the configurations: no data set is loaded, and of a thousand
runs only those on the page become objects.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from kd_core.base.events import Prepared, from_json
from kd_core.base.registry import plugins
from kd_core.store.records import RUN, LatestEvaluation
from kd_core.store.store import Run, Store

FACETS = ("dataset", "method", "scheme", "state", "tag")  # what one may filter by
NAMED = {"dataset": "datasets", "method": "methods", "scheme": "schemes", "teacher": "models", "student": "models"}
STUDENT, BASELINE = "json_extract(test, '$.student.accuracy')", "json_extract(test, '$.baseline.accuracy')"
UP, DOWN = "ASC", "DESC"
# What a list is ordered by, and the usual direction.
ORDERS = {
    "newest": ("created", DOWN),
    "oldest": ("created", UP),
    "best": (STUDENT, DOWN),
    "gain": (f"{STUDENT} - {BASELINE}", DOWN),
    "baseline": (BASELINE, DOWN),
    "longest": ("seconds", DOWN),
    "name": ("nullif(folded(name), '')", UP),
    "data": ("json_extract(config, '$.dataset.name')", UP),
    "scheme": ("json_extract(config, '$.scheme.name')", UP),
    "method": ("json_extract(config, '$.method.name')", UP),
    "student": ("json_extract(config, '$.student')", UP),
    "teacher": ("json_extract(config, '$.teacher')", UP),
    "seed": ("seed", UP),
    "state": ("state", UP),
}
THERE = "deleted IS NULL"


@dataclass(frozen=True)
class Search:
    """``words`` must all be found in a run; an empty facet takes every value. ``order``: one of :data:`ORDERS`, or the
    other way round. Pinned runs always come first, and those without a value last."""

    words: str = ""
    facets: dict[str, str] = field(default_factory=dict)
    order: str = "newest"
    is_reversed: bool = False


class RunQueries:
    """A store, read only."""

    def __init__(self, store: Store) -> None:
        self.path = store.path

    def count(self, search: Search = Search()) -> int:
        """How many runs a search finds."""
        where, values = _where(search)
        return int(self._all(f"SELECT count(*) FROM runs {where}", values)[0][0])

    def page(self, search: Search, first: int, most: int) -> list[Run]:
        """``most`` runs of a search from position ``first`` on. Raises ValueError for an unknown order."""
        if search.order not in ORDERS:
            raise ValueError(f"order = {search.order}: choose one of {', '.join(ORDERS)}.")
        where, values = _where(search)
        what, way = ORDERS[search.order]
        way = way if not search.is_reversed else UP if way == DOWN else DOWN
        then = way if what == "created" else DOWN
        last = f"created {then}, rowid {then}"  # the runs of a sweep are created at once
        clause = f"{where} ORDER BY pinned DESC, {what} {way} NULLS LAST, {last} LIMIT ? OFFSET ?"
        return list(self._runs(clause, [*values, most, first]))

    def pinned(self, most: int) -> list[Run]:
        """The newest runs that are pinned."""
        return list(self._runs(f"WHERE {THERE} AND pinned ORDER BY created DESC LIMIT ?", (most,)))

    def named(self, ids: Sequence[str]) -> dict[str, Run]:
        """The runs of these ids, in their order; those that are not stored are left out."""
        found = {run.id: run for run in self._runs(f"WHERE {THERE} AND id IN ({_marks(ids)})", ids)}
        return {each: found[each] for each in ids if each in found}

    def choices(self) -> dict[str, dict[str, int]]:
        """For each facet the values that occur, and in how many runs, the most frequent first."""
        found: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        plain = [facet for facet in FACETS if facet != "tag"]
        columns = ", ".join(_column(facet) for facet in plain)
        for *values, count in self._all(f"SELECT {columns}, count(*) FROM runs WHERE {THERE} GROUP BY 1, 2, 3, 4", ()):
            for facet, value in zip(plain, values, strict=True):
                found[facet][value] = found[facet].get(value, 0) + count
        tags = f"SELECT value, count(*) FROM runs, json_each(runs.tags) WHERE {THERE} GROUP BY 1"
        found["tag"] = dict(self._all(tags, ()))
        return {facet: dict(sorted(own.items(), key=lambda item: -item[1])) for facet, own in found.items()}

    def prepared(self, run: str) -> Prepared | None:
        """The networks and phases of a run; None if it has not come so far."""
        found = self._all("SELECT body FROM events WHERE run = ? AND kind = 'prepared' ORDER BY n LIMIT 1", (run,))
        said = from_json(found[0][0]) if found else None
        return said if isinstance(said, Prepared) else None

    def rows(self, run: str, kinds: Sequence[str]) -> list[tuple[int, float, str, str | bytes, int]]:
        """(number, seconds since 1970, kind, body, how many steps) of each row of these kinds, in order."""
        clause = f"WHERE run = ? AND kind IN ({_marks(kinds)}) ORDER BY n"
        return self._all(f"SELECT n, at, kind, body, count FROM events {clause}", (run, *kinds))

    def version(self, run: str) -> tuple[str, int, int]:
        """State, number of the last event and rewinds of a run: as long as they stay, so does what it has said."""
        return self._all(
            "SELECT state, (SELECT coalesce(max(n), 0) FROM events WHERE run = runs.id), rewinds FROM runs "
            "WHERE id = ?", (run,)
        )[0]  # fmt: skip

    def latest_evaluations(self, sweep: str, role: str, control: str) -> list[LatestEvaluation]:
        """The newest look at every run of a sweep, in its order: accuracies of two roles on the validation split."""
        newest = (
            "(SELECT {what} FROM events WHERE run = runs.id AND kind = 'validated' "
            "AND json_extract(body, ?) IS NOT NULL ORDER BY n DESC LIMIT 1)"
        )
        own, other = (f'$.accuracy."{name}"' for name in (role, control))
        both = newest.format(what="json_array(json_extract(body, ?), json_extract(body, '$.epoch'))")
        alone = newest.format(what="json_extract(body, ?)")
        rows = self._all(
            f"SELECT id, seed, state, {both}, {alone} FROM runs WHERE sweep = ? ORDER BY place",
            (own, own, other, other, sweep),
        )
        found = []
        for run, seed, state, said, beside in rows:
            accuracy, epoch = json.loads(said) if said else (None, 0)
            found.append(LatestEvaluation(run, seed, state, accuracy, beside, epoch))
        return found

    def _runs(self, clause: str, values: Iterable[object]) -> Iterator[Run]:
        for row in self._all(f"SELECT {RUN} FROM runs {clause}", values):
            yield Run.of(row)

    def _all(self, query: str, values: Iterable[object]) -> list[tuple]:  # type: ignore[type-arg]
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            # SQLite's own upper and lower case know English alone.
            db.create_function("folded", 1, str.casefold, deterministic=True)
            return db.execute(query, tuple(values)).fetchall()


def _column(facet: str) -> str:
    return "state" if facet == "state" else f"json_extract(config, '$.{facet}.name')"


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _where(search: Search) -> tuple[str, list[str]]:
    clauses, values = [THERE], []
    for facet, value in search.facets.items():
        if value and facet == "tag":
            clauses.append("EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE folded(value) = folded(?))")
            values.append(value)
        elif value:
            clauses.append(f"{_column(facet)} = ?")
            values.append(value)
    for word in search.words.lower().split()[:8]:
        either, own = _about(word)
        clauses.append(f"({either})")
        values += own
    return "WHERE " + " AND ".join(clauses), values


def _about(word: str) -> tuple[str, list[str]]:
    """The runs that a word is said of: in their name, tags or note, in their id, state or seed, or in the name or title
    of one of their parts."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    clauses, values = ["id LIKE ? ESCAPE '\\'", "state LIKE ? ESCAPE '\\'"], [f"{escaped}%", f"{escaped}%"]
    clauses += [
        "instr(folded(name || char(10) || note), folded(?))",
        "EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE instr(folded(value), folded(?)))",
    ]
    values += [word, word]
    if word.isdecimal():
        clauses.append("seed = CAST(? AS INTEGER)")
        values.append(word)
    for part, group in NAMED.items():
        names = [key for key, cls in plugins(group).items() if word in f"{key} {cls.title}".lower()]
        if names:
            clauses.append(f"{_column(part)} IN ({_marks(names)})")
            values += names
    return " OR ".join(clauses), values
