"""How much faster the engine is wanted to be than whom, and whether it was in the rounds of one measurement."""

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
    """In ``work`` the median of the ratios of ``ours`` to ``other``, round by round, is at least ``least``."""

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
    """One for each aim of a work; without numbers, neither met nor missed, where one of the two was not measured."""
    found = []
    for aim in (aim for aim in AIMS if aim.work == work):
        row = Row(f"{ENTRIES[aim.ours].title} / {ENTRIES[aim.other].title}", "×", aim=f"median ≥ {aim.least:g}")
        ours, other = lines.get(aim.ours), lines.get(aim.other)
        if ours and other and ours.rates and other.rates:
            row.numbers = ours.ratios(other)
            row.met = statistics.median(row.numbers) >= aim.least
        found.append(row)
    return found


def table(found: Sequence[Row]) -> str:
    """Those with numbers as a table, then the names of the others."""
    told = [row for row in found if row.numbers]
    lines = [measured.table(told)] if told else []
    return "\n".join([*lines, *(f"{row.name}: {row.aim}: not measured" for row in found if not row.numbers)])
