"""Page load times with more and more stored runs, and of a very long run.

``python -m benchmarks.history`` prints one table and writes data/bench/history.json. It takes at most about eight
minutes, since another round starts only if it fits, and needs an otherwise idle machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.support import stored_runs
from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server, resident
from benchmarks.support.visitor import TrafficCounter, open_browser, visit
from kd_core.runs.manager import ACTIVE
from tools.testing.waiting import wait

COUNTS = (0, 10, 100, 1000)  # stored runs
ROUNDS = 3  # at most
GROWING, LONG = 360.0, 450.0  # seconds from the start by which the rounds of each part end
STEPS = 100_000  # of the long run
AIM = 1.0  # seconds that anything may take longer with the most runs than with none

Timings = dict[str, list[float]]


def _heading(page: Page) -> None:
    page.get_by_role("heading", level=1).first.wait_for()


def _learning(page: Page) -> None:
    page.locator("figcaption", has_text="epoch").first.wait_for()


def _form(page: Page) -> None:
    page.locator(".katex").first.wait_for()


def _run(page: Page) -> None:
    page.locator(".dst-curves").first.wait_for()


def _temperature(page: Page) -> None:
    page.locator(".dst-softened svg").first.wait_for()


def _compare(page: Page) -> None:
    page.get_by_test_id("stDataFrame").first.wait_for()


def _load_time(browser: Browser, url: str, wait_for_content: Callable[[Page], None]) -> float:
    """Return the seconds from requesting a URL, with an empty cache, until the page shows its content."""
    begun = time.monotonic()
    with visit(browser, url) as page:
        wait_for_content(page)
        return time.monotonic() - begun


def load_times(browser: Browser, folder: Path, run: str) -> dict[str, float]:
    """Return the load time of every page of a fresh server on a copy of a folder, and its memory."""
    with Server(folder) as server:
        seconds = {"cold start: server responds": time.time() - server.begun}
        with visit(browser, f"{server.url}/") as page:
            _heading(page)
            seconds["cold start: heading"] = time.time() - server.begun
            _learning(page)
            seconds["cold start: first learning student"] = time.time() - server.begun
        wait(lambda: not server.store().in_state(*ACTIVE), 120)  # no training during the following measurements
        seconds["Start, its run is over"] = _load_time(browser, f"{server.url}/?autoplay=0", _learning)
        seconds["Distill, no run"] = _load_time(browser, f"{server.url}/distill?autoplay=0", _form)
        stored = run or server.store().runs(1)[0].id
        seconds["Distill, a stored run"] = _load_time(browser, f"{server.url}/distill?run={stored}", _run)
        seconds["Temperature, a stored run"] = _load_time(
            browser, f"{server.url}/temperature?run={stored}", _temperature
        )
        seconds["Compare"] = _load_time(browser, f"{server.url}/compare", _compare)
        seconds["memory"] = resident(server.pid)
    return seconds


def rounds(until: float) -> Iterator[int]:
    """Yield numbers of rounds while another one as long as the last would end by ``until`` on the monotonic clock."""
    for number in range(ROUNDS):
        begun = time.monotonic()
        yield number
        now = time.monotonic()
        if now + (now - begun) > until:
            return


def growing(browser: Browser, folder: Path, until: float) -> list[Row]:
    """Measure the same pages with more and more stored runs, in turns."""
    runs = {count: stored_runs.fill(folder / str(count), count) for count in COUNTS}
    timings: dict[int, Timings] = {count: {} for count in COUNTS}
    for number in rounds(until):
        for count in COUNTS if number % 2 == 0 else COUNTS[::-1]:
            for name, value in load_times(browser, folder / str(count), runs[count]).items():
                timings[count].setdefault(name, []).append(value)
            print(f"  {count} runs: " + ", ".join(f"{k} {v[-1]:.2f}" for k, v in timings[count].items()), flush=True)
    rows = []
    for name in timings[0]:
        unit = "MB" if name == "memory" else "s"
        by_count = [Row(f"{name}, {count:,} runs", unit, timings[count][name]) for count in COUNTS]
        if unit == "s":
            later = statistics.median(by_count[-1].numbers) - statistics.median(by_count[0].numbers)
            by_count[-1].aim, by_count[-1].met = f"median < {AIM:g} s above none", later < AIM
        rows += by_count
    return rows


def long_run(browser: Browser, folder: Path, until: float) -> list[Row]:
    """Measure the page of a run of many steps for the first visitor of a server, and for the second."""
    run = stored_runs.fill_long(folder, STEPS)
    first, second, sent, memory = [], [], [], []
    for _ in rounds(until):
        with Server(folder) as server:
            _load_time(browser, f"{server.url}/distill?autoplay=0", _form)  # imports the engine
            before = resident(server.pid)
            first.append(_load_time(browser, f"{server.url}/distill?run={run}", _run))
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
    """Run all measurements."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="distillery-bench-") as folder, open_browser() as browser:
        rows = growing(browser, Path(folder), begun + GROWING)
        return rows + long_run(browser, Path(folder) / "long", begun + LONG)


if __name__ == "__main__":
    report("history", __doc__, measure)
