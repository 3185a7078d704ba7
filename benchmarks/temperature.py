"""How smoothly the Temperature page follows its handle, and how soon a drawing is answered while a run trains.

``python -m benchmarks.temperature`` prints one table and writes the same numbers to data/bench/temperature.json. It
takes about two minutes and wants a quiet machine.
"""

from __future__ import annotations

import time

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.support.rows import Row, report
from benchmarks.support.serving import Server
from benchmarks.support.visitor import start_run, visit
from tools import chromium

REPEATS = 5  # of a drag
DRAWINGS = 30
TEN = "distill?autoplay=0&dataset=digits&epochs=20"
HUNDRED = "distill?autoplay=0&dataset=blobs&dataset_clouds=100&epochs=20&labelled=500"
LONG = "distill?autoplay=0&dataset=digits&labelled=50&epochs=10000&batch_size=1"  # 500,000 steps

# The handle over the whole scale and back in 120 moves, one per frame: milliseconds from frame to frame.
DRAG = """async (slider) => {
  const [low, high] = [Number(slider.min), Number(slider.max)], times = [];
  for (let move = 0; move < 120; move += 1) {
    slider.value = low + (high - low) * (1 - Math.abs(move / 60 - 1));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    times.push(await new Promise((next) => requestAnimationFrame(next)));
  }
  return times.slice(1).map((time, i) => time - times[i]);
}"""

# From the lifting of the pen until the bars of the last answer have been drawn. While the pen moves there are answers
# already, so the last change within a second and a half is the one that counts.
ARM = """() => {
  const bench = [...window.__distillery.stores.values()][0];
  window.benched = new Promise((resolve) => addEventListener("pointerup", ({ timeStamp }) => {
    let given = JSON.stringify(bench.given), changed = 0, drawn = 0, last = 0;
    const look = () => {
      const now = performance.now(), { softened } = window.__distillery.drawn, text = JSON.stringify(bench.given);
      if (text !== given) [given, changed, drawn] = [text, now, softened];
      if (changed && softened > drawn) [last, changed] = [now - timeStamp, 0];
      if (now - timeStamp > 1500) resolve(last);
      else requestAnimationFrame(look);
    };
    look();
  }, { capture: true, once: true }));
}"""


def drags(browser: Browser, server: Server, name: str, lab: str, aim: float) -> list[Row]:
    """Frame times of a drag with the top of the page in view, and with the figures further down."""
    rows = []
    with visit(browser, "about:blank") as page:
        run = trained(page, server, lab)
        page.goto(f"{server.url}/temperature?run={run}")
        handle = page.locator(".dst-dock input[type=range]")
        page.locator(".dst-softened svg").first.wait_for()
        for figure in ("softened", "gradients", "dark-knowledge", "calibration", "target-sources"):
            page.locator(f".dst-{figure}").scroll_into_view_if_needed()
            page.wait_for_timeout(1500)
            gaps = [gap for _ in range(REPEATS) for gap in handle.evaluate(DRAG)]
            row = Row(f"Frame while dragging, {name}, {figure} in view", "ms", gaps)
            row.aim, row.met = f"p95 < {aim:g}", row.p95 < aim
            rows.append(row)
    return rows


def drawings(browser: Browser, server: Server) -> list[Row]:
    """Strokes on the pad while another run trains at full speed."""
    with visit(browser, "about:blank") as page:
        run = trained(page, server, TEN)
        busy = start_run(page, server, f"{server.url}/{LONG}", "Full speed")
        page.goto(f"{server.url}/temperature?run={run}&source=drawing")
        pad = page.locator(".dst-drawing-pad canvas")
        pad.wait_for()
        page.wait_for_timeout(2000)
        found = []
        for number in range(DRAWINGS):
            box = pad.bounding_box()
            assert box is not None
            page.evaluate(ARM)
            x, y = box["x"] + box["width"] * (0.3 + 0.013 * number), box["y"] + box["height"] * 0.2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 20, y + 0.5 * box["height"], steps=6)
            page.mouse.up()
            found.append(float(page.evaluate("window.benched")))
            if number % 5 == 4:
                page.get_by_role("button", name="Clear").click()
            page.wait_for_timeout(300 + 37 * (number % 9))
        assert server.last_step(busy)[0] > 0
    row = Row("Pen lifted → bars of the answer, training elsewhere", "ms", found)
    row.aim, row.met = "p95 < 300", row.p95 < 300
    return [row]


def trained(page: Page, server: Server, lab: str) -> str:
    """The id of a run of these settings, once it is over."""
    run = start_run(page, server, f"{server.url}/{lab}", "Full speed")
    until = time.monotonic() + 120
    while server.store().run(run).state != "completed":  # type: ignore[union-attr]
        if time.monotonic() > until:
            raise TimeoutError("The run did not end.")
        page.wait_for_timeout(200)
    return run


def measure() -> list[Row]:
    """All measurements, one after the other."""
    path = chromium.find()
    if path is None:
        raise SystemExit("The benchmark needs Chrome or Chromium: python -m tools.chromium")
    with sync_playwright() as playwright, Server() as server:
        browser = playwright.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        try:
            rows = drags(browser, server, "10 classes", TEN, 20)
            rows += drags(browser, server, "100 classes", HUNDRED, 33)
            return rows + drawings(browser, server)
        finally:
            browser.close()


if __name__ == "__main__":
    report("temperature", __doc__, measure)
