"""Rows of a benchmark, their table, and the command that prints and writes them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.testing.app_server import ROOT


@dataclass
class Row:
    """One line of the table, with its numbers and its aim."""

    name: str
    unit: str
    numbers: list[float] = field(default_factory=list)
    aim: str = ""
    met: bool | None = None

    @property
    def p95(self) -> float:
        """95th percentile."""
        return sorted(self.numbers)[max(0, -(-95 * len(self.numbers) // 100) - 1)]

    def summary(self) -> dict[str, float]:
        """Return min, median (p50), p95 and max."""
        median = statistics.median(self.numbers)
        return {"min": min(self.numbers), "p50": median, "p95": self.p95, "max": max(self.numbers)}


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, one line each."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'':{width}}  {'min':>9} {'p50':>9} {'p95':>9} {'max':>9} {'n':>3}  unit"]
    for row in rows:
        numbers = " ".join(f"{_short(value):>9}" for value in row.summary().values())
        verdict = "" if row.met is None else f"  {row.aim}: {'met' if row.met else 'MISSED'}"
        lines.append(f"{row.name:{width}}  {numbers} {len(row.numbers):>3}  {row.unit}{verdict}")
    return "\n".join(lines)


def report(name: str, description: str | None, measure: Callable[[], list[Row]]) -> None:
    """Run the command ``python -m benchmarks.<name>``, which writes data/bench/<name>.json."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "bench" / f"{name}.json")
    out: Path = parser.parse_args().out
    started = time.monotonic()
    # An exception runs the blocks that stop servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended before it was done."))
    rows = measure()
    write(out, {"machine": machine(), "rows": [asdict(row) | row.summary() for row in rows]})
    print(f"\n{table(rows)}\n\n{machine()}, {time.monotonic() - started:.0f} s in all, written to {out}")


def machine() -> dict[str, object]:
    """Return the machine that the numbers are measured on."""
    return {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def write(out: Path, body: object) -> None:
    """Write JSON, creating the folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
