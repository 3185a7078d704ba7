"""The numbers of one measurement, and the table of them all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the table: the numbers measured, and below which one of them should stay."""

    name: str
    unit: str
    numbers: list[float] = field(default_factory=list)
    aim: str = ""
    met: bool | None = None

    @property
    def p95(self) -> float:
        return sorted(self.numbers)[max(0, -(-95 * len(self.numbers) // 100) - 1)]

    def summary(self) -> dict[str, float]:
        """min, median (p50), p95 and max."""
        middle = statistics.median(self.numbers)
        return {"min": min(self.numbers), "p50": middle, "p95": self.p95, "max": max(self.numbers)}


def table(rows: Sequence[Row]) -> str:
    """The rows as text, one line each."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'':{width}}  {'min':>9} {'p50':>9} {'p95':>9} {'max':>9} {'n':>3}  unit"]
    for row in rows:
        numbers = " ".join(f"{_short(value):>9}" for value in row.summary().values())
        verdict = "" if row.met is None else f"  {row.aim}: {'met' if row.met else 'MISSED'}"
        lines.append(f"{row.name:{width}}  {numbers} {len(row.numbers):>3}  {row.unit}{verdict}")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
