"""How fast the screen answers, what its viewers cost the training, what travels, and how long a cold start takes.

``python -m tests.bench.screen`` prints one table and writes the same numbers to data/bench/screen.json. It takes about
seven minutes and wants a quiet machine: server, training and every visitor's browser share its cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.serving import ROOT, Server, children, keep_to, spent
from tests.bench.visiting import Wire, press_pause, set_pace, start_run, turn_alpha, turn_labels, visit, wait_for_step
from tests.browser import chromium

INTERACTIONS = 32
ROUNDS = 5
WINDOW, SETTLE = 6.0, 3.0  # seconds of one count of steps, and before it
WIRE = 8.0  # seconds of one count of bytes
COLD_STARTS = 3
LONG = "distill?dataset=digits&labelled=50&epochs=10000&batch_size=1"  # 500,000 steps
SHARES = (
    "training computes", "training waits for a core", "training waits for the interpreter or the disk",
    "rest of the server", "browser",
)  # fmt: skip
PLANAR = "distill?dataset=moons&epochs=400"


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
                    page.locator(".dst-when", has_text="epoch").first.wait_for()
                    seen.append(time.time() - since)
            found.append(seen)
    return [
        Row(f"Cold start, {name}", "s", list(values))
        for name, values in zip(names, zip(*found, strict=True), strict=True)
    ]


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
        rows.append(_clicks("form, alpha → formula, training elsewhere", turn_alpha(page, INTERACTIONS)))
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
        wait_for_step(page, server, run, 40_000)
        count(wire, "full speed from step 40,000")
    with visit(browser, "about:blank") as page:
        wire = Wire(page)
        page.goto(f"{server.url}/distill?run={run}", wait_until="commit")
        page.locator(".dst-curves").first.wait_for()
        page.wait_for_timeout(2000)
        rows.append(Row("Websocket, joining after 40,000 steps: everything", "B", [wire.bytes]))
    for row in rows:
        if row.name == "Websocket, slow motion from step 10,000: per update":
            early = per_update["slow motion from step 100"]
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * early
        if row.name == "Websocket, full speed from step 40,000: per update":
            row.aim, row.met = "< 1.25 × early", row.numbers[0] < 1.25 * per_update["full speed early"]
    return rows, run


def planar_bytes(browser: Browser, server: Server) -> list[Row]:
    """The heaviest updates: decision surfaces at the pace made for watching."""
    with visit(browser, "about:blank") as page:
        wire = Wire(page)
        start_run(page, server, f"{server.url}/{PLANAR}", "Watch")
        found = [wire.over(WIRE) for _ in range(2)]
        page.get_by_role("button", name="Stop and keep").click()
        page.get_by_role("heading", name="The run").wait_for()
    names = ("first", "next")
    return [
        row
        for name, (second, update) in zip(names, found, strict=True)
        for row in (
            Row(f"Websocket, surfaces while watching, {name} {WIRE:g} s: per update", "B", [update]),
            Row(f"Websocket, surfaces while watching, {name} {WIRE:g} s: per second", "B/s", [second]),
        )
    ]


def slowdown(browser: Browser, server: Server, run: str) -> list[Row]:
    """Steps per second with 0, 1 and 5 tabs on the run's page, in turns; ratios to the windows without any around it.

    A browser takes the cores that the training wants, which is no cost of the server. Two things tell them apart: the
    kernel's account of the server's busiest thread, which trains (computing, waiting for a core, or waiting for
    Python's interpreter lock while other threads of the server work), and 5 tabs whose browser is kept to one core.
    """
    conditions = ["0", "1", "5"] + (["5, browser on one core"] if hasattr(os, "sched_setaffinity") else [])
    cores = os.sched_getaffinity(0) if len(conditions) > 3 else set()
    counted: list[tuple[str, dict[str, float]]] = []
    with ExitStack() as stack:
        tabs = [stack.enter_context(visit(browser, "about:blank")) for _ in range(5)]
        for name in [*conditions * ROUNDS, "0"]:
            if "one core" in name:
                keep_to(children(os.getpid()) - {server.pid}, {max(cores)})
            for number, tab in enumerate(tabs):
                _go(tab, f"{server.url}/distill?run={run}" if number < int(name[0]) else "about:blank")
            tabs[0].wait_for_timeout(SETTLE * 1000)
            counted.append((name, _window(tabs[0], server, run)))
            if "one core" in name:
                keep_to(children(os.getpid()) - {server.pid}, cores)
            print(f"  {name} viewers: " + ", ".join(f"{k} {v:.3g}" for k, v in counted[-1][1].items()), flush=True)
    return _slowdown_rows(conditions, counted)


def _go(tab: Page, url: str) -> None:
    if tab.url == url:
        return
    tab.goto(url, wait_until="commit")
    if url != "about:blank":
        tab.locator(".dst-curves").first.wait_for()


def _window(page: Page, server: Server, run: str) -> dict[str, float]:
    others = children(os.getpid()) - children(server.pid) - {server.pid}
    before, tabs = spent(server.pid), sum(spent(pid).total for pid in others)
    (first, begun), clock = server.last_step(run), time.monotonic()
    page.wait_for_timeout(WINDOW * 1000)
    (last, ended), wall = server.last_step(run), time.monotonic() - clock
    if last == first:
        raise RuntimeError(
            "The run ended before the windows did: the machine is faster than this benchmark allows for."
        )
    own = spent(server.pid) - before
    return {
        "steps/s": (last - first) / (ended - begun),
        "training computes": own.busiest / wall,
        "training waits for a core": own.delayed / wall,
        "training waits for the interpreter or the disk": 1 - (own.busiest + own.delayed) / wall,
        "rest of the server": (own.total - own.busiest) / wall,
        "browser": (sum(spent(pid).total for pid in others) - tabs) / wall,
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
        ratios = []
        for n in mine:
            around = (max(a for a in alone if a < n), min(a for a in alone if a > n))
            ratios.append(counted[n][1]["steps/s"] / statistics.mean(counted[a][1]["steps/s"] for a in around))
        rows.append(Row(f"Training, viewers: {name}; ratio to none", "×", ratios))
        rows += shares
    return rows


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


def measure() -> list[Row]:
    """All measurements, one after the other."""
    path = chromium.find()
    if path is None:
        raise SystemExit("The benchmark needs Chrome or Chromium: python -m tests.browser.chromium")
    rows: list[Row] = []

    def add(title: str, work: Callable[[], list[Row]]) -> None:
        begun = time.monotonic()
        print(f"{title} ...", flush=True)
        rows.extend(work())
        print(f"{title}: {time.monotonic() - begun:.0f} s", flush=True)

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


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.screen", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "bench" / "screen.json")
    out: Path = parser.parse_args().out
    begun = time.monotonic()
    rows = measure()
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    out.parent.mkdir(parents=True, exist_ok=True)
    body = {"machine": machine, "rows": [asdict(row) | row.summary() for row in rows]}
    out.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{table(rows)}\n\n{machine}, {time.monotonic() - begun:.0f} s in all, written to {out}")


if __name__ == "__main__":
    main()
