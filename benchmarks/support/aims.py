"""Aims for the speed of the engine relative to other contenders, and whether they are met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers import ENTRIES, OURS, PLAIN
from benchmarks.support import rows as measured
from benchmarks.support.rounds import Line
from benchmarks.support.rows import Row


@dataclass(frozen=True)
class Aim:
    """In ``work`` the median over rounds of the speed ratio of ``ours`` to ``other`` is at least ``least``."""

    work: str
    ours: str
    other: str
    least: float


AIMS = (
    Aim("W1", OURS, PLAIN, 6),
    Aim("W1", "ours-compiled", PLAIN, 15),
    Aim("W1", OURS, "torchdistill", 6),
    Aim("W1", OURS, "lightning", 7),
    Aim("W1", OURS, "kd-lib", 10),
    Aim("W2", OURS, PLAIN, 2),
    Aim("W2", "ours-16", PLAIN, 3),
    Aim("W3", OURS, PLAIN, 2.6),
    Aim("W4", OURS, PLAIN, 2.6),
)


def rows(work: str, lines: Mapping[str, Line]) -> list[Row]:
    """Return a row for each aim of a work, without numbers if one of the two was not measured."""
    work_rows = []
    for aim in (aim for aim in AIMS if aim.work == work):
        row = Row(f"{ENTRIES[aim.ours].title} / {ENTRIES[aim.other].title}", "×", aim=f"median ≥ {aim.least:g}")
        ours, other = lines.get(aim.ours), lines.get(aim.other)
        if ours and other and ours.rates and other.rates:
            row.numbers = ours.ratios(other)
            row.met = statistics.median(row.numbers) >= aim.least
        work_rows.append(row)
    return work_rows


def table(aim_rows: Sequence[Row]) -> str:
    """Return the measured rows as a table, then the names of the others."""
    measured_rows = [row for row in aim_rows if row.numbers]
    lines = [measured.table(measured_rows)] if measured_rows else []
    return "\n".join([*lines, *(f"{row.name}: {row.aim}: not measured" for row in aim_rows if not row.numbers)])
