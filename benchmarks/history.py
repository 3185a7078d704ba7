"""Whether the app slows down as runs accumulate, and how soon a very long run is on the screen.

``python -m benchmarks.history`` prints one table and writes the same numbers to data/bench/history.json. It takes at
most some eight minutes, whatever else the machine does: a further round begins only if it fits. It wants a quiet one.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.support import stored_runs
from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server, resident
from benchmarks.support.visitor import TrafficCounter, visit
from kd_core.runs.manager import ACTIVE
from tools import chromium
from tools.testing.waiting import wait

COUNTS = (0, 10, 100, 1000)  # stored runs
ROUNDS = 3  # at most
GROWING, LONG = 360.0, 450.0  # seconds from the beginning by which the rounds of each part are over
STEPS = 100_000  # of the long run
AIM = 1.0  # seconds by which anything may be later with the most runs than with none

Seen = dict[str, list[float]]


def _heading(page: Page) -> None:
    page.get_by_role("heading", level=1).first.wait_for()


def _learning(page: Page) -> None:
    page.locator(".dst-when", has_text="epoch").first.wait_for()


def _form(page: Page) -> None:
    page.locator(".katex").first.wait_for()


def _run(page: Page) -> None:
    page.locator(".dst-curves").first.wait_for()


def _bench(page: Page) -> None:
    page.locator(".dst-softened svg").first.wait_for()


def _compare(page: Page) -> None:
    page.get_by_test_id("stDataFrame").first.wait_for()


def _timed(browser: Browser, url: str, shown: Callable[[Page], None]) -> float:
    """Seconds from asking for an address, with an empty cache, until the page shows what it is for."""
    begun = time.monotonic()
    with visit(browser, url) as page:
        shown(page)
        return time.monotonic() - begun


def visited(browser: Browser, folder: Path, run: str) -> dict[str, float]:
    """One fresh server on a copy of a folder, and everything that a visitor opens."""
    with Server(folder) as server:
        seen = {"cold start: server answers": time.time() - server.begun}
        with visit(browser, f"{server.url}/") as page:
            _heading(page)
            seen["cold start: heading"] = time.time() - server.begun
            _learning(page)
            seen["cold start: first learning student"] = time.time() - server.begun
        wait(lambda: not server.store().in_state(*ACTIVE), 120)  # what follows is measured without training
        seen["Start, its run is over"] = _timed(browser, f"{server.url}/?autoplay=0", _learning)
        seen["Distill, no run"] = _timed(browser, f"{server.url}/distill?autoplay=0", _form)
        own = run or server.store().runs(1)[0].id
        seen["Distill, a stored run"] = _timed(browser, f"{server.url}/distill?run={own}", _run)
        seen["Temperature, a stored run"] = _timed(browser, f"{server.url}/temperature?run={own}", _bench)
        seen["Compare"] = _timed(browser, f"{server.url}/compare", _compare)
        seen["memory"] = resident(server.pid)
    return seen


def rounds(until: float) -> Iterator[int]:
    """Numbers of rounds: the first in any case, another one if it would be over by ``until`` if it lasts as long as the
    one before it (seconds of the monotonic clock)."""
    for number in range(ROUNDS):
        begun = time.monotonic()
        yield number
        now = time.monotonic()
        if now + (now - begun) > until:
            return


def growing(browser: Browser, folder: Path, until: float) -> list[Row]:
    """The same visits with more and more runs, in turns."""
    runs = {count: stored_runs.fill(folder / str(count), count) for count in COUNTS}
    found: dict[int, Seen] = {count: {} for count in COUNTS}
    for number in rounds(until):
        for count in COUNTS if number % 2 == 0 else COUNTS[::-1]:
            for name, value in visited(browser, folder / str(count), runs[count]).items():
                found[count].setdefault(name, []).append(value)
            print(f"  {count} runs: " + ", ".join(f"{k} {v[-1]:.2f}" for k, v in found[count].items()), flush=True)
    rows = []
    for name in found[0]:
        unit = "MB" if name == "memory" else "s"
        own = [Row(f"{name}, {count:,} runs", unit, found[count][name]) for count in COUNTS]
        if unit == "s":
            later = statistics.median(own[-1].numbers) - statistics.median(own[0].numbers)
            own[-1].aim, own[-1].met = f"median < {AIM:g} s above none", later < AIM
        rows += own
    return rows


def long_run(browser: Browser, folder: Path, until: float) -> list[Row]:
    """A run of many steps: the first visitor of a server, whose page is made of all of them, and the second."""
    run = stored_runs.fill_long(folder, STEPS)
    first, second, sent, memory = [], [], [], []
    for _ in rounds(until):
        with Server(folder) as server:
            _timed(browser, f"{server.url}/distill?autoplay=0", _form)  # the engine is loaded
            before = resident(server.pid)
            first.append(_timed(browser, f"{server.url}/distill?run={run}", _run))
            memory.append(resident(server.pid) - before)
            with visit(browser, "about:blank") as page:
                traffic, begun = TrafficCounter(page), time.monotonic()
                page.goto(f"{server.url}/distill?run={run}", wait_until="commit")
                _run(page)
                second.append(time.monotonic() - begun)
                page.wait_for_timeout(2000)
                sent.append(traffic.bytes)
        print(f"  {STEPS:,} steps: {first[-1]:.2f} s, {second[-1]:.2f} s, {sent[-1]:,} B", flush=True)
    name = f"Distill, a run of {STEPS:,} steps"
    return [
        Row(f"{name}: 1st visitor", "s", first),
        Row(f"{name}: 2nd visitor", "s", second),
        Row(f"{name}: everything sent", "B", sent),
        Row(f"{name}: memory it takes", "MB", memory),
    ]


def measure() -> list[Row]:
    """All measurements, one after the other."""
    path = chromium.find()
    if path is None:
        raise SystemExit("The benchmark needs Chrome or Chromium: python -m tools.chromium")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="distillery-bench-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        try:
            rows = growing(browser, Path(folder), begun + GROWING)
            return rows + long_run(browser, Path(folder) / "long", begun + LONG)
        finally:
            browser.close()


if __name__ == "__main__":
    report("history", __doc__, measure)
