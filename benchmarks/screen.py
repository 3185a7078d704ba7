"""Response times of the pages, cost of viewers for the training, bytes sent, and duration of a cold start.

``python -m benchmarks.screen`` prints one table and writes the same numbers to data/bench/screen.json. It takes about
eight minutes on a machine that does nothing else: the server, the training and all browsers share its cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Browser

from benchmarks.support.rows import Row, report, table
from benchmarks.support.serving import Server
from benchmarks.support.viewers import slowdown
from benchmarks.support.visitor import (
    ADDRESS,
    TrafficCounter,
    change_alpha,
    open_browser,
    press_pause,
    set_pace,
    start_run,
    visit,
    wait_for_step,
)

INTERACTIONS = 30
WINDOW = 6.0  # seconds in which bytes are counted
COLD_STARTS = 3
LONG = "distill?dataset=digits&labelled=200&epochs=10000&batch_size=1"  # two million steps
PLANAR = "distill?dataset=moons&epochs=400"


def cold_start(browser: Browser) -> list[Row]:
    """Measure the first and the second visit of the start page on new servers."""
    names = ("server answers", "1st visitor: heading", "1st visitor: decision surface",
             "2nd visitor: heading", "2nd visitor: decision surface")  # fmt: skip
    starts: list[list[float]] = []
    for _ in range(COLD_STARTS):
        with Server() as server:
            seconds = [time.time() - server.begun]
            seconds += first_visit(browser, server, server.begun)  # a visitor who waits for the server
            seconds += first_visit(browser, server, time.time())
            starts.append(seconds)
    columns = zip(*starts, strict=True)
    return [Row(f"Cold start, {name}", "s", list(values)) for name, values in zip(names, columns, strict=True)]


def first_visit(browser: Browser, server: Server, begun: float) -> tuple[float, float]:
    """Open the start page. Returns the seconds since ``begun`` until its heading and its decision surface appear."""
    with visit(browser, server.url) as page:
        page.get_by_role("heading", level=1).first.wait_for()
        heading = time.time() - begun
        page.locator(".dst-surface-head").first.wait_for()
        return heading, time.time() - begun


def first_text(browser: Browser) -> list[Row]:
    """Measure on new servers the time from the press on the Language page to the first text."""
    durations = []
    for _ in range(COLD_STARTS):
        with Server() as server, visit(browser, f"{server.url}/language") as page:
            page.get_by_role("button", name="Train a small language model").click()
            begun = time.monotonic()
            page.get_by_role("listbox", name="Characters of the Teacher").get_by_role("option").first.wait_for()
            durations.append(time.monotonic() - begun)
    return [Row("Language, press → first text", "s", durations, "max < 15", max(durations) < 15)]


def idle_interaction(browser: Browser, server: Server) -> list[Row]:
    """Measure the response of the form while nothing is training."""
    with visit(browser, f"{server.url}/{LONG}") as page:
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        change_alpha(page, 2)
        return [
            _response("form, alpha → formula, idle", change_alpha(page, INTERACTIONS), 50),
            _response("form, alpha → server → address, idle", change_alpha(page, INTERACTIONS, ADDRESS), 50),
        ]


def busy_interaction(browser: Browser, server: Server, run: str) -> list[Row]:
    """Measure the response of the form, the live options and the pause button during a run at full speed."""
    rows = []
    with visit(browser, f"{server.url}/{LONG}") as page:
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(_response("form, alpha → formula, training elsewhere", change_alpha(page, INTERACTIONS), 50))
        durations = change_alpha(page, INTERACTIONS, ADDRESS)
        rows.append(_response("form, alpha → server → address, training elsewhere", durations, 100))
    with visit(browser, f"{server.url}/{LONG}&run={run}") as page:
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(_response("live alpha → formula, training here", change_alpha(page, INTERACTIONS), 50))
        rows.append(_response("pause → resume button, training here", press_pause(page, INTERACTIONS), 100))
    return rows


def _response(name: str, milliseconds: list[float], aim: float = 0) -> Row:
    row = Row(f"Interaction: {name}", "ms", milliseconds)
    if aim:
        row.aim, row.met = f"p95 < {aim:g}", row.p95 < aim
    return row


def bytes_per_update(browser: Browser, server: Server) -> tuple[list[Row], str]:
    """Measure the bytes that a visitor receives early and late in a long run, and on joining late.

    Returns the rows and the id of the run, which goes on.
    """
    per_update: dict[str, float] = {}
    rows = []

    def count(traffic: TrafficCounter, name: str) -> None:
        second, update = traffic.measure(WINDOW)
        print(f"  {name}: {second:,.0f} B/s, {update:,.0f} B/update; by kind {traffic.bytes_by_kind}", flush=True)
        per_update[name] = update
        rows.append(Row(f"Websocket, {name}: per update", "B", [update]))
        rows.append(Row(f"Websocket, {name}: per second", "B/s", [second]))

    with visit(browser, "about:blank") as page:
        traffic = TrafficCounter(page)
        run = start_run(page, server, f"{server.url}/{LONG}", "Slow motion")
        for step in (100, 1_000, 10_000):
            if step == 10_000:
                set_pace(page, "Full speed")
            wait_for_step(page, server, run, step)
            if step == 10_000:
                set_pace(page, "Slow motion")
                page.wait_for_timeout(2000)
            count(traffic, f"slow motion from step {step:,}")
        set_pace(page, "Full speed")
        page.wait_for_timeout(2000)
        count(traffic, "full speed early")
        wait_for_step(page, server, run, 20_000)
        count(traffic, "full speed from step 20,000")
    with visit(browser, "about:blank") as page:
        traffic = TrafficCounter(page)
        page.goto(f"{server.url}/distill?run={run}", wait_until="commit")
        page.locator(".dst-curves").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(Row("Websocket, joining after 20,000 steps: everything", "B", [traffic.bytes]))
    for row in rows:
        if row.name == "Websocket, slow motion from step 10,000: per update":
            early = per_update["slow motion from step 100"]
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * early
        if row.name == "Websocket, full speed from step 20,000: per update":
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * per_update["full speed early"]
    return rows, run


def planar_bytes(browser: Browser, server: Server) -> list[Row]:
    """Measure the bytes of the largest updates, which are decision surfaces at the pace "Watch"."""
    with visit(browser, "about:blank") as page:
        traffic = TrafficCounter(page)
        start_run(page, server, f"{server.url}/{PLANAR}", "Watch")
        second, update = traffic.measure(WINDOW)
        page.get_by_role("button", name="Stop and keep").click()
        page.get_by_text("This run was stopped.").wait_for()
    return [
        Row("Websocket, surfaces while watching: per update", "B", [update]),
        Row("Websocket, surfaces while watching: per second", "B/s", [second]),
    ]


def measure() -> list[Row]:
    """Take all measurements one after the other."""
    rows: list[Row] = []

    def add(title: str, take: Callable[[], list[Row]]) -> None:
        begun = time.monotonic()
        print(f"{title} ...", flush=True)
        new_rows = take()
        rows.extend(new_rows)
        # Printed at once, so that they are not lost if a later measurement fails.
        print(f"{table(new_rows)}\n{title}: {time.monotonic() - begun:.0f} s", flush=True)

    with open_browser() as browser:
        add("cold start", lambda: cold_start(browser))
        add("first text", lambda: first_text(browser))
        with Server() as server:
            add("interaction, idle", lambda: idle_interaction(browser, server))
            add("bytes, surfaces", lambda: planar_bytes(browser, server))
            long_run: list[str] = []

            def count_bytes() -> list[Row]:
                new_rows, run = bytes_per_update(browser, server)
                long_run.append(run)
                return new_rows

            add("bytes, long run", count_bytes)
            add("interaction, training", lambda: busy_interaction(browser, server, long_run[0]))
            add("viewers", lambda: slowdown(browser, server, long_run[0]))
    return rows


if __name__ == "__main__":
    report("screen", __doc__, measure)
