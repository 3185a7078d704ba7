"""What viewers of a run cost its training."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack

from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from benchmarks.support.rows import Row
from benchmarks.support.serving import Server, busy_seconds, children, keep_to, spent
from benchmarks.support.visitor import visit

ROUNDS = 5
WINDOW, SETTLE = 6.0, 2.0  # seconds of one count of steps, and before it
UPDATED = "(before) => document.querySelector('[data-testid=stProgress]')?.innerText !== before"
SHARES = (
    "training computes", "training waits for a core", "training waits for the interpreter or the disk",
    "rest of the server", "browser", "anybody else",
)  # fmt: skip


def slowdown(browser: Browser, server: Server, run: str) -> list[Row]:
    """Steps per second with 0, 1 and 5 tabs on the run's page, in turns; ratios to the windows without any around it.

    A browser takes the cores that the training wants, which is no cost of the server. Two things tell them apart: the
    kernel's account of the server's busiest thread, which trains (computing, waiting for a core, or waiting for
    Python's interpreter lock while other threads of the server work), and 5 tabs whose browser is kept to one core.
    "Time without a core left out" is the server's own cost: the steps per second of the time in which the training
    thread had a core, or could not use one because another thread of the server held the interpreter.
    """
    conditions = ["0", "1", "5"] + (["5, browser on one core"] if hasattr(os, "sched_setaffinity") else [])
    cores = os.sched_getaffinity(0) if len(conditions) > 3 else set()
    counted: list[tuple[str, dict[str, float]]] = []
    with ExitStack() as stack:
        tabs = [stack.enter_context(visit(browser, "about:blank")) for _ in range(5)]
        for name in [*conditions * ROUNDS, "0"]:
            if "one core" in name:
                keep_to(children(os.getpid()) - {server.pid}, {max(cores)})
            _follow(tabs, int(name[0]), f"{server.url}/distill?run={run}")
            tabs[0].wait_for_timeout(SETTLE * 1000)
            counted.append((name, _window(tabs[0], server, run)))
            if "one core" in name:
                keep_to(children(os.getpid()) - {server.pid}, cores)
            print(f"  {name} viewers: " + ", ".join(f"{k} {v:.3g}" for k, v in counted[-1][1].items()), flush=True)
    return _slowdown_rows(conditions, counted)


def _follow(tabs: Sequence[Page], count: int, url: str) -> None:
    """The first ``count`` tabs show the run, and receive updates; the others show nothing."""
    fresh = [tab for tab in tabs[:count] if "run=" not in tab.url]  # the page writes the settings into its address, too
    for tab in tabs[count:]:
        tab.goto("about:blank")
    for tab in fresh:
        tab.goto(url, wait_until="commit")
    for tab in fresh:
        if not _is_updated(tab):
            print("  A tab opened on the run received no update within 10 s; it is opened again.", flush=True)
            tab.goto(url, wait_until="commit")
            assert _is_updated(tab), "This tab stands still."


def _is_updated(tab: Page) -> bool:
    told = tab.get_by_test_id("stProgress")
    told.wait_for()
    try:
        tab.wait_for_function(UPDATED, arg=told.inner_text(), timeout=10_000)
    except PlaywrightTimeoutError:
        return False
    return True


def _window(page: Page, server: Server, run: str) -> dict[str, float]:
    others = children(os.getpid()) - children(server.pid) - {server.pid}
    before, tabs, machine = spent(server.pid), sum(spent(pid).total for pid in others), busy_seconds()
    (first, begun), clock = server.last_step(run), time.monotonic()
    page.wait_for_timeout(WINDOW * 1000)
    (last, ended), wall = server.last_step(run), time.monotonic() - clock
    if last == first:
        raise RuntimeError("The run ended before the last window: this machine is too fast for LONG.")
    own = spent(server.pid) - before
    tabs = sum(spent(pid).total for pid in others) - tabs
    rate = (last - first) / (ended - begun)
    return {
        "steps/s": rate,
        "steps/s of the time with a core": rate / max(0.05, 1 - own.delayed / wall),
        "training computes": own.busiest / wall,
        "training waits for a core": own.delayed / wall,
        "training waits for the interpreter or the disk": 1 - (own.busiest + own.delayed) / wall,
        "rest of the server": (own.total - own.busiest) / wall,
        "browser": tabs / wall,
        "anybody else": (busy_seconds() - machine - own.total - tabs) / wall,
    }


def _slowdown_rows(conditions: Sequence[str], counted: Sequence[tuple[str, dict[str, float]]]) -> list[Row]:
    rows = []
    alone = [number for number, (name, _) in enumerate(counted) if name == "0"]
    for name in conditions:
        mine = [number for number, (own, _) in enumerate(counted) if own == name]
        rows.append(Row(f"Training, viewers: {name}", "steps/s", [counted[n][1]["steps/s"] for n in mine]))
        shares = [Row(f"  {what}, viewers: {name}", "cores", [counted[n][1][what] for n in mine]) for what in SHARES]
        if name == "0":
            rows += shares
            continue
        around = [(max(a for a in alone if a < n), min(a for a in alone if a > n)) for n in mine]
        for what, key in (("", "steps/s"), (", time without a core left out", "steps/s of the time with a core")):
            ratios = [
                counted[n][1][key] / statistics.mean(counted[a][1][key] for a in pair)
                for n, pair in zip(mine, around, strict=True)
            ]
            rows.append(Row(f"Training, viewers: {name}; ratio to none{what}", "×", ratios))
        rows += shares
    return rows
