"""Cost of the viewers of a run for its training."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from benchmarks.support.rows import Row
from benchmarks.support.serving import Server, cpu_time, descendants, machine_cpu_time, set_affinity
from benchmarks.support.visitor import visit

ROUNDS = 5
WINDOW, SETTLE = 6.0, 2.0  # seconds of one measurement, and before it
IS_UPDATED = "(before) => document.querySelector('[data-testid=stProgress]')?.innerText !== before"
PARTS = (  # of the time of the cores
    "training computes", "training waits for a core", "training waits for the interpreter or the disk",
    "rest of the server", "browser", "other processes",
)  # fmt: skip


def slowdown(browser: Browser, server: Server, run: str) -> list[Row]:
    """Measure the steps per second with 0, 1 and 5 tabs on the page of the run, and their ratios to no tabs.

    The conditions take turns; each is compared with the two windows without tabs around it.

    A browser takes cores from the training, which is no cost of the server. Two measures tell them apart: the CPU
    accounting of the server's busiest thread, which trains (on a core, waiting for a core, or waiting for Python's
    interpreter lock), and five tabs whose browser may use one core only. "Time without a core left out" is the server's
    own cost: the steps per second of the time in which the training thread had a core, or could not use one because
    another thread of the server held the interpreter lock.
    """
    conditions = ["0", "1", "5"] + (["5, browser on one core"] if hasattr(os, "sched_setaffinity") else [])
    cores = os.sched_getaffinity(0) if len(conditions) > 3 else set()
    windows: list[tuple[str, dict[str, float]]] = []
    with ExitStack() as stack:
        tabs = [stack.enter_context(visit(browser, "about:blank")) for _ in range(5)]
        for name in [*conditions * ROUNDS, "0"]:
            if "one core" in name:
                set_affinity(descendants(os.getpid()) - {server.pid}, {max(cores)})
            _open_tabs(tabs, int(name[0]), f"{server.url}/distill?run={run}")
            tabs[0].wait_for_timeout(SETTLE * 1000)
            windows.append((name, _measure_window(tabs[0], server, run)))
            if "one core" in name:
                set_affinity(descendants(os.getpid()) - {server.pid}, cores)
            print(f"  {name} viewers: " + ", ".join(f"{k} {v:.3g}" for k, v in windows[-1][1].items()), flush=True)
    return _rows(conditions, windows)


def _open_tabs(tabs: Sequence[Page], count: int, url: str) -> None:
    """Open the run in the first ``count`` tabs and nothing in the others, and wait until all receive updates."""
    fresh = [tab for tab in tabs[:count] if "run=" not in tab.url]  # the page adds the settings to its address
    for tab in tabs[count:]:
        tab.goto("about:blank")
    for tab in fresh:
        tab.goto(url, wait_until="commit")
    for tab in fresh:
        if not _is_updated(tab):
            print("  A tab opened on the run received no update within 10 s; it is opened again.", flush=True)
            tab.goto(url, wait_until="commit")
            assert _is_updated(tab), "a tab receives no updates"


def _is_updated(tab: Page) -> bool:
    progress = tab.get_by_test_id("stProgress")
    progress.wait_for()
    try:
        tab.wait_for_function(IS_UPDATED, arg=progress.inner_text(), timeout=10_000)
    except PlaywrightTimeoutError:
        return False
    return True


def _measure_window(page: Page, server: Server, run: str) -> dict[str, float]:
    """Return the steps per second of one window and the use of the cores in seconds per second."""
    browsers = descendants(os.getpid()) - descendants(server.pid) - {server.pid}
    before, browser, machine = cpu_time(server.pid), _total(browsers), machine_cpu_time()
    (first, begun), clock = server.last_step(run), time.monotonic()
    page.wait_for_timeout(WINDOW * 1000)
    (last, ended), wall = server.last_step(run), time.monotonic() - clock
    if last == first:
        raise RuntimeError("The run ended before the last window: this machine is too fast for LONG.")
    used = cpu_time(server.pid) - before
    browser = _total(browsers) - browser
    rate = (last - first) / (ended - begun)
    return {
        "steps/s": rate,
        "steps/s of the time with a core": rate / max(0.05, 1 - used.delayed / wall),
        "training computes": used.busiest / wall,
        "training waits for a core": used.delayed / wall,
        "training waits for the interpreter or the disk": 1 - (used.busiest + used.delayed) / wall,
        "rest of the server": (used.total - used.busiest) / wall,
        "browser": browser / wall,
        "other processes": (machine_cpu_time() - machine - used.total - browser) / wall,
    }


def _total(pids: set[int]) -> float:
    return sum(cpu_time(pid).total for pid in pids)


def _rows(conditions: Sequence[str], windows: Sequence[tuple[str, dict[str, float]]]) -> list[Row]:
    rows = []
    without_tabs = [number for number, (name, _) in enumerate(windows) if name == "0"]
    for name in conditions:
        numbers = [number for number, (condition, _) in enumerate(windows) if condition == name]
        rows.append(Row(f"Training, viewers: {name}", "steps/s", [windows[n][1]["steps/s"] for n in numbers]))
        parts = [Row(f"  {part}, viewers: {name}", "cores", [windows[n][1][part] for n in numbers]) for part in PARTS]
        if name == "0":
            rows += parts
            continue
        around = [
            (max(other for other in without_tabs if other < n), min(other for other in without_tabs if other > n))
            for n in numbers
        ]
        for title, key in (("", "steps/s"), (", time without a core left out", "steps/s of the time with a core")):
            ratios = [
                windows[n][1][key] / statistics.mean(windows[other][1][key] for other in pair)
                for n, pair in zip(numbers, around, strict=True)
            ]
            rows.append(Row(f"Training, viewers: {name}; ratio to none{title}", "×", ratios))
        rows += parts
    return rows
