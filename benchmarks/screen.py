"""How fast the screen answers, what its viewers cost the training, what travels, and how long a cold start takes.

``python -m benchmarks.screen`` prints one table and writes the same numbers to data/bench/screen.json. It takes about
eight minutes and wants a quiet machine: server, training and every visitor's browser share its cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Browser, sync_playwright

from benchmarks.support.rows import Row, report, table
from benchmarks.support.serving import Server
from benchmarks.support.viewers import slowdown
from benchmarks.support.visitor import (
    Wire,
    press_pause,
    set_pace,
    start_run,
    turn_alpha,
    turn_labels,
    visit,
    wait_for_step,
)
from tools import chromium

INTERACTIONS = 30
WIRE = 6.0  # seconds of one count of bytes
COLD_STARTS = 3
LONG = "distill?dataset=digits&labelled=200&epochs=10000&batch_size=1"  # two million steps
PLANAR = "distill?dataset=moons&epochs=400"


def cold_start(browser: Browser) -> list[Row]:
    """Fresh servers, each with a first and a second visitor of the start page."""
    names = ("server answers", "1st visitor: heading", "1st visitor: decision surface",
             "2nd visitor: heading", "2nd visitor: decision surface")  # fmt: skip
    found: list[list[float]] = []
    for _ in range(COLD_STARTS):
        with Server() as server:
            seen = [time.time() - server.begun]
            for since in (server.begun, None):
                since = since or time.time()  # noqa: PLW2901
                with visit(browser, server.url) as page:
                    page.get_by_role("heading", level=1).first.wait_for()
                    seen.append(time.time() - since)
                    page.locator("figcaption", has_text="epoch").first.wait_for()
                    seen.append(time.time() - since)
            found.append(seen)
    columns = zip(*found, strict=True)
    return [Row(f"Cold start, {name}", "s", list(values)) for name, values in zip(names, columns, strict=True)]


def idle_interaction(browser: Browser, server: Server) -> list[Row]:
    """The form of the lab with nothing training."""
    with visit(browser, f"{server.url}/{LONG}") as page:
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        turn_alpha(page, 2)
        return [_clicks("form, labels → sentence, idle", turn_labels(page, INTERACTIONS)),
                _clicks("form, alpha → formula, idle", turn_alpha(page, INTERACTIONS))]  # fmt: skip


def busy_interaction(browser: Browser, server: Server, run: str) -> list[Row]:
    """The same at full speed: on the page of the run, on a page without it, and the run's own pause button."""
    rows = []
    with visit(browser, f"{server.url}/{LONG}") as page:
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(_clicks("form, alpha → formula, training elsewhere", turn_alpha(page, INTERACTIONS), 100))
    with visit(browser, f"{server.url}/{LONG}&run={run}") as page:
        page.get_by_text("Set up another run").click()
        page.locator(".katex").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(_clicks("form, labels → sentence, training here", turn_labels(page, INTERACTIONS), 100))
        rows.append(_clicks("form, alpha → formula, training here", turn_alpha(page, INTERACTIONS), 100))
        rows.append(_clicks("pause → resume button, training here", press_pause(page, INTERACTIONS), 100))
    return rows


def _clicks(name: str, numbers: list[float], aim: float = 0) -> Row:
    row = Row(f"Interaction: {name}", "ms", numbers)
    if aim:
        row.aim, row.met = f"p95 < {aim:g}", row.p95 < aim
    return row


def bytes_per_update(browser: Browser, server: Server) -> tuple[list[Row], str]:
    """One visitor's websocket early and late in a long run, at the same pace, and what joining late costs."""
    per_update: dict[str, float] = {}
    rows = []

    def count(wire: Wire, name: str) -> None:
        second, update = wire.over(WIRE)
        print(f"  {name}: {second:,.0f} B/s, {update:,.0f} B/update; by kind {wire.parts}", flush=True)
        per_update[name] = update
        rows.append(Row(f"Websocket, {name}: per update", "B", [update]))
        rows.append(Row(f"Websocket, {name}: per second", "B/s", [second]))

    with visit(browser, "about:blank") as page:
        wire = Wire(page)
        run = start_run(page, server, f"{server.url}/{LONG}", "Slow motion")
        for step in (100, 1_000, 10_000):
            if step == 10_000:
                set_pace(page, "Full speed")
            wait_for_step(page, server, run, step)
            if step == 10_000:
                set_pace(page, "Slow motion")
                page.wait_for_timeout(2000)
            count(wire, f"slow motion from step {step:,}")
        set_pace(page, "Full speed")
        page.wait_for_timeout(2000)
        count(wire, "full speed early")
        wait_for_step(page, server, run, 20_000)
        count(wire, "full speed from step 20,000")
    with visit(browser, "about:blank") as page:
        wire = Wire(page)
        page.goto(f"{server.url}/distill?run={run}", wait_until="commit")
        page.locator(".dst-curves").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(Row("Websocket, joining after 20,000 steps: everything", "B", [wire.bytes]))
    for row in rows:
        if row.name == "Websocket, slow motion from step 10,000: per update":
            early = per_update["slow motion from step 100"]
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * early
        if row.name == "Websocket, full speed from step 20,000: per update":
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * per_update["full speed early"]
    return rows, run


def planar_bytes(browser: Browser, server: Server) -> list[Row]:
    """The heaviest updates: decision surfaces at the pace made for watching."""
    with visit(browser, "about:blank") as page:
        wire = Wire(page)
        start_run(page, server, f"{server.url}/{PLANAR}", "Watch")
        second, update = wire.over(WIRE)
        page.get_by_role("button", name="Stop and keep").click()
        page.get_by_role("heading", name="Result").wait_for()
    return [
        Row("Websocket, surfaces while watching: per update", "B", [update]),
        Row("Websocket, surfaces while watching: per second", "B/s", [second]),
    ]


def measure() -> list[Row]:
    """All measurements, one after the other."""
    path = chromium.find()
    if path is None:
        raise SystemExit("The benchmark needs Chrome or Chromium: python -m tools.chromium")
    rows: list[Row] = []

    def add(title: str, work: Callable[[], list[Row]]) -> None:
        begun = time.monotonic()
        print(f"{title} ...", flush=True)
        own = work()
        rows.extend(own)
        print(f"{table(own)}\n{title}: {time.monotonic() - begun:.0f} s", flush=True)  # whatever comes of the rest

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        try:
            add("cold start", lambda: cold_start(browser))
            with Server() as server:
                add("interaction, idle", lambda: idle_interaction(browser, server))
                add("bytes, surfaces", lambda: planar_bytes(browser, server))
                found: list[str] = []

                def wire() -> list[Row]:
                    own, run = bytes_per_update(browser, server)
                    found.append(run)
                    return own

                add("bytes, long run", wire)
                add("interaction, training", lambda: busy_interaction(browser, server, found[0]))
                add("viewers", lambda: slowdown(browser, server, found[0]))
        finally:
            browser.close()
    return rows


if __name__ == "__main__":
    report("screen", __doc__, measure)
