"""Duration of a sweep from the click on its button until the heat map is complete.

``python -m benchmarks.sweeps`` starts 5 × 5 cells of three seeds on digits with 50 labels, each round on a fresh server
without a trained teacher, prints one table and writes data/bench/sweeps.json. It takes about a minute.
"""

from __future__ import annotations

import re
import time

from playwright.sync_api import Browser

from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server
from benchmarks.support.visitor import open_browser, visit

ROUNDS = 3
TIMEOUT = 120_000.0  # milliseconds
AIM = 30.0  # seconds


def complete(browser: Browser) -> tuple[float, float, float]:
    """Return the seconds until the first cell has a value, until all have one, and of training, on a fresh server."""
    with Server() as server, visit(browser, f"{server.url}/sweep") as page:
        page.get_by_text(re.compile("Expected: about")).wait_for(timeout=TIMEOUT)
        began = time.monotonic()
        page.get_by_role("button", name="Start the sweep").click()
        page.locator("[class*=st-key-chart-accuracy-of] .annotation-text").first.wait_for(timeout=TIMEOUT)
        first = time.monotonic() - began
        page.get_by_text("All 75 runs are complete").wait_for(timeout=TIMEOUT)
        page.locator("[class*=st-key-chart-accuracy-of] .annotation-text").nth(24).wait_for(timeout=TIMEOUT)
        whole = time.monotonic() - began
        (row,) = [row for row in server.store().sweeps() if row.sweep.count == 75]
        return first, whole, row.seconds


def measure() -> list[Row]:
    """Measure every round on a fresh server."""
    with open_browser() as browser:
        rounds = [complete(browser) for _ in range(ROUNDS)]
    first, whole, trained = (list(column) for column in zip(*rounds, strict=True))
    last = Row("5 × 5 × 3 from the page: complete", "s", whole, f"all < {AIM:g}")
    last.met = max(whole) < AIM
    return [Row("5 × 5 × 3 from the page: cells are filled", "s", first), last, Row("  of it training", "s", trained)]


if __name__ == "__main__":
    report("sweeps", __doc__, measure)
